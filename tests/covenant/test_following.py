"""Which words of an expression may be columns."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.following import identifiers


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (r"concat(a, ' b \' c', d)", ["concat", "a", "d"]),
        ("'x'", []),
        ("a || 'b", ["a", "b"]),
        ("'a' || b || ''", ["b"]),
        ("'a\nb' = c", ["c"]),
        ("'\\" * 100_000, []),
        ("a" + "'\\'" * 100_000, ["a"]),
    ],
)
def test_words_in_quotes_are_no_columns(expression: str, words: list[str]) -> None:
    assert identifiers(expression) == words
