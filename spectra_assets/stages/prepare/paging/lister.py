"""One list as measuring sees it: its pages asked for in any way, and their rows told apart by what identifies them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from spectra_assets.client.pager import Ask, Got, following, text_at
from spectra_assets.covenant.access import CursorPaging, LinkPaging, NextPaging, Paging
from spectra_assets.covenant.paths import join_path, split_path
from spectra_assets.intelligence.model import Endpoint
from spectra_assets.stages.asking.answers import Sight
from spectra_assets.stages.asking.locations import identity_of, noun_of, records_at
from spectra_assets.stages.asking.sampling import Asked, Explorer, shown_together
from spectra_assets.stages.asking.wire import SPENT

_HOLLOW = 3
"""Empty pages one after the other that are passed on the way to one with rows."""

Marks = list[str]
"""What identifies the rows of a page, in order."""


@dataclass(frozen=True)
class Leaf:
    """One page: what it showed, how it was asked for and where, and the marks of its rows."""

    sight: Sight
    ask: Ask
    address: str
    marks: Marks = field(default_factory=list)

    @property
    def readable(self) -> bool:
        return self.sight.category == "readable"

    @property
    def rows(self) -> int:
        return len(self.marks)

    @property
    def why(self) -> str:
        """What the answer was, in a few words."""
        return f"{self.rows} rows" if self.readable else self.sight.reason or self.sight.category


class Lister:
    """Asks for pages of one list. Where its records are is settled by all answers so far."""

    def __init__(self, explorer: Explorer, asked: Asked, strange: set[str] | None = None) -> None:
        self.explorer = explorer
        self.strange: set[str] = set() if strange is None else strange
        """Parameters that the API was seen not to know."""
        self.asked = asked
        self.key = ""
        """JSON path of what identifies the rows; empty if only all of a record does."""
        self.refusals: list[str] = []
        """In what words pages were refused."""
        self._location: str | None = None
        self._elsewhere = False

    @property
    def moved_to(self) -> str | None:
        """Where several answers show the records, if a single one would have them elsewhere."""
        return self._location if self._elsewhere else None

    @property
    def taken(self) -> set[str]:
        """Names of the parameters that the list itself needs."""
        return {name for name, _ in (*self.asked.filled, *self.asked.query)}

    @property
    def search(self) -> Endpoint | None:
        """The search by POST that the list is."""
        return self.explorer.pack.search(self.asked.path)

    def plain(self) -> Leaf:
        """The list without any parameter of paging."""
        return self.identified(self.get({}))

    def identified(self, leaf: Leaf) -> Leaf:
        """A page, from which on rows are told apart by the field that tells its own rows apart."""
        for name in sorted({name for record in leaf.sight.records[:50] for name in _identities(record)}, key=split_path):
            values = [text_at(record, name) for record in leaf.sight.records]
            if "" not in values and len(set(values)) == len(values):
                self.key = name
        return self._leaf(leaf.sight, leaf.ask, leaf.address)

    def get(self, query: Mapping[str, str]) -> Leaf:
        """The page that these parameters give."""
        return self._page(Ask(dict(query)), None)

    def after(self, paging: Paging, leaf: Leaf) -> Leaf | None:
        """The page which comes after another by a style; None if the style tells that there is none.

        Of a chain some pages may be empty in between: what they lead to comes after them.
        """
        ask = self._next(paging, leaf)
        page = None if ask is None else self._page(ask, leaf.address)
        for _ in range(_HOLLOW if isinstance(paging, CursorPaging | NextPaging | LinkPaging) else 0):
            onward = self._next(paging, page) if page is not None and page.readable and not page.rows else None
            if page is None or onward is None or onward == page.ask:
                break
            page = self._page(onward, page.address)
        return page

    def leads_on(self, paging: Paging, leaf: Leaf) -> bool:
        """Whether a page tells, by its style, that another one follows."""
        return self._next(paging, leaf) is not None

    def _next(self, paging: Paging, leaf: Leaf) -> Ask | None:
        records = self.records(leaf)
        got = Got(leaf.rows, leaf.rows, 1, records[-1] if records else None, leaf.sight.value, leaf.sight.headers)
        return following(paging, leaf.ask, got)

    def settle(self, *leaves: Leaf) -> tuple[Leaf, ...]:
        """The pages again, with their rows taken from where all answers together show them."""
        size = min((leaf.rows for leaf in leaves), default=None)
        values = [leaf.sight.value for leaf in leaves]
        found = shown_together(values, self.explorer.hint(self.asked.path), noun_of(self.asked.path), size)
        self._location = found or self._location
        self._elsewhere = found is not None and any(leaf.sight.location not in (None, found) for leaf in leaves)
        return tuple(self._leaf(leaf.sight, leaf.ask, leaf.address) for leaf in leaves)

    def records(self, leaf: Leaf) -> list[dict[str, Any]]:
        """The records of a page."""
        found = records_at(leaf.sight.value, self._location) if self._location is not None and leaf.readable else None
        return leaf.sight.records if found is None else found

    def _page(self, ask: Ask, here: str | None) -> Leaf:
        if self.explorer.wire.spent:
            return Leaf(Sight("notProbed", "empty", reason=SPENT), ask, here or "")
        sight, address = self.explorer.page(self.asked, ask, here)
        if sight.category == "needsParameters":
            self.refusals.append(sight.reason)
        return self._leaf(sight, ask, address)

    def _leaf(self, sight: Sight, ask: Ask, address: str) -> Leaf:
        leaf = Leaf(sight, ask, address)
        return Leaf(sight, ask, address, [self._mark(record) for record in self.records(leaf)])

    def _mark(self, record: dict[str, Any]) -> str:
        own = text_at(record, self.key) if self.key else ""
        return own or msgspec.json.encode(record, order="sorted").decode()


def _identities(record: dict[str, Any]) -> list[str]:
    """JSON path of what looks like a record's id; where nothing does, those of the records in it: `user.id` of a member."""
    own = identity_of(record)
    if own:
        return [join_path([own])]
    return [join_path([key, inner]) for key, below in record.items() if (inner := identity_of(below))]


