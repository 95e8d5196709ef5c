from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.covenant.access import Withheld
from spectra_assets.covenant.build import Fact
from spectra_assets.covenant.diff import Consent, _plain_changes, diff
from spectra_assets.covenant.model import Covenant


def changed(covenant: Covenant, table: str, change: Callable[[dict[str, Any]], None]) -> Covenant:
    """The covenant with one table's entry changed."""
    content = covenant.model_dump(by_alias=True)
    for stage in content["pipeline"]["stages"]:
        for output in stage["outputs"]:
            if output["table"] == table:
                change(output)
    gates = {
        stage["name"]: sorted({gate["name"] for output in stage["outputs"] for gate in output["gates"]})
        for stage in content["pipeline"]["stages"]
    }
    content["quality_gates"] = [{"stage": name, "checks": checks} for name, checks in gates.items()]
    return Covenant.model_validate(content)


def set_type(output: dict[str, Any], column: str, kind: str) -> None:
    next(c for c in output["schema"] if c["name"] == column)["type"] = kind


def set_pii(output: dict[str, Any], column: str, level: str) -> None:
    next(c for c in output["schema"] if c["name"] == column)["pii"] = level


@pytest.mark.parametrize(
    ("table", "change", "says", "breaking"),
    [
        ("clean.cycle", lambda t: t["schema"].pop(), "is no longer there", True),
        (
            "clean.cycle",
            lambda t: t["schema"].append({"name": "colour", "type": "text"}),
            "the column colour (text) is new",
            False,
        ),
        ("clean.cycle", lambda t: set_type(t, "revision", "text"), "changes its type from int64 to text", True),
        ("clean.cycle", lambda t: set_type(t, "revision", "float64"), "from int64 to float64 (wider)", False),
        ("clean.cycle", lambda t: t["steps"].remove("clean.trim_text"), "the step clean.trim_text is no longer done", False),
        ("clean.cycle", lambda t: t["gates"].pop(0), "is no longer demanded", True),
        ("clean.cycle", lambda t: t["gates"][0].update(severity="WARN"), "is now WARN (was ERROR)", True),
        ("clean.cycle", lambda t: t.update(primary_key=[]), "the primary key changes from cycleId to nothing", True),
        (
            "clean.cycle",
            lambda t: t["schema"][0].update(date_format="iso8601 | dd.MM.yyyy"),
            "is now read as iso8601 or dd.MM.yyyy (was plain int64)",
            False,
        ),
        ("clean.cycle", lambda t: t["schema"][0].update(source=["other"]), "now comes from other (was ", True),
        ("clean.cycle", lambda t: t["schema"][0].update(source=["cycle.ID"]), "now comes from cycle.ID (was ", False),
        ("clean.cycle", lambda t: t["schema"][0].update(source=["@parent"]), "now comes from @parent (was ", False),
        ("clean.cycle", lambda t: t["schema"][0].update(source=["id", "other"]), "now comes from id, other (was ", False),
        ("clean.cycle", lambda t: set_pii(t, "revision", "direct"), "revision is now personal: direct (was none)", False),
        ("clean.user", lambda t: set_pii(t, "email", "none"), "email is now personal: none (was direct)", True),
        ("clean.cycle", lambda t: t.update(description="Another one."), "it is described anew: Another one.", False),
        ("clean.cycle", lambda t: t["schema"][0].update(references="user.id"), "cycleId now names user.id (was nothing)", False),
        (
            "extract.executions",
            lambda t: t["build"]["fetch"].update(paging={"kind": "none"}),
            "rows after the first page would be lost",
            True,
        ),
        ("extract.cycles", lambda t: t["build"]["fetch"].update(path="/cycles"), "build", None),
    ],
)
def test_a_change_is_told_in_words(
    covenant: Covenant, table: str, change: Callable[[dict[str, Any]], None], says: str, breaking: bool | None
) -> None:
    changes = [c for c in diff(covenant, changed(covenant, table, change)) if c.table == table]
    assert changes
    if breaking is None:
        assert "fetch.path changes from /cycle/release/{releaseid} to /cycles" in changes[0].text
        return
    assert any(says in c.text and c.breaking is breaking for c in changes), changes


def test_a_key_that_finds_another_member_breaks_and_one_that_is_new_does_not(covenant: Covenant) -> None:
    fact = next(t for t in covenant.tables() if isinstance(t.build, Fact) and any(each.via for each in t.build.references))
    place = next(place for place, each in enumerate(fact.build.references) if each.via)  # type: ignore[union-attr]
    name = fact.build.references[place].name  # type: ignore[union-attr]

    def told(change: Callable[[list[dict[str, Any]]], None]) -> list[tuple[bool, str]]:
        new = changed(covenant, fact.table, lambda t: change(t["build"]["references"]))
        return [(each.breaking, each.text) for each in diff(covenant, new)]

    ((breaking, text),) = told(lambda all_: all_[place]["via"][-1].update(take="another"))
    assert breaking
    assert text.startswith(f"references.{name}.via[")
    assert text.endswith(" to another")
    ((breaking, text),) = told(lambda all_: all_.insert(0, {"name": "newKey", "dimension": "dimUser", "column": "newId"}))
    assert not breaking
    assert text.startswith("references.newKey changes from nothing to ")


CASE = "CASE WHEN `closed` IS NOT NULL THEN false WHEN `state` IN ({}) THEN true WHEN `state` IN ({}) THEN false END"
OPEN = CASE.format("'open', 'review'", "'paid'")


