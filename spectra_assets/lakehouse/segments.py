"""Segments: files of answers as they came, each entry there whole or not at all.

A segment is a row of entries, each

    a skippable frame of zstd with the entry's key, lengths, mark and checksum
    a frame with one line of JSON: how it was asked for, and what the answer's headers said
    a frame with the body, and one with a line feed

so `zstdcat` shows all of it. An entry that was cut (SIGKILL, power) is left out by its length and checksum, and so is what
follows damage.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import pyarrow as pa
from filelock import Timeout
from zstandard import ZstdCompressor, ZstdDecompressor

from spectra_assets.lakehouse.failure import storage_error

KEY_BYTES = 16

_SKIPPABLE, _ZSTD = 0x184D2A50, "zstd"
_PREFIX = struct.Struct("<II16sIIIIBxxxI")
"""Magic, bytes that follow, key, packed and plain length of the header, packed and plain length of the body, mark, checksum."""

_OFFSET_BITS = 40

_LEVEL = 1
_LINE_FEED = ZstdCompressor(level=_LEVEL).compress(b"\n")

Context = TypeVar("Context")


class _Kept(Generic[Context]):
    """Contexts of zstd, each used by one thread at a time and kept for the next: to make one takes longer than a small answer."""

    def __init__(self, make: Callable[[], Context]) -> None:
        self._make = make
        self._idle: deque[Context] = deque()

    @contextmanager
    def taken(self) -> Iterator[Context]:
        try:
            context = self._idle.pop()
        except IndexError:
            context = self._make()
        try:
            yield context
        finally:
            self._idle.append(context)


_packers = _Kept(lambda: ZstdCompressor(level=_LEVEL))
_unpackers = _Kept(ZstdDecompressor)


class Entry:
    """One answer: `header` is how it was asked for and what its headers said. The body is unpacked when it is asked for.

    `confirmed`: it is one of the last time, and the API said now that it did not change.
    """

    def __init__(self, prefix: _Prefix, packed: bytes, confirmed: bool = False) -> None:
        self.confirmed = confirmed
        self._prefix = prefix
        self._packed = packed

    @cached_property
    def header(self) -> dict[str, Any]:
        with _unpackers.taken() as unpacker:
            text = unpacker.decompress(self._packed[: self._prefix.head_packed], self._prefix.head)
        header: dict[str, Any] = msgspec.json.decode(text)
        return header

    @property
    def body(self) -> bytes:
        return _unpacked(self._packed[self._prefix.head_packed :], self._prefix.body)[:-1]

    @property
    def packed(self) -> bytes:
        """As it lies in its segment."""
        return self._prefix.text + self._packed


class Segments:
    """The entries of one attempt that can be read. In memory they take 16 bytes each. Safe for threads.

    `damaged` are sentences about places that can't be read.
    """

    def __init__(self, folder: Path) -> None:
        """Reads where the entries are. Raises StorageError."""
        self.folder = folder
        self.damaged: list[str] = []
        self._files: list[Path] = []
        self._keys, self._places = array("Q"), array("Q")
        self._lock = threading.Lock()
        with storing(folder, "read"):
            for path in files_in(folder):
                self._add(path)
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        self._keys, self._places = (array("Q", map(those.__getitem__, order)) for those in (self._keys, self._places))
        self._ticked = bytearray(len(order))

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, key: bytes, marked: bool = True, confirmed: bool = False) -> Entry | None:
        """The last entry under `key`; with `marked` only if it has the mark. None if there is none, or it is damaged."""
        for at in self._at(key):
            path, offset = self._where(self._places[at])
            with storing(path, "read"), path.open("rb") as file:
                file.seek(offset)
                prefix = _prefix(file.read(_PREFIX.size))
                if prefix is None or prefix.key != key or (marked and not prefix.mark):
                    continue
                packed = file.read(prefix.size - _PREFIX.size)
            if _sound(prefix, packed):
                return Entry(prefix, packed, confirmed)
            with self._lock:
                self.damaged.append(f"{path} is damaged at byte {offset}")
        return None

    def entries(self) -> Iterator[Entry | None]:
        """What `find` gives for the key of each entry, in the order they were written in; the files are read from end to end."""
        for number, places in groupby(sorted(self._places), lambda place: place >> _OFFSET_BITS):
            path = self._files[number]
            with storing(path, "read"), path.open("rb") as file:
                for place in places:
                    file.seek(self._where(place)[1])
                    prefix = _prefix(file.read(_PREFIX.size))
                    packed = file.read(prefix.size - _PREFIX.size) if prefix is not None else b""
                    if prefix is None:
                        yield None
                    elif prefix.mark and len(self._at(prefix.key)) == 1 and _sound(prefix, packed):
                        yield Entry(prefix, packed)
                    else:
                        yield self.find(prefix.key)

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        """(key, whether it has the mark) of every entry, in the order it was written in."""
        for place in sorted(self._places):
            path, offset = self._where(place)
            with storing(path, "read"), path.open("rb") as file:
                file.seek(offset)
                prefix = _prefix(file.read(_PREFIX.size))
            if prefix is not None:
                yield prefix.key, prefix.mark

    def tick(self, key: bytes) -> None:
        """Remember `key`."""
        for at in self._at(key):
            self._ticked[at] = 1

    def is_ticked(self, key: bytes) -> bool:
        """Whether `key` was remembered."""
        return any(self._ticked[at] for at in self._at(key))

    def _at(self, key: bytes) -> range:
        """Where entries under `key` may be, the last one first."""
        short = _short(key)
        return range(bisect_right(self._keys, short) - 1, bisect_left(self._keys, short) - 1, -1)

    def _add(self, path: Path) -> None:
        number, offset, size = len(self._files), 0, path.stat().st_size
        self._files.append(path)
        with path.open("rb") as file:
            while offset < size:
                file.seek(offset)
                prefix = _prefix(file.read(_PREFIX.size))
                if prefix is None or offset + prefix.size > size:
                    self.damaged.append(f"{path} can't be read from byte {offset} on")
                    return
                self._keys.append(_short(prefix.key))
                self._places.append(number << _OFFSET_BITS | offset)
                offset += prefix.size

    def _where(self, place: int) -> tuple[Path, int]:
        return self._files[place >> _OFFSET_BITS], place & ((1 << _OFFSET_BITS) - 1)


def packed(key: bytes, header: Mapping[str, Any], body: bytes, mark: bool = True) -> bytes:
    """An entry as a segment holds it."""
    text = msgspec.json.encode(header, enc_hook=str) + b"\n"
    with _packers.taken() as packer:
        head, rest = packer.compress(text), packer.compress(body)
    facts = (key, len(head), len(text), len(rest) + len(_LINE_FEED), len(body) + 1, mark)
    check = zlib.crc32(_LINE_FEED, zlib.crc32(rest, zlib.crc32(head, zlib.crc32(repr(facts).encode()))))
    return b"".join((_PREFIX.pack(_SKIPPABLE, _PREFIX.size - 8, *facts, check), head, rest, _LINE_FEED))


class _Prefix(NamedTuple):
    text: bytes
    key: bytes
    head_packed: int
    head: int
    body_packed: int
    body: int
    mark: bool
    check: int

    @property
    def size(self) -> int:
        """Bytes of the whole entry."""
        return _PREFIX.size + self.head_packed + self.body_packed


def _prefix(text: bytes) -> _Prefix | None:
    if len(text) < _PREFIX.size:
        return None
    magic, length, *facts = _PREFIX.unpack(text)
    if magic != _SKIPPABLE or length != _PREFIX.size - 8 or facts[5] > 1:
        return None
    facts[5] = bool(facts[5])
    return _Prefix(text, *facts)


def _sound(prefix: _Prefix, packed: bytes) -> bool:
    check = zlib.crc32(packed, zlib.crc32(repr(prefix[1:7]).encode()))
    return len(packed) == prefix.size - _PREFIX.size and check == prefix.check


def _unpacked(packed: bytes, size: int) -> bytes:
    plain: bytes = pa.Codec(_ZSTD).decompress(packed, decompressed_size=size, asbytes=True)
    return plain


def _short(key: bytes) -> int:
    return int.from_bytes(key[:8], "little")


def files_in(folder: Path) -> list[Path]:
    """Finished ones first: what a run writes last is in its unfinished one."""
    return sorted(folder.glob("*.zst"), key=lambda path: (path.name.startswith("part-"), path.stat().st_mtime_ns, path.name))


def mended(part: Path) -> None:
    """Make a segment of what an ended run left: its whole, sound entries."""
    data = part.read_bytes()
    end = 0
    while (prefix := _prefix(data[end : end + _PREFIX.size])) and _sound(prefix, data[end + _PREFIX.size : end + prefix.size]):
        end += prefix.size
    if not end:
        part.unlink()
        return
    os.truncate(part, end)
    part.replace(part.with_name(f"{blake2b(data[:end], digest_size=KEY_BYTES).hexdigest()}.zst"))


class storing:  # noqa: N801  (used as a function)
    """Turns OSError into StorageError: `path` can't be `doing`."""

    def __init__(self, path: Path, doing: str) -> None:
        self._path, self._doing = path, doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError) and not isinstance(error, Timeout):
            raise storage_error(str(getattr(error, "filename", None) or self._path), self._doing, error) from error
