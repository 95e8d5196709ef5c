"""Headers are found by name in any case, and none is lost."""

from urllib3 import HTTPHeaderDict

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
    came = HTTPHeaderDict()
    came.add("Link", "</a>; rel=first")
    came.add("link", "</b>; rel=next")
    assert Headers(came).get("Link") == "</a>; rel=first, </b>; rel=next"
