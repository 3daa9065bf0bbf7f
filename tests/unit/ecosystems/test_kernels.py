"""Headers of kernels are told from kernels. Names: packages.debian.org, packages.ubuntu.com, Red Hat's and SUSE's spec
files."""

from __future__ import annotations

import pytest

from hullwise.domain.packages import Package
from hullwise.ecosystems.kernels import is_headers


@pytest.mark.parametrize(
    ("ecosystem", "name", "source", "expected"),
    [
        ("dpkg", "linux-libc-dev", "linux", True),
        ("dpkg", "linux-libc-dev-arm64-cross", "linux", True),
        ("dpkg", "linux-headers-6.1.0-28-amd64", "linux", True),
        ("dpkg", "linux-headers-amd64", "linux-signed-amd64", True),
        ("dpkg", "linux-aws-headers-5.4.0-1029", "linux-aws", True),
        ("dpkg", "linux-kbuild-6.1", "linux", True),
        ("dpkg", "linux-image-6.1.0-28-amd64", "linux-signed-amd64", False),
        ("dpkg", "linux-modules-5.15.0-100-generic", "linux", False),
        ("dpkg", "linux-perf", "linux", False),
        ("dpkg", "linux-libc-dev", "crossbuild", False),
        ("dpkg", "libc6-dev", "glibc", False),
        ("rpm", "kernel-headers", "kernel", True),
        ("rpm", "kernel-devel", "kernel", True),
        ("rpm", "kernel-64k-devel-matched", "kernel", True),
        ("rpm", "kernel-uek-devel", "kernel-uek", True),
        ("rpm", "kernel6.12-headers", "kernel6.12", True),
        ("rpm", "kernel-default-devel", "kernel-default", True),
        ("rpm", "linux-api-headers", "linux-api-headers", True),
        ("rpm", "kernel-core", "kernel", False),
        ("rpm", "kernel-default", "kernel-default", False),
        ("rpm", "kernelshark-devel", "trace-cmd", False),
        ("apk", "linux-headers", "linux-headers", True),
        ("dpkg", "linux-compiler-gcc-12-x86", "linux", True),
        ("rpm", "linux-esx-devel", "linux-esx", True),
        ("apk", "linux-lts-dev", "linux-lts", True),
        ("apk", "linux-pam-dev", "linux-pam", False),
        ("npm", "kernel-headers", "kernel-headers", False),
    ],
)
def test_headers(ecosystem: str, name: str, source: str, expected: bool) -> None:
    """By the package's own name and that of its source."""
    assert is_headers(Package(ecosystem, "", name, "1", source, "1", "", "")) is expected
