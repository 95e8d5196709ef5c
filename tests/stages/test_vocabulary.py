"""Words of an enumeration stay known while the field stays."""

import pytest

from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.stages.prepare.fields.vocabulary import remembered
from tests.covenant.canons import F, entity

FORMER = ("open", "paid", "void")
MANY = ("open", *(f"state {number}" for number in range(49)))


def claim(*values: str, kind: str = "text") -> CanonEntity:
    return entity("claim", {"id": F("int64"), "state": F(kind, values=values)})


@pytest.mark.parametrize(
    ("shown", "read_as", "known"),
    [
        (("open", "paid"), {}, FORMER),
        (("declined", "open", "paid"), {}, (*FORMER, "declined")),
        (("Open", "Paid"), {}, ("Open", "Paid")),
        (("Open", "Paid"), {"Open": "open"}, (*FORMER, "Open", "Paid")),
        (("Open", "Paid"), {"Open": None}, ("Open", "Paid")),
        (MANY, {}, MANY),
    ],
)
def test_words_once_known_stay_known_unless_all_are_others(
    shown: tuple[str, ...], read_as: dict[str, str | None], known: tuple[str, ...]
) -> None:
    found = remembered(claim(*shown), claim(*FORMER), [], lambda field: read_as if field.raw == "state" else {})
    assert found == claim(*known)


@pytest.mark.parametrize(
    ("states", "known"), [([], FORMER), ([None, "open"], FORMER), (["open", "Open"], ()), (["anything"], ())]
)
def test_few_records_make_no_other_vocabulary(states: list[str | None], known: tuple[str, ...]) -> None:
    records = [{"id": number, "state": state} for number, state in enumerate(states)]
    assert remembered(claim(), claim(*FORMER), records, lambda field: {}) == claim(*known)


def test_nothing_is_remembered_of_a_new_field_or_another_type() -> None:
    assert remembered(claim("1", kind="int64"), claim("1", "2"), [], lambda field: {}) == claim("1", kind="int64")
    assert remembered(claim("open"), None, [], lambda field: {}) == claim("open")
