"""Truth as texts: the words for no and yes, in pairs."""

from __future__ import annotations

DIGITS = ("0", "1")
PAIRS = (("false", "true"), DIGITS, ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"))
"""(no, yes), in lower case."""

NO, YES = (tuple(pair[place] for pair in PAIRS) for place in (0, 1))


def truth(text: str) -> bool | None:
    """What a text says of truth; None if it says nothing of it."""
    word = text.strip().lower()
    return word in YES if word in (*NO, *YES) else None
