"""The main job, shown: make a real image, push it, have it scanned, read the findings with plain boto3.

Everything it makes is kept in `.demo/`: the registry's data, an access key, and the image's layers.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3

HOME = Path(__file__).parents[1] / ".demo"
REPOSITORY = "demo/shop"
REGION = "us-east-1"
PREFIX = "usr/local/lib/python3.9/site-packages"

# Releases of 2018 to 2020, pure Python, so that they install anywhere.
PYPI = (
    "Django==2.2.0", "Jinja2==2.10", "requests==2.19.0", "urllib3==1.24", "Flask==0.12.2", "Werkzeug==0.14.1",
    "idna==2.7", "certifi==2018.4.16", "sqlparse==0.2.4", "Mako==1.1.2", "bleach==3.1.0", "paramiko==2.4.1",
    "gunicorn==19.9.0", "setuptools==40.8.0", "pip==20.0.2", "six==1.15.0",
)  # fmt: skip

# What Debian 11 shipped on its first day, 2021-08-14: package, its source where another, version.
DEBIAN_11 = (
    ("base-files", "", "11.1"), ("bash", "", "5.1-2+b3"), ("dpkg", "", "1.20.9"), ("gzip", "", "1.10-4"),
    ("libc6", "glibc", "2.31-13"), ("libc-bin", "glibc", "2.31-13"), ("libcurl4", "curl", "7.74.0-1.3+b1"),
    ("curl", "", "7.74.0-1.3+b1"), ("libexpat1", "expat", "2.2.10-2"), ("liblzma5", "xz-utils", "5.2.5-2"),
    ("xz-utils", "", "5.2.5-2"), ("libssl1.1", "openssl", "1.1.1k-1"), ("openssl", "", "1.1.1k-1"),
    ("libxml2", "", "2.9.10+dfsg-6.7"), ("libgnutls30", "gnutls28", "3.7.1-5"), ("sudo", "", "1.9.5p2-3"),
    ("zlib1g", "zlib", "1:1.2.11.dfsg-2"),
)  # fmt: skip

OS_RELEASE = (
    'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nNAME="Debian GNU/Linux"\nID=debian\n'
    'VERSION_ID="11"\nVERSION="11 (bullseye)"\nVERSION_CODENAME=bullseye\n'
)


def say(text: str = "") -> None:
    print(text, flush=True)


def layer(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """A gzip-compressed tar, the same for the same files, and the digest of the tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return gzip.compress(buffer.getvalue(), 6, mtime=0), sha256(buffer.getvalue())


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def debian_files() -> dict[str, bytes]:
    """The package database that Debian 11 had, as far as DEBIAN_11 tells."""
    stanzas = []
    for package, source, version in DEBIAN_11:
        # A binary rebuild (+b1) has the source version without its suffix.
        plain = version.partition("+b")[0] if version.rpartition("+b")[2].isdigit() else version
        stated = f"{source or package} ({plain})" if plain != version else source
        lines = [f"Package: {package}", "Status: install ok installed", "Architecture: amd64"]
        lines += [f"Source: {stated}"] if stated else []
        stanzas.append("\n".join([*lines, f"Version: {version}"]))
    return {
        "etc/os-release": OS_RELEASE.encode(),
        "var/lib/dpkg/status": ("\n\n".join(stanzas) + "\n").encode(),
    }


def python_files() -> dict[str, bytes]:
    """Old releases, really installed from PyPI; kept for the next run."""
    folder = HOME / f"python-{hashlib.sha256(repr(PYPI).encode()).hexdigest()[:12]}"
    if not folder.exists():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = ["pip", "install", "--quiet", "--target", str(partial), "--no-deps", "--only-binary", ":all:"]
        uv = Path(sys.executable).parent / "uv"
        say(f"  fetching {len(PYPI)} old releases from PyPI, once")
        if subprocess.run([str(uv), *command, "--python", sys.executable, *PYPI]).returncode:
            sys.exit(
                "The releases could not be fetched; what uv says is above. The first run needs PyPI, or a mirror of\n"
                "it that UV_DEFAULT_INDEX names. Nothing is broken: run it again."
            )
        partial.rename(folder)
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{PREFIX}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in found}


@contextmanager
def server() -> Iterator[str]:
    """`hullwise serve` on a free port, or one that runs on the demo's data already; yields where it answers."""
    data = HOME / "data"
    running = data / "running.json"
    url = _answering(running)
    if url:
        say(f"Using the server that runs at {url}")
        yield url
        return
    say("Starting Hullwise")
    running.unlink(missing_ok=True)
    command = [sys.executable, "-m", "hullwise", "serve", "--port", "0", "--data", str(data)]
    log = HOME / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _ready(process, running, log)
        finally:
            process.terminate()
            process.wait(30)


def _answering(running: Path) -> str:
    """Where a server on the data answers; empty where none does."""
    with suppress(OSError, ValueError, KeyError):
        url: str = json.loads(running.read_text())["url"]
        urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
        return url
    return ""


