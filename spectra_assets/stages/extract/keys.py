"""The keys of one list: themselves while they are few, eight bytes of each when they are many."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import numpy as np
from xxhash import xxh3_64_intdigest

_FEW = 1 << 18
"""Keys that are held as they are: as Python values, of some hundred bytes each."""


def told_apart(value: Any) -> Any:
    """A key's value as it is compared with others: of a record (`{"$oid": …}`) or a list its JSON; None where there is none."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, order="sorted").decode()
    return None if value == "" else value


class Keys:
    """A set that grows. Many keys are told apart by their hash of 64 bits: of a million two are alike once in 40 million times,
    which would be taken for a row that came twice."""

    def __init__(self) -> None:
        self._few: set[Any] = set()
        self._runs: list[np.ndarray[Any, np.dtype[np.uint64]]] = []
        """Hashes, each run in order, the longest first."""

    def __contains__(self, key: Any) -> bool:
        return key in self._few or (bool(self._runs) and self._meets(_hashes((key,))))

    def add(self, key: Any) -> None:
        """One more."""
        self._few.add(key)
        if len(self._few) > _FEW:
            self._settle()

    def grow(self, fresh: set[Any]) -> bool:
        """Add them all if none of them is here; whether that was so."""
        if not fresh.isdisjoint(self._few) or (self._runs and self._meets(_hashes(fresh))):
            return False
        self._few |= fresh
        if len(self._few) > _FEW:
            self._settle()
        return True

    def __len__(self) -> int:
        return len(self._few) + sum(map(len, self._runs))

    def same(self, other: Keys) -> bool:
        """Whether both hold the same keys."""
        if not self._runs and not other._runs:
            return self._few == other._few
        return len(self) == len(other) and np.array_equal(self._all(), other._all())

    def _settle(self) -> None:
        run = np.sort(_hashes(self._few))
        self._few = set()
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate((self._runs.pop(), run))
            run.sort()
        self._runs.append(run)

    def _meets(self, hashes: np.ndarray[Any, np.dtype[np.uint64]]) -> bool:
        hashes = np.sort(hashes)  # neighbours lie together
        return any((run[np.minimum(np.searchsorted(run, hashes), len(run) - 1)] == hashes).any() for run in self._runs)

    def _all(self) -> np.ndarray[Any, np.dtype[np.uint64]]:
        return np.sort(np.concatenate((*self._runs, _hashes(self._few))))


def _hashes(keys: Collection[Any]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    # Python's own hash is the same for -1 and -2, and for numbers that are 2 ** 61 - 1 apart
    return np.fromiter((xxh3_64_intdigest(repr(key).encode()) for key in keys), np.uint64, len(keys))
