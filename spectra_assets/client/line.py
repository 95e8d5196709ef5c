"""One connection to a server that is kept open: a request is written at once, its answer read as llhttp takes it apart.

urllib3 opens it (names, TLS, proxies); llhttp, the parser of Node.js, reads the answers (the package httptools). A request takes
a ninth of the CPU of one by urllib3 alone, a third of one by http.client (`python -m benchmarks.extract.wire`).
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

import urllib3
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from urllib3.connection import HTTPConnection
from urllib3.util.wait import wait_for_read

from spectra_assets.client.headers import Headers
from spectra_assets.client.pacing import StoppedError

_AT_ONCE = 1 << 17
"""Bytes that are taken from the socket at once."""

_TIMES: tuple[int, ...] = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO) if sys.platform == "linux" else ()
"""How the system itself ends a wait for a socket: else Python asks it before each step whether there is anything to do."""

_LONGEST_HEAD = 1 << 18
_CHUNK = 1 << 20
_CONTINUED = 200
"""Answers below it are followed by the one that counts (100 Continue, 103 Early Hints)."""

_NONE = Headers({})
_WITH_BODY = frozenset((200, 203, 206))
_BREAK = re.compile(r"[\r\n\0]")


class CutError(Exception):
    """The connection ended before the answer did."""


class SlowError(Exception):
    """The answer did not end in the time it was given."""


class LargeError(Exception):
    """The body is larger than the most that is read."""


class ForeignError(Exception):
    """What came is no HTTP, or damaged. Says what was wrong in words of llhttp."""


@dataclass(frozen=True)
class Bounds:
    """`silence`: seconds to wait for the next bytes; `until`: the instant of `perf_counter` by which the answer must have ended;
    `most`: bytes of the body, unpacked."""

    silence: float
    until: float
    most: int


@dataclass(frozen=True)
class Came:
    """An answer as it came, its body unpacked."""

    status: int
    headers: Headers
    body: bytes


class Line:
    """One connection, for one request at a time. `usable` as long as another one may follow."""

    def __init__(self, connection: HTTPConnection) -> None:
        """`connection` is not yet, or no longer, used by anybody else; connected."""
        self.usable = True
        self._connection = connection
        self._socket = connection.sock
        self._silence = -1.0
        self._buffer = memoryview(bytearray(_AT_ONCE))

    @property
    def waits(self) -> bool:
        """Whether it is open and silent, as a line is on which nothing was asked."""
        return self.usable and not wait_for_read(self._socket, timeout=0.0)

    def ask(self, request: bytes, bounds: Bounds, stop: threading.Event) -> Came:
        """Send a request and read the answer to its end.

        Raises OSError (TimeoutError: silence), the errors of this module, urllib3's DecodeError and StoppedError. A line whose
        answer was not read to its end is of no use any more.
        """
        self.usable = False
        self._bound(bounds.silence)
        reading = _Reading(bounds.most)
        try:
            self._socket.sendall(request)
            while not reading.done:
                size = self._socket.recv_into(self._buffer)
                if not size:
                    reading.end()
                    break
                reading.feed(self._buffer[:size])
                if time.perf_counter() > bounds.until:
                    raise SlowError
                if stop.is_set():
                    raise StoppedError
        except BlockingIOError as error:
            raise TimeoutError from error
        finally:
            reading.leave()
        self.usable = reading.kept
        return Came(reading.status, reading.headers, _unpacked(reading, bounds.most))

    def _bound(self, silence: float) -> None:
        """Let no step take longer than so many seconds."""
        if silence == self._silence:
            return
        self._silence = silence
        if type(self._socket) is not socket.socket or not _TIMES:  # TLS
            self._socket.settimeout(silence)
            return
        self._socket.settimeout(None)
        micros = max(1, int(silence * 1_000_000))  # 0 would be no end
        for name in _TIMES:
            self._socket.setsockopt(socket.SOL_SOCKET, name, struct.pack("@ll", *divmod(micros, 1_000_000)))

    def close(self) -> None:
        """Close the connection."""
        self.usable = False
        self._connection.close()


class _Reading:
    """What llhttp finds in one answer; the methods that begin with `on_` are called by it."""

    def __init__(self, most: int) -> None:
        self.done = self.kept = False
        self.status = 0
        self.headers = _NONE
        self.parts: list[bytes] = []
        self._most = most
        self._size = 0
        self._pairs: list[tuple[bytes, bytes]] = []
        self._headed = self._told = self._old = False
        self._fault: Exception | None = None
        self._parser = HttpResponseParser(self)
        # each answer has a request of its own before it, so that nobody can hide one within another
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_transfer_encoding=True,
            lenient_version=True,
            lenient_data_after_close=True,
            lenient_optional_lf_after_cr=True,
            lenient_optional_cr_before_lf=True,
            lenient_optional_crlf_after_chunk=True,
            lenient_spaces_after_chunk_size=True,
        )

    def feed(self, data: memoryview) -> None:
        """The next bytes. Raises LargeError and ForeignError."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self._fault is None and not self.done:
                self._fault = ForeignError(str(error)[:100])
        if self._fault is not None:
            raise self._fault
        if not self._headed:
            self._size += len(data)
            if self._size > _LONGEST_HEAD:
                raise ForeignError("its head has no end")

    def end(self) -> None:
        """The server closed the connection, which ends a body of which nothing else says where it ends. Raises CutError.

        One without a byte is believed only if the head seems whole: it may have been cut itself.
        """
        whole = self.parts or self._old or "Connection" in self.headers or self.status not in _WITH_BODY
        if not self._headed or self._told or not whole:
            raise CutError
        self.done = True

    def leave(self) -> None:
        """Let go of the parser, which holds on to this: such a ring keeps the body until the garbage collector comes by."""
        del self._parser

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # else it is one after the body
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        if self.done:
            return
        self.status = self._parser.get_status_code()
        self.headers = Headers.of(self._pairs)
        self._pairs = []
        if self.status < _CONTINUED:
            return
        self._headed, self._size = True, 0
        self._old = self._parser.get_http_version() != "1.1"
        length, coding = self.headers.get("Content-Length", "").strip(), self.headers.get("Transfer-Encoding", "").lower()
        self._told = bool(length) or coding.endswith("chunked")
        if length.isdecimal() and int(length) > self._most:
            self._fault = LargeError()

    def on_body(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            self._fault, self.parts = LargeError(), []
        elif self._fault is None and not self.done:
            self.parts.append(part)

    def on_message_begin(self) -> None:
        self.kept = self.kept and not self.done  # what follows an answer was not asked for

    def on_message_complete(self) -> None:
        if self.status >= _CONTINUED and not self.done:
            self.done, self.kept = True, self._parser.should_keep_alive()


def rendered(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request as it is sent. Raises ValueError for what can't stand in a head."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    if len(_BREAK.findall(head)) != 2 * (len(lines) - 1):
        raise ValueError("a header holds a line break")
    return f"{head}\r\n\r\n".encode("latin-1") + (body or b"")


def _unpacked(reading: _Reading, most: int) -> bytes:
    """The body, decompressed no further than `most` bytes. Raises LargeError and urllib3's DecodeError."""
    packed = reading.parts[0] if len(reading.parts) == 1 else b"".join(reading.parts)
    if not packed or "Content-Encoding" not in reading.headers:
        return packed
    return b"".join(_bounded(packed, reading.headers["Content-Encoding"], most))


def _bounded(packed: bytes, coding: str, most: int) -> Iterator[bytes]:
    answer = urllib3.HTTPResponse(BytesIO(packed), {"Content-Encoding": coding}, preload_content=False)
    size = 0
    while part := answer.read1(_CHUNK, decode_content=True):
        size += len(part)
        if size > most:
            raise LargeError
        yield part
