"""Headers of an answer: names in any case, each looked up at once (some forty are asked for with every answer)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Headers(Mapping[str, str]):
    """Headers under names in any case."""

    __slots__ = ("_named",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        # not by `items`, which in urllib3 gives a header that came twice in two parts
        self._named = {name.lower(): (name, headers[name]) for name in headers}

    def __getitem__(self, name: str) -> str:
        return self._named[name.lower()][1]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default`."""
        found = self._named.get(name.lower())
        return default if found is None else found[1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._named

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._named.values())

    def __len__(self) -> int:
        return len(self._named)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"
