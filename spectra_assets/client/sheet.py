"""What one answer of a list holds, and the reader of the answers of one list in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
from xxhash import xxh3_128_digest

from spectra_assets.client.more import says_incomplete, says_more
from spectra_assets.client.pager import HEADER, Ask, text_at
from spectra_assets.client.pair import opened_text
from spectra_assets.client.records import LINES, header_total, sparse, split
from spectra_assets.client.refusal import refusal_in
from spectra_assets.covenant.access import (
    CursorPaging,
    Fetch,
    KeysetPaging,
    NextPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    Paging,
)
from spectra_assets.covenant.paths import split_path
from spectra_assets.errors import SkippableError, SourceError


@dataclass(frozen=True)
class Sheet:
    """What one answer holds: its records, the identity of each, the declared total, the overlap, and what tells the next page.

    `joined`: see Page; the `back` rows that show it are no longer among the records, nor are those with the identities `over`,
    which stood on the page before. `url` is where it came from, if it was told. `word` is what the API said where it refused.
    `lacking` is the flag by which the answer says that it is incomplete.
    """

    records: list[bytes]
    identities: list[bytes]
    declared_total: int | None
    repeated: int
    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: int | None = None
    word: str = ""
    lacking: str = ""
    joined: bool | None = None
    back: int = 0
    over: Sequence[bytes] = ()
    url: str | None = None
    more: Callable[[int], bool] = lambda _: False
    """Whether the answer, as the page of this number, says that rows come after it."""


class Request(Protocol):
    """Gets one page of a list: (request id, its query, what the reader made of the answer).

    Past the end of a counted list (`PAST_END` on a later page) the sheet is empty and holds the status.
    """

    def __call__(self, ask: Ask, number: int, reader: Reader) -> tuple[str, Mapping[str, str], Sheet]: ...


class Reader:
    """Reads the answers of one fetch in turn; remembers what is needed to notice overlaps and loops."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._keys = _key_decoder(fetch.primary_key)
        self._last: frozenset[bytes] = frozenset()
        self._last_record = b""
        self.mark = b""
        """Of the last page with rows: what the keys of its rows sum up to in their order."""
        self._seen: dict[bytes, tuple[int, bytes]] = {}
        """Mark of a page → its number, and what its first and last record are."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Sheet:
        """The sheet of one answer, whatever page it is. Raises SkippableError (another shape), msgspec.DecodeError (not JSON)."""
        paging = self._fetch.paging
        body = opened_text(body, self._fetch.records)
        try:
            records, total = split(body, self._fetch.records, self._fetch.told)
        except SkippableError:
            if not self._seen or not _is_hollow(body, paging):
                raise
            records, total = [], None
        total = header_total(headers) if total is None else total
        more = partial(says_more, body, headers, self._fetch.records)
        lacking = says_incomplete(body, self._fetch.records)
        if isinstance(paging, NoPaging):
            return Sheet(records, [], total, 0, headers=headers, more=more, lacking=lacking)
        value = None
        if isinstance(paging, CursorPaging | NextPaging) and self._fetch.records != LINES and not paging.next.startswith(HEADER):
            value = sparse(body, paging.next)
        return Sheet(records, self._identities(records), total, 0, value, headers, more=more, lacking=lacking)

    def overlapping(self, sheet: Sheet, back: int = 0, over: bool = False) -> Sheet:
        """The sheet without the rows of the page before that were asked for again, and how many of the others stood there too.

        If the last row of that page is not where it must be, the sheet is whole, and not `joined`. It is whole as well after a
        page that could not be had, whose last row it brings. If rows were left out `over` there, those that it begins with and
        stood on that page came before.
        """
        if over:
            fresh = (place for place, each in enumerate(sheet.identities) if each not in self._last)
            cut = next(fresh, len(sheet.identities))
            rest, known = sheet.identities[cut:], sheet.identities[:cut]
            sheet = replace(sheet, records=sheet.records[cut:], identities=rest, over=known)
        if back and sheet.refused is None:
            held = sheet.records[back - 1 : back]
            joined = self._is_last(held[0]) if held and self._last_record else None if held else False
            cut = back if joined else 0
            records, identities = sheet.records[cut:], sheet.identities[cut:]
            sheet = replace(sheet, records=records, identities=identities, joined=joined, back=cut)
        repeated = 0 if self._last.isdisjoint(sheet.identities) else sum(each in self._last for each in sheet.identities)
        return replace(sheet, repeated=repeated) if repeated else sheet

    def is_last_again(self, sheet: Sheet) -> bool:
        """Whether the rows are those of the page before."""
        return self.mark == self._mark(sheet)

    def lose(self) -> None:
        """The next page could not be had: nothing is known of its rows."""
        self._last, self._last_record = frozenset(), b""

    def _is_last(self, record: bytes) -> bool:
        """Whether the page before ended with this record."""
        keys = self._keys([record, self._last_record])
        return keys[0] == keys[1] if keys is not None else record == self._last_record

    def turn(self, sheet: Sheet, number: int) -> None:
        """Go on to the next page. Raises SourceError if this one came before: it has the keys of the page just read, in their
        order, or those of an earlier one and its records. Numbers that begin anew each year name other records."""
        self._last = frozenset(sheet.identities).union(sheet.over)
        if not sheet.records:
            return
        self.mark, self._last_record = self._mark(sheet), sheet.records[-1]
        held = xxh3_128_digest(sheet.records[0] + sheet.records[-1])
        first, known = self._seen.setdefault(self.mark, (number, held))
        if first == number - 1 or (first < number and known == held):
            what, moved = _moving(self._fetch.paging)
            fault = f"server ignores {what}" if first == 1 and what else "server repeats a page"
            raise SourceError(
                f"{fault}: page {number} of {self._fetch.told} holds the same {len(sheet.records)} rows as page "
                f"{first}, although {moved} went on"
            )

    def _mark(self, sheet: Sheet) -> bytes:
        return blake2b(b"\0".join([*sheet.over, *sheet.identities]), digest_size=16).digest()

    def marked(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The mark of one answer, whatever page it is. Raises as `read`."""
        return self._mark(self.read(body, headers))

    def _identities(self, records: list[bytes]) -> list[bytes]:
        """What tells the records apart: their keys where each has one of its own, else their bytes."""
        keys = self._keys(records)
        return keys if keys is not None and len(set(keys)) == len(keys) else list(map(xxh3_128_digest, records))


