"""What a person is shown: a short account, and everything only when it is asked for."""

import io

import pytest

from spectra_assets.covenant.model import Severity, Table
from spectra_assets.engine.console import Console
from spectra_assets.engine.ending import refusal
from spectra_assets.engine.summary import Summary, summary_text
from spectra_assets.gates.judgement import Result
from spectra_assets.stages.prepare.routes.forecast import PREDICTED


def said(console: Console) -> list[str]:
    return console.out.getvalue().splitlines()  # type: ignore[attr-defined]


def test_details_are_told_only_when_wanted() -> None:
    for verbose, lines in ((False, 0), (True, 1)):
        console = Console(out=io.StringIO(), verbose=verbose)
        console.detail("/orders: closed, 0 records")
        assert len(said(console)) == lines


def test_of_many_lines_the_first_are_told_and_where_the_rest_is() -> None:
    many = [f"change {number}" for number in range(20)]
    console = Console(out=io.StringIO())
    console.some(many, "git diff shows them", 3)
    assert [line.strip() for line in said(console)] == [
        "· change 0",
        "· change 1",
        "· change 2",
        "· and 17 more: git diff shows them",
    ]
    console = Console(out=io.StringIO(), verbose=True)
    console.some(many, "git diff shows them", 3)
    assert len(said(console)) == 20


def summary(**keys: object) -> Summary:
    row = {"rows": 1, "quarantined": 0, "gates_failed": [], "gates_warned": [], "status": "published"}
    tables = [{**row, "table": name} for name in ("clean.a", "clean.b", "analyse.c")]
    tables[1] |= {"gates_warned": ["fields_seen"]}
    told = {
        "source": "s", "ok": True, "covenant_version": "1", "covenant_changed": True, "changes": (), "notices": (), "lessons": (),
        "tables": tuple(tables), "gates_passed": 3, "gates_failed": 0, "gates_warned": 1, "runs": (), "lakehouse": "/l",
        "document": None, "commit": None, "seconds": 1.0, "coverage": "endpoints: 3 ingested, 1 gaps: /x", **keys,
    }  # fmt: skip
    return Summary.model_validate(told)


def test_the_end_tells_figures_and_what_is_not_as_it_should_be() -> None:
    text = summary_text(summary())
    assert "clean.a " not in text
    assert "! fields_seen" in text
    assert "analyse.c" in text
    assert "Coverage   endpoints: 3 ingested, 1 gaps: /x" in text
    assert "`solution-engine status s` lists them all" in text
    assert "clean.a " in summary_text(summary(), verbose=True)


@pytest.mark.parametrize(("status", "code"), [(401, 3), (403, 3), (200, 2), (404, 2), (204, 2), (500, 6), (503, 6)])
def test_what_keeps_a_credential_from_being_accepted(status: int, code: int) -> None:
    result = Result("auth_valid", "source.credentials", False, Severity.ERROR, 1, 1, [{"httpStatus": status}], "r", "told", {})
    assert refusal(result).exit_code == code


def test_what_the_extraction_will_take_is_told_whatever_else_is_going_on() -> None:
    console = Console(out=io.StringIO())
    table = Table(table="prepare.dependencies", description="", grain="one row per route", primary_key=[], steps=[], schema_=[])
    console.started(table)
    console.said(table, "row: GET /rows, 300 records sampled")
    console.said(table, f"1,000 requests {PREDICTED}, about 75 s")
    assert [line.strip() for line in said(console)] == ["1,000 requests predicted for the extraction, about 75 s"]


def test_what_an_api_says_moves_no_cursor() -> None:
    console = Console(out=io.StringIO())
    console.line("Evil\x1b[31m title\u202e")
    assert said(console)[-1].strip() == "Evil\\x1b[31m title\\u202e"
