"""Servers that are no API, or a bad one: a clear word, within bounded time and requests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.discovery.discover import discover
from spectra_assets.errors import ConfigurationError, RetriableError, SourceError
from spectra_assets.settings import Settings

PAGE = (200, b"<html><body>Welcome to nginx</body></html>", {"Content-Type": "text/html"})
GOOD = [{"id": n, "name": f"n{n}"} for n in range(4)]


def test_a_web_site_is_told_as_such(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve({}, missing=PAGE)
    with pytest.raises(SourceError, match=r"a web page came instead of JSON.*Check the base URL"):
        discover(settings, "site", api.base_url)
    assert len(api.asked) <= 300


def test_an_address_where_nothing_listens_is_told_at_once(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RetriableError, match=rf"nothing listens on 127.0.0.1:{port}"):
        discover(settings, "down", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["", "example", "ftp://127.0.0.1/x", "http://user:secret@127.0.0.1", "http://127.0.0.1/?a=1"])
def test_an_address_that_is_none_is_refused(settings: Settings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="not usable as the base URL") as caught:
        discover(settings, "wrong", address)
    assert "secret" not in str(caught.value)


def test_redirects_in_circles_and_to_another_host_are_gaps(serve: Callable[..., Any], settings: Settings) -> None:
    other = serve({"/.*": GOOD})
    api = serve(
        {
            "/": {"good": "/good", "circle": "/circle", "away": "/away"},
            "/good": GOOD,
            "/circle": (302, {}, {"Location": "/circle"}),
            "/away": (302, {}, {"Location": f"{other.base_url}/away"}),
        }
    )
    pack = discover(settings, "moves", api.base_url)
    gaps = {each.about: each.evidence for each in pack.evidence if each.finding == "gap"}
    assert "more than 5 redirects" in gaps["GET /circle"]
    assert "redirects to another server" in gaps["GET /away"]
    assert other.asked == []


def test_links_without_end_stop_at_the_budget(serve: Callable[..., Any], settings: Settings) -> None:
    def node(match: Any, *_: Any) -> Any:
        number = int(match["n"])
        return {f"branch{k}": f"/maze/{number * 3 + k}" for k in range(3)}

    api = serve({"/": {"maze": "/maze/1", "good": "/good"}, r"/maze/(?P<n>\d+)": node, "/good": GOOD})
    begun = time.monotonic()
    pack = discover(settings, "maze", api.base_url, budget=120)
    assert len(api.asked) <= 120
    assert time.monotonic() - begun < 120
    assert [hint.entity for hint in pack.entities] == ["good"]
    spent = next(each for each in pack.evidence if each.about == "requests")
    assert spent.finding == "120 of 120"
    assert "budget is used up" in spent.evidence


def test_a_server_that_hangs_is_given_up_after_a_few(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.discovery.scout._TIMEOUT", (0.5, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        with pytest.raises(RetriableError, match=r"sent nothing for 0.2 s"):
            discover(settings, "mute", f"http://127.0.0.1:{server.getsockname()[1]}")
        for each in held:
            each.close()


def test_what_an_api_says_is_quoted_and_bounded(serve: Callable[..., Any], settings: Settings) -> None:
    evil = "x\x1b[31m\nrm -rf" + "y" * 5000
    api = serve({"/": {"good": "/good", evil: "/evil"}, "/good": GOOD, "/evil": (403, {"message": evil}, {})})
    pack = discover(settings, "evil", api.base_url)
    texts = [text for each in pack.evidence for text in (each.about, each.finding, each.evidence)]
    assert max(map(len, texts)) <= 800
    assert not any("\x1b" in text for text in texts)
