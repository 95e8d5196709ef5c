"""Lists that seem to be cut off: they end where others end too, though a parameter asks for fewer rows of each."""

from __future__ import annotations

from spectra_assets.client.target import ParentValue
from spectra_assets.covenant.access import NoPaging, Paging

_ROWS, _LISTS = 10, 3
"""Rows, and lists of just so many, from which on they do not end there by chance."""


class CutOff:
    """The longest lists of one extraction, where its plan knows no way from page to page but a parameter of their length.

    Memory: the parents of the lists that have as many rows as the longest.
    """

    def __init__(self, paging: Paging) -> None:
        self._watches = isinstance(paging, NoPaging) and paging.size_param is not None
        self._rows = 0
        self._lists: list[ParentValue | None] = []

    def look(self, parent: ParentValue | None, rows: int) -> None:
        """One list was read to its end, and nothing said how many rows it has."""
        if self._watches and rows > self._rows:
            self._rows, self._lists = rows, []
        if self._watches and rows == self._rows:
            self._lists.append(parent)

    def found(self) -> tuple[int, list[ParentValue | None], str]:
        """Rows, the lists that have just so many, and why they are cut off; no lists if none seems so."""
        if self._rows < _ROWS or len(self._lists) < _LISTS:
            return self._rows, [], ""
        why = f"{len(self._lists)} lists have just {self._rows} rows, and none has more: the API cuts them off there"
        return self._rows, self._lists, f"{why}; no parameter is known that leads to the rest"
