"""Changes as people read them: breaking ones all and first, what tables share once."""

import pytest

from spectra_assets.covenant.diff import Change, Consent, _table, diff, grouped
from spectra_assets.covenant.files import parse, text_of
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import DocumentError
from tests.covenant.test_diff import changed


def change(table: str, text: str, breaking: bool = False) -> Change:
    return Change(table=table, text=text, consent=Consent.PERSON if breaking else Consent.NOBODY)


def test_tables_with_the_same_changes_are_one_group() -> None:
    names = [f"clean.t{number}" for number in range(9)]
    changes = [change(name, text) for name in names for text in ("a", "b")] + [change("clean.t0", "lost", breaking=True)]
    groups = grouped(changes, 3)
    assert [(group.about, group.text, group.breaking) for group in groups] == [
        ("clean.t0, clean.t1, clean.t2 and 6 more", "a; b", False),
        ("clean.t0", "lost", True),
    ]


def test_of_many_changes_of_a_table_the_first_are_told_and_how_many_more() -> None:
    (group,) = grouped([change("clean.t", f"the column c{number} is new") for number in range(60)], 2)
    assert group.texts == ("the column c0 is new", "the column c1 is new", "and 58 more changes")


def test_of_many_tables_that_one_is_made_from_the_first_are_named(covenant: Covenant) -> None:
    table = covenant.table("log.manifest")
    inputs = table.inputs
    assert len(inputs) > 20
    (told,) = [each.text for each in _table(table, table.model_copy(update={"inputs": inputs[:2]}))]
    assert told == f"it is no longer made from {', '.join(sorted(inputs[2:])[:6])} and {len(inputs) - 8} more"


def test_breaking_changes_come_first(covenant: Covenant) -> None:
    new = changed(covenant, "clean.cycle", lambda table: table["schema"].pop())
    groups = grouped(diff(covenant, changed(new, "clean.project", lambda table: table.update(description="x", steps=["y"]))))
    assert [group.breaking for group in groups] == sorted((group.breaking for group in groups), reverse=True)


def test_another_natural_key_breaks_who_holds_surrogate_keys(covenant: Covenant) -> None:
    new = changed(covenant, "transform.dimProject", lambda table: table["build"].update(natural_key="projectName"))
    found = [each for each in diff(covenant, new) if each.table == "transform.dimProject"]
    assert [(each.text, each.breaking) for each in found] == [
        ("its members are told apart by projectName (was: projectId): new surrogate keys", True)
    ]


def test_a_misspelt_key_is_told_before_the_one_it_stands_for(covenant: Covenant) -> None:
    text = text_of(covenant).replace("  title: ", "  titel: ", 1)
    with pytest.raises(DocumentError, match=r"unknown key 'pipeline.titel'.*did you mean 'title'"):
        parse(text, "acme.yaml")