@pytest.mark.parametrize(
    ("was", "now", "breaking"),
    [
        (OPEN, CASE.format("'open', 'review', 'on hold'", "'paid', 'void'"), False),
        (OPEN, CASE.format("'review', 'open'", "'paid'"), False),
        (OPEN, CASE.format("'Open', 'Review'", "'Paid'"), True),
        (OPEN, CASE.format("'open'", "'paid', 'void'"), True),
        (OPEN, CASE.format("'open', 'paid'", "'review'"), True),
        (OPEN, OPEN.replace("`closed`", "`left`"), True),
        (OPEN, OPEN.replace("true", "NULL"), True),
        (OPEN, "`closed` IS NULL", True),
        ("coalesce(`state` = 'open', false)", "coalesce(`state` = 'Open', false)", True),
        ("`kind` IN ('a')", "`kind` IN ('a') OR `kind` IN ('b')", True),
    ],
)
def test_what_a_derived_column_says_may_gain_words_and_changes_in_no_other_way_by_itself(
    covenant: Covenant, was: str, now: str, breaking: bool
) -> None:
    def saying(expression: str, rule: str = "r") -> Covenant:
        rules = [{"kind": "derive", "rule": rule, "column": "cycleId", "expression": expression}]
        return changed(covenant, "refine.dimCycle", lambda t: t["build"].update(rules=rules))

    told = diff(saying(was), saying(now))
    assert [(each.consent, each.text.partition(" changes ")[0]) for each in told] == [
        (Consent.PERSON if breaking else Consent.NOBODY, "rules.cycleId.expression")
    ]
    assert [each.breaking for each in diff(saying(was), saying(was, "other"))] == [False]


def test_a_word_that_is_read_as_another_one_is_not_missed(covenant: Covenant) -> None:
    def saying(words: str, **read_as: str) -> Covenant:
        rules = [{"kind": "derive", "rule": "r", "column": "cycleId", "expression": f"`state` IN ({words})"}]
        made = changed(covenant, "refine.dimCycle", lambda t: t["build"].update(rules=rules))
        return changed(made, "clean.cycle", lambda t: t["schema"][-1].update(read_as=read_as))

    both, one = saying("'open', 'Open'"), saying("'open'", Open="open")
    assert [each.breaking for each in diff(both, one) if each.table.startswith("refine")] == [False]
    assert [each.breaking for each in diff(both, saying("'open'")) if each.table.startswith("refine")] == [True]


def test_a_request_that_no_longer_asks_for_hidden_rows_breaks(covenant: Covenant) -> None:
    old = changed(covenant, "extract.users", lambda t: t["build"]["fetch"].update(query={"state": "all"}))
    (breaking,) = [each for each in diff(old, covenant) if each.breaking]
    assert "without state=all" in breaking.text


def test_a_declared_total_is_given_up_by_a_person_only_and_believed_again_by_itself(covenant: Covenant) -> None:
    doubted = changed(covenant, "extract.users", lambda t: t["build"]["fetch"].update(totals="notCredible"))
    (lost,) = diff(covenant, doubted)
    assert (lost.table, lost.consent) == ("extract.users", Consent.PERSON)
    assert "no longer believed" in lost.text
    (gained,) = diff(doubted, covenant)
    assert gained.consent == Consent.NOBODY


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (-1, "-1", "unknown changes from the whole number -1 to the text -1"),
        (True, "True", "unknown changes from the truth value True to the text True"),
        ("a" * 300 + "x", "a" * 300 + "y", f"unknown changes from …{'a' * 20}x to …{'a' * 20}y"),
        ("a" * 200, "a" * 300, None),
        (None, 0, "unknown changes from nothing to 0"),
    ],
)
def test_values_that_look_alike_are_told_apart(old: object, new: object, says: str | None) -> None:
    (change,) = _plain_changes("refine.x", {"unknown": old}, {"unknown": new})
    was, now = change.text.removeprefix("unknown changes from ").split(" to ")
    assert was != now
    assert says in (None, change.text)


def test_nothing_changes_between_equal_covenants(covenant: Covenant) -> None:
    assert diff(covenant, covenant) == []


def test_breaking_changes_come_first(covenant: Covenant) -> None:
    def change(output: dict[str, Any]) -> None:
        output["schema"].append({"name": "colour", "type": "text"})
        output["schema"].pop(0)
        output["primary_key"] = []

    flags = [c.breaking for c in diff(covenant, changed(covenant, "clean.user", change))]
    assert flags == sorted(flags, reverse=True)
    assert True in flags
    assert False in flags


def test_what_is_withheld_is_told_as_the_rule_says_it(covenant: Covenant) -> None:
    def server(**more: Any) -> Covenant:
        server = covenant.pipeline.server.model_copy(update=more)
        return covenant.model_copy(update={"pipeline": covenant.pipeline.model_copy(update={"server": server})})

    ssn, hashed = Withheld(field="ssn"), Withheld(field="ssn", how="hash")
    assert [each.text for each in diff(covenant, server(withheld=[ssn]))] == [
        "ssn is withheld from the lake: nothing of it is kept"
    ]
    assert [each.text for each in diff(server(withheld=[ssn]), server(withheld=[hashed]))] == [
        "ssn is withheld from the lake: a hash of it is kept"
    ]
    changes = diff(server(withheld=[ssn]), server(in_flight=3))
    assert [each.text for each in changes] == ["ssn is no longer withheld from the lake", "in_flight changes from nothing to 3"]
