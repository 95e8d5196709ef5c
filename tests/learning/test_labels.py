"""What the source calls a value that has no label: believed only where it calls the others as their labels do."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.learning.remedy.values import label_of, named_beside

KNOWN = {1: "PASS", 2: "FAIL", 3: "WIP"}


def rows(*pairs: tuple[int, str], **more: Any) -> list[dict[str, Any]]:
    return [
        {"status": number, "result": {"title": text}, "by": f"p{place}", **more} for place, (number, text) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("pairs", "label"),
    [
        (((1, "Pass"), (2, "Fail"), (9, "Skipped")), "SKIPPED"),
        (((1, "pass"), (2, "fail"), (9, "on hold"), (9, "on hold")), "ON HOLD"),
        (((1, "Pass"), (9, "Skipped")), None),
        (((1, "Pass"), (2, "Broken"), (9, "Skipped")), None),
        (((1, "Pass"), (2, "Fail"), (9, "Skipped"), (9, "Ignored")), None),
        (((1, "Pass"), (1, "Good"), (2, "Fail"), (9, "Skipped")), None),
        (((1, "Pass"), (2, "Fail")), None),
    ],
)
def test_a_label_is_taken_from_what_stands_beside_the_value(pairs: tuple[tuple[int, str], ...], label: str | None) -> None:
    found = dict(named_beside(rows(*pairs), "status"))
    assert label_of(9, KNOWN, found["result.title"]) == label


def test_a_text_that_differs_in_each_record_names_nothing() -> None:
    found = dict(named_beside(rows((1, "Pass"), (1, "Pass"), (2, "Fail"), (9, "Skipped")), "status"))
    assert label_of(9, KNOWN, found["by"]) is None