def _ready(process: subprocess.Popen[bytes], running: Path, log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if running.exists():
            url: str = json.loads(running.read_text())["url"]
            return url
        time.sleep(0.05)
    sys.exit(f"the server did not start:\n{log.read_text()}")


def credentials() -> dict[str, str]:
    """The demo's access key: made on the first run, before the server could print one into its log, and kept."""
    path = HOME / "credentials.json"
    if not (HOME / "data").exists():
        path.unlink(missing_ok=True)
    if not path.exists():
        command = [sys.executable, "-m", "hullwise", "keys", "create", "--format", "json", "--data", str(HOME / "data")]
        made = subprocess.run(command, check=True, capture_output=True).stdout
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
    found: dict[str, str] = json.loads(path.read_bytes())
    return found


class Registry:
    """As much of the registry API as a push needs."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url
        self._login = "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()

    def send(self, method: str, path: str, body: bytes | None = None, media_type: str = "") -> int:
        headers = {"authorization": self._login, "content-type": media_type or "application/octet-stream"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return 404
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def push_blob(self, data: bytes) -> bool:
        """Returns whether it had to be sent."""
        if self.send("HEAD", f"/v2/{REPOSITORY}/blobs/{sha256(data)}") == 200:
            return False
        self.send("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={sha256(data)}", data)
        return True


def push(registry: Registry, layers: list[tuple[str, bytes, str]]) -> None:
    """Push the image: config, layers, manifest."""
    history = [{"created_by": name} for name, _, _ in layers]
    rootfs = {"type": "layers", "diff_ids": [diff_id for _, _, diff_id in layers]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "history": history}).encode()
    oci = "application/vnd.oci.image."
    descriptors = [
        {"mediaType": f"{oci}layer.v1.tar+gzip", "digest": sha256(blob), "size": len(blob)} for _, blob, _ in layers
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}manifest.v1+json",
        "config": {"mediaType": f"{oci}config.v1+json", "digest": sha256(config), "size": len(config)},
        "layers": descriptors,
    }
    for name, blob, _ in layers:
        sent = registry.push_blob(blob)
        say(f"  {name:28} {sha256(blob)[7:19]} {len(blob) / 1e6:6.1f} MB  {'pushed' if sent else 'already there'}")
    registry.push_blob(config)
    path = f"/v2/{REPOSITORY}/manifests/latest"
    registry.send("PUT", path, json.dumps(manifest).encode(), f"{oci}manifest.v1+json")


def wait_for_scan(ecr: Any) -> dict[str, Any]:
    """What describe_image_scan_findings says once the scan has ended."""
    started = time.monotonic()
    while True:
        found: dict[str, Any] = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "latest"}, maxResults=1000
        )
        status = found["imageScanStatus"]["status"]
        say(f"  {time.monotonic() - started:4.1f} s  {status}")
        if status not in {"PENDING", "IN_PROGRESS"}:
            return found
        time.sleep(0.5)


def show(found: dict[str, Any], names: dict[str, str], most: int = 20) -> None:
    """Findings as a table."""
    if "imageScanFindings" not in found or "findingSeverityCounts" not in found["imageScanFindings"]:
        sys.exit(f"no findings: {found['imageScanStatus']}")
    findings = found["imageScanFindings"]["findings"]
    row = "  {:10} {:16} {:12} {:18} {:24} {}".format
    say(row("severity", "vulnerability", "package", "installed", "fixed in", "introduced by"))
    for finding in findings[:most]:
        of = {attribute["key"]: attribute["value"] for attribute in finding["attributes"]}
        fix, layer_name = of.get("fixed_in_version", of["fix_state"]), names[of["layer_digest"]]
        say(row(finding["severity"], finding["name"], of["package_name"], of["package_version"], fix, layer_name))
    if len(findings) > most:
        say(f"  … and {len(findings) - most} more")


def main() -> None:
    HOME.mkdir(exist_ok=True)
    say("Making an image: Debian 11 as it was in 2021, and old releases from PyPI")
    layers = [
        ("Debian 11 package database", *layer(debian_files())),
        ("PyPI releases of 2018–2020", *layer(python_files())),
    ]
    names = {sha256(blob): name for name, blob, _ in layers}
    key = credentials()
    with server() as url:
        ecr = boto3.client(
            "ecr",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
        )
        with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": True})
        say(f"Pushing it to {url.removeprefix('http://')}/{REPOSITORY}:latest")
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        push(Registry(url, base64.b64decode(token).decode().partition(":")[2]), layers)
        say("Waiting for the scan on push")
        found = wait_for_scan(ecr)
        say("\nboto3: describe_image_scan_findings")
        show(found, names)
        detail = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"][0]
        summary = detail["imageScanFindingsSummary"]
        say("\nboto3: describe_images")
        say(f"  {detail['imageTags']} {detail['imageDigest'][:19]}… {detail['imageSizeInBytes'] / 1e6:.1f} MB")
        say(f"  scan {detail['imageScanStatus']['status']}, findings {summary['findingSeverityCounts']}")
        say(f"  advisory data as of {summary['vulnerabilitySourceUpdatedAt']:%Y-%m-%d}")
    farewell(key)


def farewell(key: dict[str, str]) -> None:
    data = os.path.relpath(HOME / "data")
    say(
        f"""
Everything is kept in {os.path.relpath(HOME)}. To go on:

  make serve                            # the same data, at http://127.0.0.1:5050

and in another terminal, where the AWS CLI is installed:

  export PATH="$PWD/.venv/bin:$PATH"
  export AWS_ACCESS_KEY_ID={key["access_key_id"]}
  export AWS_SECRET_ACCESS_KEY={key["secret_access_key"]}
  export AWS_DEFAULT_REGION={REGION} AWS_REGION={REGION}
  export AWS_ENDPOINT_URL_ECR=http://127.0.0.1:5050
  aws ecr describe-images --repository-name {REPOSITORY}
  aws ecr describe-image-scan-findings --repository-name {REPOSITORY} --image-id imageTag=latest
  aws ecr get-login-password | docker login --username AWS --password-stdin 127.0.0.1:5050
  hullwise advisories sync --data {data}   # complete data in place of the bundled set"""
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped. `make demo` goes on from here.")
