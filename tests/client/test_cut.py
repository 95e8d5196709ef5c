"""A connection cut at every byte of a small answer: the answer comes whole with the next try, or an error says that it was cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.access import Auth, Fetch, Server
from spectra_assets.errors import RetriableError

BODY = b'[{"id":1,"name":"a"},{"id":2,"name":"\xc3\xa9"}]'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (9, BODY[:9], len(BODY) - 9, BODY[9:])
)


class Cutting:
    """Sends so many bytes of `answer` and cuts the connection; with None, all of it. One entry of `cuts` per request."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.cuts: list[int | None] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, suppress(OSError):
                    while b"\r\n\r\n" in connection.recv(65_536):
                        cut = self.cuts.pop(0) if self.cuts else None
                        connection.sendall(self.answer[:cut])
                        if cut is not None:
                            break

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=[PLAIN, CHUNKED], ids=["length", "chunked"])
def server(request: pytest.FixtureRequest) -> Iterator[Cutting]:
    cutting = Cutting(request.param)
    yield cutting
    cutting.close()


def client(server: Cutting, attempts: int) -> ApiClient:
    access = Server(base_url_env="X", auth=Auth(kind="none"), probe="/rows")
    return ApiClient(access, server.url, None, timeout=(20, 60), attempts=attempts, backoff_base=0.0)


def test_what_was_cut_anywhere_comes_whole_with_the_next_try(server: Cutting) -> None:
    with client(server, 3) as api:
        for cut in range(len(server.answer)):
            server.cuts = [cut]
            (page,) = api.pages(Fetch(entity="row", path="/rows"))
            assert page.records == [b'{"id":1,"name":"a"}', '{"id":2,"name":"é"}'.encode()], cut


def test_what_is_always_cut_is_an_error_and_never_a_short_list(server: Cutting) -> None:
    with client(server, 1) as api:
        for cut in range(len(server.answer)):
            server.cuts = [cut]
            try:
                (page,) = api.pages(Fetch(entity="row", path="/rows"))
            except RetriableError:
                continue
            assert len(page.records) == 2, cut
