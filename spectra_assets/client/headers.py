"""Headers of an answer: names in any case, each looked up at once (some forty are asked for with every answer)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Headers(Mapping[str, str]):
    """Headers under names in any case."""

    __slots__ = ("_named",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        # not by `items`, which in urllib3 gives a header that came twice in two parts
        self._named = {name.lower(): (name, headers[name]) for name in headers}

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Headers as they came; those of one name belong together, their values separated by commas (RFC 9110, 5.3)."""
        named: dict[str, tuple[str, str]] = {}
        for name, value in pairs:
            key, text = name.decode("latin-1"), value.decode("latin-1").strip()
            lower = key.lower()
            before = named.get(lower)
            named[lower] = (key, text) if before is None else (before[0], f"{before[1]}, {text}")
        made = cls.__new__(cls)
        made._named = named
        return made

    def mention(self, *words: str) -> bool:
        """Whether a name holds one of these words, written in lower case: most answers speak of nothing that is looked for."""
        names = " ".join(self._named)
        return any(word in names for word in words)

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
