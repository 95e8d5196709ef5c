"""Answers as odd servers give them, on real sockets: read where they can be read, refused by name where not, one line kept."""

from __future__ import annotations

import base64
import gc
import gzip
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.access import Auth, Server
from spectra_assets.errors import ConfigurationError, RetriableError, SourceError
from tests.client.conftest import Api

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 3\r\n\r\n[1]"


class Odd:
    """Gives `answers` in turn, byte for byte, the last one for ever; closes the connection after those in `closing`.

    `heads` are the requests as they came, `lines` counts connections.
    """

    def __init__(self) -> None:
        self.answers: list[bytes] = [WHOLE]
        self.closing: set[bytes] = set()
        self.heads: list[bytes] = []
        self.lines = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                self.lines += 1
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            while head := line.recv(65_536):
                self.heads.append(head)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                line.sendall(answer)
                if answer in self.closing:
                    return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()


def client(url: str, **options: object) -> ApiClient:
    access = Server(base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/rows", headers={"X-Own": "yes"})
    return ApiClient(access, url, None, **{"timeout": (2, 2), "attempts": 1, "backoff_base": 0.0, **options})  # type: ignore[arg-type]


def read(odd: Odd, *answers: bytes, closed: bool = False) -> bytes:
    odd.answers = list(answers)
    odd.closing = {answers[-1]} if closed else set()
    with client(odd.url) as api:
        return api.read("/x")


@pytest.mark.parametrize(
    ("answer", "closed"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, False),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\nContent-Length: 9\r\n\r\n" + WHOLE, False),
        (WHOLE.replace(b"\r\n", b"\n"), False),
        (HEAD.replace(b"200 OK", b"200") + b"content-length:3\r\n\r\n[1]", False),
        (HEAD + b"Connection: close\r\n\r\n[1]", True),
        (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n", False),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\n[\r\n2 \r\n1]\r\n0\r\nETag: x\r\n\r\n", False),
        (HEAD + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\n[1]", False),
        (b"HTTP/1.0 200 OK\r\n\r\n[1]", True),
    ],
)
def test_answers_of_many_servers(odd: Odd, answer: bytes, closed: bool) -> None:
    assert read(odd, answer, closed=closed) == b"[1]"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no valid HTTP"),
        (b"[1]", "no valid HTTP"),
        (HEAD + b"Content-Length: many\r\n\r\n[1]", "no valid HTTP.*Content-Length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[1]\r\n0\r\n\r\n", "no valid HTTP"),
        (HEAD + b"X: " + b"y" * 300_000, "no valid HTTP.*its head has no end"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2\r\nConnection: Upgrade\r\n\r\nxx", "no valid HTTP"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n[1]", "the compressed body is damaged"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "cut the connection"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(odd: Odd, answer: bytes, why: str) -> None:
    with pytest.raises(RetriableError, match=why):
        read(odd, answer, closed=True)


def test_a_header_that_comes_twice_is_whole(odd: Odd) -> None:
    odd.answers = [HEAD + b"Link: <a>; rel=first\r\nLink: <b>; rel=next\r\nContent-Length: 2\r\n\r\n[]"]
    with client(odd.url) as api:
        assert api.get("/x").headers["link"] == "<a>; rel=first, <b>; rel=next"


def test_packed_twice_is_unpacked_twice(odd: Odd) -> None:
    body = gzip.compress(gzip.compress(b"[1, 2]"))
    assert read(odd, HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) == b"[1, 2]"


def test_a_line_is_kept(odd: Odd) -> None:
    with client(odd.url) as api:
        assert [api.read("/x") for _ in range(5)] == [b"[1]"] * 5
    assert odd.lines == 1


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE + b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["forged"',
        WHOLE.replace(b"Content-Type", b"Connection: close\r\nContent-Type"),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_a_line_that_may_hold_something_else_is_not_used_again(odd: Odd, answer: bytes) -> None:
    odd.answers = [answer, WHOLE]
    with client(odd.url) as api:
        assert [api.read("/x"), api.read("/x")] == [b"[1]", b"[1]"]
    assert odd.lines == 2


def test_a_line_that_the_server_closed_meanwhile_costs_no_attempt(odd: Odd) -> None:
    odd.closing = {WHOLE}
    with client(odd.url) as api:
        assert api.read("/x") == b"[1]"
        for _ in range(6_000):  # until the end of the line has arrived
            if not api.wire._pool._idle[0].waits:  # type: ignore[attr-defined]
                break
            threading.Event().wait(0.01)
        assert api.get("/x").attempts == 1
    assert odd.lines == 2


def test_what_is_sent(odd: Odd) -> None:
    with client(odd.url) as api:
        api.read("/a b/ü", {"q": "1 2", "sort": "-name"})
        api.get_url("/v2/./c/../d?x=é|y#z")
    first, *lines = odd.heads[0].decode().split("\r\n")
    assert first == "GET /a%20b/%C3%BC?q=1+2&sort=-name HTTP/1.1"
    assert {f"Host: 127.0.0.1:{odd.port}", "X-Own: yes", "User-Agent: spectra-assets"} <= set(lines)
    assert len([line for line in lines if line.lower().startswith(("host:", "accept-encoding:"))]) == 2
    assert odd.heads[1].startswith(b"GET /v2/d?x=%C3%A9%7Cy HTTP/1.1\r\n")


def test_a_header_with_a_line_break_is_not_sent(odd: Odd) -> None:
    access = Server(base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/", headers={"X-Own": "a\r\nX-Evil: 1"})
    with ApiClient(access, odd.url, None) as api, pytest.raises(SourceError, match="can't be sent"):
        api.read("/x")
    assert odd.heads == []


# ---------------------------------------------------------------- proxies


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def through(address: str) -> None:
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("https_proxy", address)

    return through


def test_a_proxy_gets_the_whole_address_and_its_own_credential(odd: Odd, proxied: Callable[[str], None]) -> None:
    proxied(f"http://jo:pass%20word@127.0.0.1:{odd.port}")
    with client("http://api.invalid:8080/v1") as api:
        assert api.read("/x", {"q": "1"}) == b"[1]"
    first, *lines = odd.heads[0].decode().split("\r\n")
    assert first == "GET http://api.invalid:8080/v1/x?q=1 HTTP/1.1"
    assert "Host: api.invalid:8080" in lines
    assert f"proxy-authorization: Basic {base64.b64encode(b'jo:pass word').decode()}" in [
        line.replace("Proxy-Authorization", "proxy-authorization") for line in lines
    ]


class Tunnel(Odd):
    """A proxy that lets through to one server what asks for a tunnel; `status` is what it says to that."""

    def __init__(self, port: int, status: bytes = b"200 OK") -> None:
        super().__init__()
        self.to, self.status = port, status

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            self.heads.append(line.recv(65_536))
            line.sendall(b"HTTP/1.1 " + self.status + b"\r\n\r\n")
            if not self.status.startswith(b"200"):
                return
            with socket.create_connection(("127.0.0.1", self.to)) as there:
                threading.Thread(target=_pump, args=(there, line), daemon=True).start()
                _pump(line, there)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_tls_goes_through_a_tunnel_of_the_proxy(
    api: Api, tmp_path: Path, proxied: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=api.invalid"]
    name = ["-addext", "subjectAltName=DNS:api.invalid"]
    command = [openssl, "req", "-x509", *kind, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    api.secure(certificate, key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    tunnel = Tunnel(api.port)
    proxied(f"http://jo:secret@127.0.0.1:{tunnel.port}")
    with client("https://api.invalid:8443") as through:
        assert [through.read("/x"), through.read("/y")] == [b"[]", b"[]"]
    assert len(tunnel.heads) == 1
    assert tunnel.heads[0].startswith(b"CONNECT api.invalid:8443 HTTP/1.")
    assert b"secret" not in tunnel.heads[0]
    assert base64.b64encode(b"jo:secret") in tunnel.heads[0]
    assert [asked.path for asked in api.asked] == ["/x", "/y"]
    assert "Proxy-Authorization" not in {name.title() for asked in api.asked for name in asked.headers}
    with client("https://other.invalid:8443") as through, pytest.raises(ConfigurationError, match="is not trusted here"):
        through.read("/x")
    tunnel.close()


def test_a_proxy_that_refuses_is_named(proxied: Callable[[str], None]) -> None:
    tunnel = Tunnel(1, b"407 Proxy Authentication Required")
    proxied(f"http://127.0.0.1:{tunnel.port}")
    with client("https://api.invalid") as through, pytest.raises(RetriableError, match="the proxy which HTTP_PROXY or"):
        through.read("/x")
    tunnel.close()


def test_a_proxy_that_is_none_is_refused_without_its_password(proxied: Callable[[str], None]) -> None:
    proxied("socks5://jo:hidden@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"HTTP_PROXY.*valid is an address such as") as caught:
        client("http://api.invalid")
    assert "hidden" not in str(caught.value)


def test_an_answer_leaves_nothing_to_the_garbage_collector(odd: Odd) -> None:
    with client(odd.url) as api:
        api.get("/rows")
        gc.collect()
        gc.disable()  # what is left now would have been left, with its body, until the collector came by
        try:
            assert [api.get("/rows").body for _ in range(3)] == [b"[1]"] * 3
            assert not [each for each in gc.get_objects() if type(each).__qualname__ == "_Reading"]
        finally:
            gc.enable()