def _is_hollow(body: bytes, paging: Paging) -> bool:
    """Whether a page has no place of records because it has none: it names the next page, and no record stands anywhere in it."""
    if not isinstance(paging, CursorPaging | NextPaging) or refusal_in(body) is not None:
        return False
    return bool(text_at(sparse(body, paging.next), paging.next)) and not _holds_records(msgspec.json.decode(body))


def _holds_records(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value)
    return isinstance(value, dict) and any(map(_holds_records, value.values()))


def _moving(paging: Paging) -> tuple[str, str]:
    """What the server ignores if every page is the first, and what was changed from page to page."""
    if isinstance(paging, OffsetPaging):
        return "offset", paging.offset_param
    if isinstance(paging, PagePaging):
        return "page", paging.page_param
    if isinstance(paging, CursorPaging):
        return "cursor", paging.cursor_param
    if isinstance(paging, KeysetPaging):
        return "keyset", paging.after_param
    return "", "the address of the next page"


@lru_cache(maxsize=256)
def _key_decoder(primary_key: str) -> Callable[[list[bytes]], list[bytes] | None]:
    """A function from records to the JSON texts of their keys; None if one has none. Skips everything else in them: where each
    begins with its key, which is usual, no more of it is looked at."""
    parts = split_path(primary_key) or [""]
    name = re.escape(msgspec.json.encode(str(parts[0])))
    first = re.compile(rb'\s*\{\s*%b\s*:\s*(-?[0-9]+|"[^"\\]*")\s*[,}]' % name).match if len(parts) == 1 else None
    kind: Any = msgspec.Raw
    for depth, part in enumerate(reversed(parts)):
        kind = msgspec.defstruct(f"Key{depth}", [("value", kind)], rename={"value": part}, gc=False)
    decode = msgspec.json.Decoder(kind).decode

    def keys(records: list[bytes]) -> list[bytes] | None:
        if first is not None and all(begun := list(map(first, records))):
            return [each[1] for each in begun if each]
        try:
            found: list[Any] = list(map(decode, records))
        except msgspec.DecodeError:
            return None
        for _ in parts:
            found = [each.value for each in found]
        texts = list(map(bytes, found))
        return None if b"null" in texts else texts

    return keys
