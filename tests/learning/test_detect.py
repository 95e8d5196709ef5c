"""Gaps by evidence: one per subject, with its cause; what is lawful is none."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.learning.detect import gaps_of, of_runs
from spectra_assets.learning.gap import Cause, Evaluation
from spectra_assets.learning.healing import _settled
from spectra_assets.learning.lesson import Lesson, Outcome, Tried
from spectra_assets.learning.record import record
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import carried
from spectra_assets.learning.verify import Seen, passed_again, verdict_of


def said(check: str, *rows: dict[str, object], run: str = "r1", passed: bool = False, **more: object) -> Evaluation:
    values = {
        "source": "acme", "stage": "extract", "table": "orders", "check": check, "passed": passed, "severity": "ERROR",
        "covenant_version": "v1", "run_id": run, "key": f"{run}:extract.orders:{check}", "sample": rows,
        "seen_at": "2026-01-01T00:00:00+00:00", "message": "it failed",
    }  # fmt: skip
    return Evaluation.model_validate(values | more)


DRIFT = (
    {"path": "colour", "kind": "newField", "expected": "", "seen": "text", "count": "3"},
    {"path": "units", "kind": "changedType", "expected": "int64", "seen": "text", "count": "2"},
)


def test_each_subject_is_a_gap_of_its_own() -> None:
    gaps = gaps_of(said("no_schema_drift", *DRIFT))
    assert [(gap.cause, gap.subject) for gap in gaps] == [(Cause.NEW_FIELD, "colour"), (Cause.CHANGED_TYPE, "units")]
    assert [(fact.seen, fact.count) for fact in gaps[1].evidence] == [("text", 2)]
    assert len({gap.fingerprint for gap in gaps}) == 2


@pytest.mark.parametrize(
    ("first", "cause"),
    [
        ("(parent 5, status 410, reason GET /x: 410 Gone)", Cause.ENDPOINT_GONE),
        ("(parent 5, status 403, reason GET /x: 403 Forbidden)", Cause.ENDPOINT_FORBIDDEN),
        ("(parent 5, status 500, reason GET /x: 500)", Cause.ENDPOINT_BROKEN),
        ("(parent , status 400, reason GET /x: 400 Bad Request)", Cause.PAGE_LIMIT),
        ("(parent , status 200, reason GET /x: expected records at 'items', found an object)", Cause.ENVELOPE_CHANGED),
        ("(parent , status 429, reason too many requests)", Cause.RATE_LIMITED),
        (
            "(parent 429, status 404, reason GET http://127.0.0.1:8401/cycle/429: 404 Not Found: 'error 503 of 401')",
            Cause.ENDPOINT_GONE,
        ),
        ("GET /orders/401/lines: 500 Internal Server Error", Cause.ENDPOINT_BROKEN),
    ],
)
def test_what_an_answer_says_decides_the_cause(first: str, cause: Cause) -> None:
    (gap,) = gaps_of(said("extract_complete", {"aspect": "skipped", "problems": "1", "among": "1", "first": first}))
    assert gap.cause is cause


def test_a_list_that_is_shorter_than_it_says_tells_both_numbers() -> None:
    first = " (parent 5, check declaredTotal, expected 246, found 221, reason the API declares more rows than came)"
    (gap,) = gaps_of(said("extract_complete", {"aspect": "mismatch", "problems": "3", "among": "9", "first": first}))
    (fact,) = gap.evidence
    assert (gap.cause, fact.expected, fact.seen, fact.count) == (Cause.PAGE_LIMIT, "246", "221", 3)


EMPTIED = {"column": "note", "path": "note", "before": "0 of 90", "empty": "81", "rows": "90"}


def test_an_empty_column_is_told_once() -> None:
    clean = {"stage": "clean", "table": "order", "severity": "WARN"}
    emptied = said("columns_filled", EMPTIED, **clean)
    (gap,) = of_runs([emptied])
    assert (gap.cause, gap.subject, gap.evidence[0].count) == (Cause.EMPTIED_FIELD, "note", 81)
    gone = said("fields_seen", {"path": "note", "kind": "missingField", "expected": "text", "count": "90"}, severity="WARN")
    assert [each.cause for each in of_runs([gone, emptied])] == [Cause.MISSING_FIELD]
    other = said("fields_seen", {"path": "remark", "kind": "missingField", "expected": "text", "count": "90"}, severity="WARN")
    assert [each.cause for each in of_runs([other, emptied])] == [Cause.MISSING_FIELD, Cause.EMPTIED_FIELD]


def test_numbers_in_another_unit_are_a_gap_of_their_own() -> None:
    row = {"column": "weight", "path": "weight", "before": "9.75", "now": "975", "factor": "100"}
    (gap,) = gaps_of(said("scale_kept", row, stage="clean", table="order", severity="WARN"))
    assert (gap.cause, gap.subject, gap.evidence[0].note) == (
        Cause.CHANGED_UNIT, "weight", "all of its numbers are 100 times what they were",
    )  # fmt: skip


def test_what_two_gates_show_of_one_column_or_one_table_is_one_gap_that_names_both() -> None:
    clean = {"stage": "clean", "table": "order"}
    size = {"column": "weight", "path": "weight", "before": "9.75", "now": "975", "factor": "100"}
    sizes = said("scale_kept", size, size | {"column": "units", "path": "units"}, **clean, severity="WARN")
    records = said(
        "values_stay",
        {"column": "weight", "form": "scaled", "count": "60", "compared": "60", "told": "60 of 60 are 100 times"},
        **clean,
    )
    weight, units = of_runs([sizes, records])[::-1]
    assert (weight.check, weight.subject, [each.check for each in weight.also]) == ("values_stay", "", ["scale_kept"])
    assert (units.check, units.subject, units.also) == ("scale_kept", "units", ())
    many = said("quarantine_small", {"rejected": "9", "rowsIn": "90"}, **clean, severity="WARN")
    aside = said("rows_accepted", {"setAside": "9", "rowsIn": "90"}, **clean, severity="WARN")
    (rows,) = of_runs([many, aside])
    assert (rows.cause, [each.cause for each in rows.also]) == (Cause.QUARANTINE, [Cause.ROWS_SET_ASIDE])
    assert [each.cause for each in of_runs([aside])] == [Cause.ROWS_SET_ASIDE]


def test_what_refers_to_records_that_have_other_keys_is_one_gap_with_them() -> None:
    def altered(table: str, column: str, form: str, references: str | None, *more: dict[str, Any]) -> Evaluation:
        row = {"column": column, "path": column, "form": form, "references": references, "count": "60", "compared": "60"}
        return said("values_stay", row, *more, stage="clean", table=table)

    keys = altered("customer", "id", "rekeyed", None)
    orders = altered("order", "customerId", "reworded", "customer.id")
    claims = altered("claim", "customerId", "affixed", "customer.id")
    amount = {"column": "amount", "path": "amount", "form": "masked", "references": None, "count": "60", "compared": "60"}
    bills = altered("bill", "customerId", "affixed", "customer.id", amount)
    visits = altered("visit", "doctorId", "reworded", "doctor.id")
    gaps = of_runs([orders, claims, bills, visits, keys])
    assert {gap.table: [each.table for each in gap.also] for gap in gaps} == {
        "customer": ["clean.order", "clean.claim"],
        "bill": [],
        "visit": [],
    }, "with a change of another kind beside it, or without the keys, it is a question of its own"
    one, other = altered("customer", "id", "rekeyed", "person.id"), altered("person", "id", "rekeyed", "customer.id")
    assert [gap.also for gap in of_runs([one, other])] == [(), ()]


def test_what_a_rule_may_mend_is_a_gap_of_its_column_and_the_rest_one_of_the_table() -> None:
    row = {"path": "x", "count": "60", "compared": "60", "told": "so"}
    forms = {"a": "masked", "b": "swapped", "c": "reworded", "d": "placeholder", "e": "emptied", "f": "moved"}
    rows = [row | {"column": name, "path": name, "form": form, "seen": "-1"} for name, form in forms.items()]
    clean = {"stage": "clean", "table": "order"}
    gone = said("fields_seen", {"path": "e", "kind": "missingField", "expected": "text", "count": "60"}, severity="WARN")
    empty = said("columns_filled", EMPTIED | {"column": "e", "path": "e"}, **clean, severity="WARN")
    gaps = {(gap.cause, gap.subject): gap for gap in of_runs([gone, said("values_stay", *rows, **clean), empty])}
    assert {key: [fact.column for fact in gap.evidence] for key, gap in gaps.items()} == {
        (Cause.CHANGED_VALUES, ""): ["a", "b"], (Cause.CHANGED_WORDS, "c"): ["c"], (Cause.PLACEHOLDER, "d"): ["d"],
        (Cause.EMPTIED_FIELD, "e"): ["e"], (Cause.CHANGED_UNIT, ""): ["f"],
    }  # fmt: skip
    assert {each.check for each in gaps[Cause.EMPTIED_FIELD, "e"].also} == {"fields_seen", "columns_filled"}


@pytest.mark.parametrize(
    ("status", "cause"), [("401", Cause.CREDENTIAL), ("404", Cause.ENDPOINT_GONE), ("410", Cause.ENDPOINT_GONE)]
)
def test_an_endpoint_that_is_gone_is_no_wrong_credential(status: str, cause: Cause) -> None:
    row = {"kind": "bearer", "tokenVariable": "ACME_TOKEN", "isValid": "false", "httpStatus": status, "message": "no"}
    (gap,) = gaps_of(said("auth_valid", row, stage="source", table="credentials"))
    assert gap.cause is cause


def test_a_warning_that_is_lawful_is_no_gap() -> None:
    few = {"path": "/x", "reason": "1 rows are too few to compare pages"}
    assert gaps_of(said("page_limits_known", few, severity="WARN")) == []
    stuck = {"path": "/x", "reason": "the server ignores the offset: only its first page can be had"}
    (gap,) = gaps_of(said("page_limits_known", few, stuck, severity="WARN"))
    assert gap.cause is Cause.PAGING_CHANGED
    assert gaps_of(said("page_limits_known", passed=True)) == []


def test_hostile_names_are_bounded_and_refused_by_rules() -> None:
    name = "x\n# heading `rm` \u202e" + "y" * 1000
    (gap,) = gaps_of(said("no_schema_drift", {"path": name, "kind": "newField"}))
    assert len(gap.subject) <= 200
    assert "\n" not in gap.subject
    assert not carried(name)
    assert not carried("*")
    assert not carried("a`b")
    assert carried("a: {b: [", "# heading", "日本語", "'; DROP TABLE x; --")


REMEDY = Remedy(
    kind=RemedyKind.ADD_FIELD,
    edits=(AddRule(file="x", rule={"kind": "field", "scope": {"source": "acme"}, "data_type": "text"}),),
    why="because",
)


def applied(tmp_path: object) -> Lesson:
    (lesson,) = record(tmp_path, gaps_of(said("no_schema_drift", DRIFT[0])))  # type: ignore[arg-type]
    return lesson.but(status="applied", remedy=REMEDY, applied_at="2026-01-01T01:00:00+00:00", applied_version="v2")


LATER = {"run": "r2", "seen_at": "2026-01-02T00:00:00+00:00", "covenant_version": "v2"}


def test_the_next_run_that_judged_it_decides(tmp_path: object) -> None:
    lesson = applied(tmp_path)
    good = Seen.of("r2", [said("no_schema_drift", passed=True, **LATER)])  # type: ignore[arg-type]
    assert verdict_of(lesson, good, [lesson]) is not None
    assert verdict_of(lesson, good, [lesson])[0] == "held"  # type: ignore[index]
    again = Seen.of("r2", [said("no_schema_drift", DRIFT[0], **LATER)])  # type: ignore[arg-type]
    assert verdict_of(lesson, again, [lesson])[0] == "returned"  # type: ignore[index]
    other = Seen.of("r2", [said("extract_complete", passed=True, **LATER)])  # type: ignore[arg-type]
    assert verdict_of(lesson, other, [lesson]) is None


def test_a_run_under_the_covenant_of_before_decides_nothing(tmp_path: object) -> None:
    lesson = applied(tmp_path)
    old = Seen.of("r2", [said("no_schema_drift", DRIFT[0], **{**LATER, "covenant_version": "v1"})])  # type: ignore[arg-type]
    assert verdict_of(lesson, old, [lesson]) is None


def test_what_fails_anew_under_it_is_harm(tmp_path: object) -> None:
    lesson = applied(tmp_path)
    bad = said("types_hold", {"column": "units", "failed": "9", "total": "9"}, stage="clean", table="order", **LATER)  # type: ignore[arg-type]
    run = Seen.of("r2", [said("no_schema_drift", passed=True, **LATER), bad])  # type: ignore[arg-type]
    assert verdict_of(lesson, run, [lesson])[0] == "harmed"  # type: ignore[index]
    assert verdict_of(lesson.but(status="verified"), run, [lesson])[0] == "held"  # type: ignore[index]


@pytest.mark.parametrize(
    ("named", "column", "path", "verdict"),
    [
        ("firstName", "customerName", "name", "held"),  # another field, whose name one of these ends as
        ("name", "customerName", "name", "harmed"),
        ("billing.street", "billingStreet", "billing.street", "harmed"),
        ("street", "billingStreet", "billing.street", "harmed"),
        ("units", "weight", "weight", "held"),
    ],
)
def test_a_gap_of_another_field_is_no_harm(tmp_path: object, named: str, column: str, path: str, verdict: str) -> None:
    edit = AddRule(file="x", rule={"kind": "field", "scope": {"source": "acme", "field": named}, "data_type": "text"})
    lesson = applied(tmp_path).but(entity="customer", remedy=REMEDY.model_copy(update={"edits": (edit,)}))
    row = {"column": column, "path": path, "form": "emptied", "count": 9, "compared": 9}
    bad = said("values_stay", row, stage="clean", table="customer", **LATER)  # type: ignore[arg-type]
    run = Seen.of("r2", [said("no_schema_drift", passed=True, **LATER), bad])  # type: ignore[arg-type]
    assert verdict_of(lesson, run, [lesson])[0] == verdict  # type: ignore[index]


def test_a_gate_that_passes_again_closes_the_lesson(tmp_path: object) -> None:
    (lesson,) = record(tmp_path, gaps_of(said("no_schema_drift", DRIFT[0])))  # type: ignore[arg-type]
    good = Seen.of("r2", [said("no_schema_drift", passed=True, **LATER)])  # type: ignore[arg-type]
    assert "sampled anew" in str(passed_again(lesson, good, ()))
    assert passed_again(lesson, Seen.of("r1", [said("no_schema_drift", passed=True)]), ()) is None


def test_what_did_not_help_is_not_tried_again_but_a_proof_may_be() -> None:
    once = Tried.of(REMEDY, Outcome.UNPROVEN, "the recording does not show the gap")
    assert not _settled(REMEDY, [once])
    assert _settled(REMEDY, [once, once, once])
    assert _settled(REMEDY, [Tried.of(REMEDY, Outcome.REJECTED, "no")])
    otherwise = REMEDY.model_copy(update={"why": "the same change for another reason"})
    assert _settled(otherwise, [Tried.of(REMEDY, Outcome.REJECTED, "no")])


def test_what_a_lesson_of_before_told_by_words_alone_is_understood() -> None:
    told = {"remedy": REMEDY.said, "outcome": "not proven: it does not repair it"}
    assert not _settled(REMEDY, [Tried.model_validate(told)])
    assert _settled(REMEDY, [Tried.model_validate({**told, "outcome": "a person took it back"})])
