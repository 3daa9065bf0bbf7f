"""WWW-Authenticate as RFC 9110, 11.6.1 has it, and as strangers send it."""

from __future__ import annotations

import time

import pytest

from hullwise.imports.challenges import Challenge, read


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'],
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (['Basic realm="a \\"quoted\\" word"'], [Challenge("basic", {"realm": 'a "quoted" word'})]),
        (
            ['Negotiate, BASIC realm=here , Bearer Realm = "x"'],
            [Challenge("negotiate", {}), Challenge("basic", {"realm": "here"}), Challenge("bearer", {"realm": "x"})],
        ),
        (
            ['Basic realm="one"', 'Bearer realm="two"'],
            [Challenge("basic", {"realm": "one"}), Challenge("bearer", {"realm": "two"})],
        ),
        (['Bearer realm="first",realm="second"'], [Challenge("bearer", {"realm": "first"})]),
        ([], []),
        ([""], []),
        (["realm=x"], []),
        (['Bearer realm="without an end'], [Challenge("bearer", {"realm": ""})]),
    ],
)
def test_challenges_are_read(headers: list[str], expected: list[Challenge]) -> None:
    """Schemes in any case, several in a header or in several; of a repeated parameter the first."""
    assert read(headers) == expected


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "Bearer " + 'x="' * 300_000, "," * 1_000_000, "a " * 500_000, " " * 1_000_000]
)
def test_long_headers_take_no_time(text: str) -> None:
    """What is read of one is bounded."""
    start = time.process_time()
    read([text])
    assert time.process_time() - start < 1
