"""The seams of a list: the places where one page follows another, over which rows move unseen when others go or come meanwhile.

A row that goes from a page that was read already moves all behind it up by one: the first row of the next page slips onto the
page before, and is never seen. No total tells when another row comes meanwhile. What tells is either side of a seam, looked at
once more:

- by offset each page is asked for from the last row of the page before on: if that is another one, the list has moved;
- a page of a number, also one that an answer names, is asked for again when the list was read: it must hold the same rows in
  the same order. Of lists of many pages so many are asked for, evenly spread: few changes lie between two of them;
- what comes after the value of a row (keyset) moves over no seam.

Pages that only a token leads to are not asked for again: some servers give each token once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spectra_assets.client.pager import Ask
from spectra_assets.client.paging import Page

_MOST = 8
"""Pages of one list that are asked for again."""


class Seam(NamedTuple):
    """A page that another one follows: how it is asked for, its number, and what its rows summed up to."""

    ask: Ask
    number: int
    mark: bytes


@dataclass
class Seams:
    """Those of one list while it is read, in flat memory. `torn`, `held`: those that are known to have moved, or not to have."""

    count: int = 0
    held: int = 0
    torn: int = 0

    def __post_init__(self) -> None:
        self._pages: list[Seam] = []
        self._every = 1
        self._first = True

    def note(self, page: Page) -> None:
        """The next page."""
        if page.joined is False:
            self.torn += 1
        if not page.records:
            return
        self.count += not self._first
        self.held += page.joined is True
        self._first = False
        if page.ask is not None and page.joined is None and (page.number - 1) % self._every == 0:
            self._pages.append(Seam(page.ask, page.number, page.mark))
            if len(self._pages) > 4 * _MOST:
                self._every *= 2
                self._pages = self._pages[::2]

    def to_prove(self, chained: bool) -> Sequence[Seam]:
        """The pages to ask for again once all came; none if all is known. `chained`: nobody asks for the end again otherwise, and
        a page without rows may have followed the last one: that counts as a seam as well."""
        if self.torn or self.held >= self.count:
            return ()
        self.count += chained
        pages = [each for each in self._pages if each.number <= self.count]
        if len(pages) <= _MOST:
            return pages
        return [pages[place * (len(pages) - 1) // (_MOST - 1)] for place in range(_MOST)]