def first_that(names: Sequence[str], works: Callable[[Sequence[str]], bool | str], strange: set[str]) -> str | None:
    """The name that has an effect, found by trying many at once and then fewer; None if none has.

    `works` tries several names together: whether one of them has the effect, or the words in which the server refuses them,
    as strict servers do with names they do not know: then the likeliest are tried one by one, and the others together without
    those that a refusal names. These are `strange`, which is added to: what one list does not know others do not either.
    """
    left = [name for name in names if name not in strange]
    verdict = works(left) if left else False
    if isinstance(verdict, str):
        for name in left[:_SINGLY]:
            told = works([name])
            if told is True:
                return name
            if isinstance(told, str) and _named([name], told):
                strange.add(name)
    while isinstance(verdict, str):
        unknown = _named(left, verdict)
        strange |= unknown
        known = [name for name in left if name not in strange]
        if not known or not unknown:
            return None
        left = known
        verdict = works(left)
    if not verdict:
        return None
    while len(left) > 1:
        half, rest = left[: max(1, len(left) // 3)], left[max(1, len(left) // 3) :]
        left = half if works(half) is True else rest
    return left[0]


def _named(names: Sequence[str], words: str) -> set[str]:
    """The parameters that a refusal names: `limit` in "No such column: limit", not in "$limit"; of "page[size]" not `size`."""
    found: set[str] = set()
    for name in sorted(names, key=len, reverse=True):
        left = re.sub(rf"(?<![\w$.-]){re.escape(name)}(?![\w\[])", " ", words)
        if left != words:
            found.add(name)
            words = left
    return found


_SINGLY = 4
