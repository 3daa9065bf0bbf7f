"""URLs that can be asked, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.remotes import urls
from hullwise.remotes.errors import BadRedirect, InvalidUrl, RemoteError


@pytest.mark.parametrize(
    "text",
    [
        "",
        "feeds.example/x",
        "//feeds.example/x",
        "file:///etc/passwd",
        "ftp://feeds.example/x",
        "gopher://feeds.example",
        "http:///x",
        "http://:80/",
        "http://feeds.example:0/",
        "http://feeds.example:65536/",
        "http://feeds.example:port/",
        "http://feeds exam.ple/",
        "http://feeds.example\n/",
        "http://%31%32%37.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://999.0.0.1/",
        "http://0177.0.0.1/",
        "http://feeds.1/",
        "http://feeds\\example/",
        "http://\ud800/",
        "http://１２７.0.0.1/",
        f"http://{'a.' * 200}example/",
        f"http://feeds.example/{'a' * 9000}",
    ],
)
def test_what_cannot_be_asked(text: str) -> None:
    """Other schemes, no host, hosts that two readers take for different things: an error before anything is sent."""
    with pytest.raises(InvalidUrl):
        urls.parse(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hidden@feeds.example/a/b?token=hidden#hidden", "https://feeds.example/a/b?…"),
        ("http://feeds.example:8080", "http://feeds.example:8080/"),
        ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]/a"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("HTTPS://FEEDS.example/A", "https://feeds.example/A"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    """User, password, query and fragment of a URL appear in no message."""
    assert urls.shown(urls.parse(text)) == shown


def test_what_cannot_be_parsed_shows_no_secret() -> None:
    """Not even where the URL is too odd to take apart."""
    with pytest.raises(InvalidUrl) as told:
        urls.parse("ftp://user:hidden@feeds.example/x?token=hidden#hidden")
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize(
    ("base", "location", "target"),
    [
        ("https://a.example/x/y", "z", "https://a.example/x/z"),
        ("https://a.example/x/y", "/z?q", "https://a.example/z?q"),
        ("https://a.example/x", "//b.example/y", "https://b.example/y"),
        ("http://a.example/x", "https://a.example/x", "https://a.example/x"),
        ("https://u:p@a.example/x", "/y", "https://u:p@a.example/y"),
        ("https://u:p@a.example/x", "https://a.example:443/y", "https://u:p@a.example/y"),
        ("https://u:p@a.example/x", "https://b.example/y", "https://b.example/y"),
        ("https://u:p@a.example/x", "https://a.example:8443/y", "https://a.example:8443/y"),
        ("http://u:p@a.example/x", "https://a.example/y", "https://a.example/y"),
        ("https://a.example/x", "https://other:one@b.example/y", "https://b.example/y"),
    ],
)
def test_redirects_carry_credentials_to_their_origin_only(base: str, location: str, target: str) -> None:
    """Relative or not, the target is whole; another scheme, host or port gets no credentials."""
    assert str(urls.redirected(urls.parse(base), location)) == target


@pytest.mark.parametrize(
    "location", [None, "http://a.example/", "ftp://a.example/", "file:///etc/passwd", "http://[x/", "https://a b/"]
)
def test_redirects_that_are_not_followed(location: str | None) -> None:
    """Nowhere, from https to http, to another scheme, or to what is no URL."""
    with pytest.raises(BadRedirect):
        urls.redirected(urls.parse("https://a.example/x"), location)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_an_error(text: str) -> None:
    """No text and no Location ends in anything but a URL of http or https, or our own error."""
    calls: list[Callable[[], httpx.URL]] = [
        lambda: urls.parse(text),
        lambda: urls.parse(f"http://{text}"),
        lambda: urls.redirected(httpx.URL("http://a.example/b"), text),
    ]
    for call in calls:
        try:
            found = call()
        except RemoteError:
            continue
        assert found.scheme in {"http", "https"} and found.host
        urls.shown(found)
