"""What was odd in a description: collected while it is read, each kind of oddity once, with a few examples."""

from __future__ import annotations

import re

MOST_KINDS = 60
MOST_EXAMPLES = 5

_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]+")


def brief(value: object, most: int = 160) -> str:
    """Untrusted text as one line of at most `most` characters, without control characters; of what is no text, nothing."""
    if not isinstance(value, str):
        return ""
    line = _UNPRINTABLE.sub(" ", value[: 4 * most]).strip()
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


class Findings:
    """Bounded however odd the description is: `MOST_KINDS` kinds with `MOST_EXAMPLES` examples each, the rest counted."""

    def __init__(self) -> None:
        self._examples: dict[str, dict[str, None]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, example: object = "") -> None:
        """Note one oddity: what it is, and where or what of it."""
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = "other oddities"
        self._counts[kind] = self._counts.get(kind, 0) + 1
        kept = self._examples.setdefault(kind, {})
        if len(kept) < MOST_EXAMPLES:
            kept[brief(example)] = None

    def lines(self) -> list[str]:
        """One line for each kind: `unresolvable reference (3): #/a, #/b, #/c`."""
        found = []
        for kind, count in self._counts.items():
            examples = ", ".join(example for example in self._examples[kind] if example)
            times = f" ({count})" if count > 1 else ""
            found.append(f"{kind}{times}{': ' + examples if examples else ''}")
        return found
