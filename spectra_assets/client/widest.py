"""What tells the last page of a counted list from one that the server capped: what was seen of the endpoint (see paging.py)."""

from __future__ import annotations

import threading

from spectra_assets.covenant.access import Fetch

SMALLEST_CAP = 10
_PROOFS = 3


class Widest:
    """The longest page seen of each endpoint: what tells a capped page from a last one. Safe for threads."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], int] = {}
        self._proofs: dict[tuple[str, int], int] = {}
        self._moving: set[tuple[str, int]] = set()
        self._believed: dict[str, bool] = {}
        self._stepping: set[tuple[str, int]] = set()
        self._ragged: set[tuple[str, int]] = set()
        self._frayed: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def is_last(self, endpoint: tuple[str, int], rows: int) -> bool:
        """Whether a page of `rows` rows of `endpoint` (path template, size asked) is proven not to be capped."""
        with self._lock:
            widest = self._rows.get(endpoint, 0)
            if rows > widest:
                self._rows[endpoint] = rows
                self._proofs[endpoint] = 0
            if endpoint in self._ragged:
                return rows == 0
            if rows == 0 or rows < min(widest, endpoint[1]):
                return True
            return rows == widest and rows < min(SMALLEST_CAP, endpoint[1]) and self._proofs[endpoint] >= _PROOFS

    def is_short(self, endpoint: tuple[str, int], rows: int) -> bool:
        """Whether longer pages than one of `rows` rows were seen."""
        with self._lock:
            return rows < self._rows.get(endpoint, 0)

    def longest(self, endpoint: tuple[str, int]) -> int:
        """Rows of the longest page seen."""
        with self._lock:
            return self._rows.get(endpoint, 0)

    def nothing_followed(self, endpoint: tuple[str, int], rows: int) -> None:
        """Note that after a page of `rows` rows an empty one came."""
        with self._lock:
            if rows == self._rows.get(endpoint):
                self._proofs[endpoint] += 1

    def moves(self, endpoint: tuple[str, int], seen: bool = False) -> bool:
        """Whether a second page that differs from the first has been seen; `seen` notes it."""
        with self._lock:
            if seen:
                self._moving.add(endpoint)
            return endpoint in self._moving

    def ragged(self, endpoint: tuple[str, int]) -> bool:
        """Whether rows came after a page that was shorter than others, as where a server cuts pages first and leaves out what the
        caller may not see afterwards, as far as it is heeded: then only a page without rows is the last one."""
        with self._lock:
            return endpoint in self._ragged

    def fray(self, endpoint: tuple[str, int]) -> None:
        """Note that its pages are ragged."""
        with self._lock:
            self._frayed.add(endpoint)

    def heed(self, endpoint: tuple[str, int]) -> bool:
        """Heed what was noted, with the lists that are read from here on: all of one reading are read alike, and alike when they
        are read from the tape. Whether that is news."""
        with self._lock:
            news = endpoint in self._frayed - self._ragged
            self._ragged |= self._frayed
            return news

    def steps(self, endpoint: tuple[str, int], seen: bool = False) -> bool:
        """Whether the server knows no offsets but those of whole pages; `seen` notes it."""
        with self._lock:
            if seen:
                self._stepping.add(endpoint)
            return endpoint in self._stepping

    def believe(self, path: str) -> None:
        """Take a complete total for the end of a list of this path template: whoever reads it asks for each end again."""
        with self._lock:
            self._believed.setdefault(path, True)

    def doubt(self, path: str) -> None:
        """Never again, since a list had another end than its total said."""
        with self._lock:
            self._believed[path] = False

    def believes(self, fetch: Fetch) -> bool:
        """Whether a full page that completes a credible total is the last one."""
        with self._lock:
            return fetch.totals == "credible" and self._believed.get(fetch.path, False)
