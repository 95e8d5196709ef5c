"""Headers are found by name in any case, and none is lost."""

from spectra_assets.client.headers import Headers


def test_names_in_any_case() -> None:
    headers = Headers({"ETag": '"a"', "X-Total-Count": "7"})
    assert headers["etag"] == headers.get("ETAG") == '"a"'
    assert "x-total-count" in headers
    assert "X-Total" not in headers
    assert headers.get("X-Total") is None
    assert headers.get("X-Total", "0") == "0"
    assert dict(headers) == {"ETag": '"a"', "X-Total-Count": "7"}


def test_a_header_that_came_twice_is_whole() -> None:
    came = Headers.of([(b"Link", b"</a>; rel=first"), (b"ETag", b' "a" '), (b"link", b"</b>; rel=next")])
    assert came.get("Link") == "</a>; rel=first, </b>; rel=next"
    assert dict(came) == {"Link": "</a>; rel=first, </b>; rel=next", "ETag": '"a"'}


def test_bytes_beyond_ascii_are_kept() -> None:
    assert Headers.of([(b"X-Name", b"caf\xe9")])["x-name"] == "caf\xe9"
