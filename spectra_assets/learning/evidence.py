"""How rows that broke a gate are read: their cause, what it is about, and a fact. One function per form of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from spectra_assets.gates.altered import Form
from spectra_assets.learning.gap import NOTED, WIDTH, Cause, Evaluation, Fact
from spectra_assets.learning.reason import answered, reason_of, status_of

_LAWFUL = re.compile(r"too few to compare|too few rows|budget of requests|never asked|used up")
"""Reasons for which a gate that only warns shows no gap: there was nothing to see."""

DECLARED = "declaredTotal"
"""Kind of the fact that a list gave fewer rows than it declares."""

_SHORT = re.compile(rf"\bcheck {DECLARED}, expected ([0-9]+), found ([0-9]+)")

Row = Mapping[str, Any]
Take = Callable[[Evaluation, Row], tuple[Cause, str, Fact] | None]


def text(value: Any, most: int = WIDTH) -> str | None:
    """A cell as bounded text; None if it is empty."""
    if value is None or value == "":
        return None
    shown = "".join(char if char.isprintable() else " " for char in str(value)[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def number(value: Any) -> int | None:
    """A cell as a whole number; None if it is none."""
    shown = str(value).strip() if value is not None else ""
    return int(shown) if re.fullmatch(r"-?[0-9]{1,18}", shown) else None


def whole(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A gate about the table as a whole: its rows are examples of one gap."""
    note = ", ".join(f"{name} = {value}" for name, value in list(row.items())[:6])
    return CAUSES.get(evaluation.check, Cause.OTHER), "", Fact(kind=evaluation.check, note=text(note))


def _credential(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    name = text(row.get("tokenVariable"))
    status = number(row.get("httpStatus"))
    fact = Fact(kind="credential", parameter=name, status=status, note=text(row.get("message")))
    return Cause.ENDPOINT_GONE if status in (404, 405, 410) else Cause.CREDENTIAL, name or "", fact


def _unreachable(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact] | None:
    """An entity that can't be reached, or whose route is not proven."""
    entity = text(row.get("entity"))
    if entity is None:
        return None if "entityCount" in row else whole(evaluation, row)
    reason = str(row.get("reason") or row.get("evidence") or "")
    cause = answered(reason, CAUSES[evaluation.check])
    fact = Fact(
        kind=evaluation.check,
        entity=entity,
        endpoint=text(row.get("route") or row.get("path")),
        status=status_of(reason) if cause != Cause.IGNORED_PARAMETER else None,
        note=text(reason, NOTED),
    )
    return cause, entity, fact


def _page_limits(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact] | None:
    reason = str(row.get("reason") or "")
    if not reason or _LAWFUL.search(reason):
        return None
    cause = answered(reason, Cause.PAGE_LIMIT)
    cause = Cause.PAGING_CHANGED if cause == Cause.IGNORED_PARAMETER else cause
    path = text(row.get("path")) or ""
    return cause, path, Fact(kind="pageLimit", endpoint=path, status=status_of(reason), note=text(reason, NOTED))


def _covered(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact] | None:
    reason = str(row.get("reason") or "")
    if _LAWFUL.search(reason):
        return None
    name = text(row.get("name")) or ""
    return Cause.UNCOVERED_ENDPOINT, name, Fact(kind=str(row.get("kind"))[:40], endpoint=name, note=text(reason))


def _complete(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A proof of completeness that failed."""
    aspect, first = str(row.get("aspect")), str(row.get("first") or "")
    causes = {
        "skipped": answered(first, Cause.ENDPOINT_BROKEN),
        "pages": Cause.ENDPOINT_BROKEN,
        "unanswered": Cause.ENDPOINT_BROKEN,
        "repeated": Cause.DUPLICATE_ROWS,
        "mismatch": Cause.PAGE_LIMIT,
    }
    cause = causes.get(aspect, Cause.INCOMPLETE_EXTRACT)
    if aspect == "mismatch" and "check sample" in first:
        cause = Cause.ENVELOPE_CHANGED if "now there is none" in first else Cause.UNPROVEN_DEPENDENCY
    short = _SHORT.search(first) if aspect == "mismatch" else None
    fact = Fact(
        kind=DECLARED if short else aspect[:40],
        expected=short[1] if short else None,
        seen=short[2] if short else None,
        count=number(row.get("problems")),
        total=number(row.get("among")),
        status=status_of(first) if aspect in ("skipped", "pages") else None,
        note=text(first.strip(), NOTED),
    )
    return cause, aspect, fact


def _drift(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    kind, path = str(row.get("kind")), text(row.get("path")) or ""
    cause = {"newField": Cause.NEW_FIELD, "changedType": Cause.CHANGED_TYPE, "missingField": Cause.MISSING_FIELD}.get(kind)
    fact = Fact(
        kind=kind[:40],
        path=path,
        expected=text(row.get("expected")),
        seen=text(row.get("seen")),
        count=number(row.get("count")),
        note=text(row.get("example")),
    )
    return cause or Cause.OTHER, path, fact


def _column(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A column of another type, or one whose rule too many rows break."""
    column = text(row.get("column"))
    if column is None:
        return whole(evaluation, row)
    if "found" in row:
        fact = Fact(kind="columnType", column=column, expected=text(row.get("expected")), seen=text(row.get("found")))
        return Cause.MISSING_STEP, column, fact
    fact = Fact(kind="column", column=column, count=number(row.get("failed")), total=number(row.get("total")))
    return CAUSES[evaluation.check], column, fact


def _required(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A required column without values: the rule that is broken names it, else the column of its share."""
    if "column" in row:
        return _column(evaluation, row)
    column = evaluation.rule.partition(":")[2]
    return Cause.NULL_IN_REQUIRED, column, Fact(kind="required", column=text(column))


def _emptied(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A column that was filled and is empty now."""
    column = text(row.get("column")) or ""
    fact = Fact(
        kind="emptied",
        column=column,
        path=text(row.get("path")),
        expected=text(row.get("before")),
        count=number(row.get("empty")),
        total=number(row.get("rows")),
    )
    return Cause.EMPTIED_FIELD, column, fact


def _scaled(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A column whose numbers are all so many times what they were."""
    column = text(row.get("column")) or ""
    note = text(f"all of its numbers are {row.get('factor')} times what they were")
    fact = Fact(
        kind="scale",
        column=column,
        path=text(row.get("path")),
        expected=text(row.get("before")),
        seen=text(row.get("now")),
        note=note,
    )
    return Cause.CHANGED_UNIT, column, fact


def _altered(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A column to whose values the same was done in nearly all records. What a rule may mend is a gap of its column, what a
    person accepts or not one of the table."""
    column, form = text(row.get("column")) or "", str(row.get("form") or "")
    fact = Fact(
        kind=form[:40],
        column=column,
        path=text(row.get("path")),
        references=text(row.get("references")),
        seen=text(row.get("seen")),
        count=number(row.get("count")),
        total=number(row.get("compared")),
        note=text(row.get("told"), NOTED),
    )
    cause = _ALTERED.get(form, Cause.CHANGED_VALUES)
    return cause, column if cause in _OF_COLUMNS else "", fact


_OF_COLUMNS = (Cause.EMPTIED_FIELD, Cause.CHANGED_WORDS, Cause.PLACEHOLDER, Cause.SECOND_DATE_FORMAT)
"""Causes that are told column by column; of the others one cause explains several columns."""

_ALTERED: dict[str, Cause] = {
    Form.EMPTIED: Cause.EMPTIED_FIELD,
    Form.REWORDED: Cause.CHANGED_WORDS,
    Form.PLACEHOLDER: Cause.PLACEHOLDER,
    Form.SCALED: Cause.CHANGED_UNIT,
    Form.MOVED: Cause.CHANGED_UNIT,
    Form.RESCALED: Cause.SECOND_DATE_FORMAT,
}


def _shrunk(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A table that lost much of its records, alone or together with others, or a list that ends after as many rows (`total`) in
    all records that had more; `count` is the version that stands."""
    fact = Fact(
        kind="shrunk",
        note=text(row.get("table")),
        expected=text(row.get("before")),
        seen=text(row.get("now")),
        count=number(row.get("version")),
        total=number(row.get("cap")),
    )
    return Cause.SOURCE_SHRANK, "", fact


def _left(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """Records of a table that are no longer there."""
    counts = {"count": number(row.get("gone")), "total": number(row.get("before"))}
    return Cause.RECORDS_GONE, "", Fact(kind="gone", note=text(row.get("fate")), **counts)


def _parents(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    return Cause.ORPHAN, "", Fact(kind="orphan", seen=text(row.get("parentKey")), count=number(row.get("records")))


def _reference(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    name = evaluation.rule.partition(":")[2]
    return Cause.ORPHAN, name, Fact(kind="reference", column=text(name), note=whole(evaluation, row)[2].note)


def _output(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A table that is missing, was not delivered, or was not judged."""
    table, gate_name = text(row.get("table")) or "", text(row.get("gate"))
    note = text(row.get("error")) or gate_name
    return CAUSES[evaluation.check], f"{table} {gate_name}" if gate_name else table, Fact(kind=evaluation.check, note=note)


def _made(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A table whose attempt ended in an error, which the client or an action made."""
    error = str(row.get("error") or "")
    cause = reason_of(error, Cause.OTHER)
    cause = Cause.PAGING_CHANGED if cause == Cause.IGNORED_PARAMETER or re.search(r"\blead in a circle", error) else cause
    return cause, "", Fact(kind="error", status=status_of(error), note=text(error, NOTED))


def _gated(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    return Cause.MISSING_GATE, str(row.get("gate")), Fact(kind="gate", note=text(row.get("tables")))


def _calm(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    counts = {"count": number(row.get("refused")), "total": number(row.get("asked"))}
    return Cause.RATE_LIMITED, "", Fact(kind="perMinute", expected=text(row.get("perMinute")), status=429, **counts)


def _planned(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    finding, aspect = str(row.get("finding") or ""), text(row.get("aspect")) or ""
    ignored = Cause.IGNORED_PARAMETER if finding.startswith("ignored") else Cause.UNPROVEN_DEPENDENCY
    cause = Cause.PAGING_CHANGED if aspect == "paging" else ignored
    return cause, aspect, Fact(kind="plan", entity=text(row.get("entity")), endpoint=text(row.get("path")), note=text(finding))


def _timed(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    column = text(row.get("column")) or ""
    return Cause.CHANGED_TYPE, column, Fact(kind="time", column=column, expected="date", seen="timestamp")


def _mapped(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    value = text(row.get("value")) or ""
    return (
        Cause.UNMAPPED_VALUE,
        value,
        Fact(kind="value", seen=value, expected=text(row.get("label")), note=text(row.get("column"))),
    )


def _conserved(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """Rows that went no known way, or records that were left out under the key of others."""
    if "leftOut" not in row:
        return whole(evaluation, row)
    counts = {"count": number(row.get("leftOut")), "total": number(row.get("records"))}
    return Cause.WRONG_KEY, "", Fact(kind="leftOut", column=text(row.get("key")), note=text(row.get("told")), **counts)


def _step(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    """A step of the playbook that was not carried out: the covenant is older than the playbook."""
    return Cause.STEP_DID_NOT_RUN, str(row.get("step")), Fact(kind="step", note=text(row.get("tables")))


def _unsteady(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    path = text(row.get("path")) or ""
    fact = Fact(kind="retried", endpoint=path, count=number(row.get("retried")), total=number(row.get("asked")))
    return Cause.UNSTEADY_ENDPOINT, path, fact


def _set_aside(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    fact = Fact(kind="setAside", count=number(row.get("setAside")), total=number(row.get("rowsIn")))
    return Cause.ROWS_SET_ASIDE, "", fact


def _readable(evaluation: Evaluation, row: Row) -> tuple[Cause, str, Fact]:
    parent = text(row.get("parent")) or ""
    return Cause.NEEDLESS_RULE, parent, Fact(kind="readAgain", entity=text(row.get("entity")), seen=parent)


TAKEN: dict[str, Take] = {
    "table_made": _made,
    "outputs_gated": _gated,
    "requests_calm": _calm,
    "values_mapped": _mapped,
    "refusals_stand": _readable,
    "statuses_known": _mapped,
    "steps_ran": _step,
    "requests_steady": _unsteady,
    "rows_accepted": _set_aside,
    "rows_conserved": _conserved,
    "plan_holds": _planned,
    "times_kept": _timed,
    "auth_valid": _credential,
    "hierarchy_proven": _unreachable,
    "dependencies_proven": _unreachable,
    "schema_has_all_entities": _unreachable,
    "page_limits_known": _page_limits,
    "endpoints_covered": _covered,
    "extract_complete": _complete,
    "no_schema_drift": _drift,
    "fields_seen": _drift,
    "columns_filled": _emptied,
    "scale_kept": _scaled,
    "values_stay": _altered,
    "source_stays": _shrunk,
    "records_stay": _left,
    "parents_resolved": _parents,
    "types_hold": _column,
    "rules_applied": _column,
    "required_present": _required,
    "foreign_keys_resolve": _reference,
    "references_matched": _reference,
    "all_outputs_exist": _output,
    "all_gates_ran": _output,
    "manifest_complete": _output,
}
"""Gate → how its sample rows are read. Of every other gate all rows are examples of one gap."""

CAUSES: dict[str, Cause] = {
    "auth_valid": Cause.CREDENTIAL,
    "endpoints_unique": Cause.CATALOGUE,
    "endpoints_parsed": Cause.CATALOGUE,
    "hierarchy_proven": Cause.UNREACHABLE_ENTITY,
    "dependencies_proven": Cause.UNPROVEN_DEPENDENCY,
    "dependencies_acyclic": Cause.UNPROVEN_DEPENDENCY,
    "schema_has_all_entities": Cause.INCOMPLETE_SCHEMA,
    "one_entity_per_row": Cause.INCOMPLETE_SCHEMA,
    "fields_as_arrays": Cause.INCOMPLETE_SCHEMA,
    "fields_have_target_names": Cause.INCOMPLETE_SCHEMA,
    "endpoints_covered": Cause.UNCOVERED_ENDPOINT,
    "page_limits_known": Cause.PAGE_LIMIT,
    "extract_complete": Cause.INCOMPLETE_EXTRACT,
    "no_schema_drift": Cause.OTHER,
    "cursor_tells_changes": Cause.INCOMPLETE_EXTRACT,
    "fields_seen": Cause.MISSING_FIELD,
    "columns_filled": Cause.EMPTIED_FIELD,
    "scale_kept": Cause.CHANGED_UNIT,
    "records_stay": Cause.RECORDS_GONE,
    "source_stays": Cause.SOURCE_SHRANK,
    "values_stay": Cause.CHANGED_VALUES,
    "primary_key_present": Cause.MISSING_KEY,
    "parents_resolved": Cause.ORPHAN,
    "types_hold": Cause.CHANGED_TYPE,
    "primary_key_unique": Cause.WRONG_KEY,
    "rows_conserved": Cause.LOST_ROWS,
    "required_present": Cause.NULL_IN_REQUIRED,
    "quarantine_small": Cause.QUARANTINE,
    "one_current_row": Cause.HISTORY,
    "validity_has_no_gap_or_overlap": Cause.HISTORY,
    "foreign_keys_resolve": Cause.ORPHAN,
    "references_matched": Cause.ORPHAN,
    "grain_unique": Cause.WRONG_KEY,
    "rules_applied": Cause.MISSING_STEP,
    "statuses_known": Cause.UNMAPPED_VALUE,
    "totals_reconcile": Cause.TOTALS,
    "model_complete": Cause.MISSING_OUTPUT,
    "lineage_matches_covenant": Cause.LINEAGE,
    "all_outputs_exist": Cause.MISSING_OUTPUT,
    "all_gates_ran": Cause.MISSING_GATE,
    "manifest_complete": Cause.MISSING_OUTPUT,
}
"""Gate → the cause its failure speaks for where its rows tell no more."""
