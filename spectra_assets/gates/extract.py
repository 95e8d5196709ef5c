"""Gates of Extract: every record was fetched, once, as the canon knows it, from parents that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import DataType, Extraction
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.gates.sample import one_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SEGMENT = re.compile(r"((?:[^.\\\[]|\\.)+)((?:\[\])*)(?:\.|$)")
"""One key of a JSON path, its own dots escaped by a backslash, with `[]` for each array it opens."""


@gate("extract_complete", kinds=("extraction",))
def extract_complete(candidate: Candidate) -> Judged:
    """No parent skipped or unanswered, no page missing or twice, and the rows are as many as the API says."""
    facts: Mapping[str, Any] = candidate.known("extraction")
    landed = candidate.counts.rows
    checks = (
        ("skipped", facts["skippedCount"], facts["parentsAsked"], "parents could not be read", facts["skipped"]),
        ("unanswered", facts["unansweredCount"], facts["parentsAsked"], "parents never answered", ()),
        ("repeated", facts["repeatedCount"], facts["rows"], "rows came twice for one parent", facts["repeated"]),
        ("mismatch", facts["mismatchCount"], facts["parentsAsked"], "row counts differ from the API's own", facts["mismatches"]),
        ("landed", abs(facts["rows"] - landed), facts["rows"], f"of the rows fetched are not among the {landed} landed", ()),
    )
    columns = dict.fromkeys(("aspect", "finding", "first"), DataType.TEXT) | dict.fromkeys(("problems", "among"), DataType.INT64)
    rows = [
        {"aspect": aspect, "problems": count, "among": among, "finding": f"{count} {what}", "first": _told(examples)}
        for aspect, count, among, what, examples in checks
    ]
    rules = tuple(
        Rule(f"aspect <> '{row['aspect']}' OR problems = 0", f"fail: {row['finding']}{row['first']}", row["aspect"])
        for row in rows
    )
    advice = "run the stage again: it takes up where it ended"
    show = ("aspect", "problems", "among", "first")
    return Judged(candidate.small(columns, rows), rules, unit="proofs of completeness", show=show, advice=advice)


def _told(examples: Any) -> str:
    if not examples:
        return ""
    first = examples[0]
    text = ", ".join(f"{key} {value}" for key, value in first.items()) if isinstance(first, Mapping) else str(first)
    return f" ({one_line(text)})"


@gate("no_schema_drift", kinds=("extraction",))
def no_schema_drift(candidate: Candidate) -> Judged:
    """No record holds a field or a type that the canon does not know, and none lacks what the covenant requires."""
    drift: Mapping[str, Mapping[str, Any]] = candidate.known("drift")
    required = {
        path
        for table in candidate.covenant.tables()
        if table.entity == candidate.table.entity and table.build.kind == "flattening"
        for column in table.schema_
        if column.required
        for path in column.source
    }
    columns = dict.fromkeys(("path", "kind", "expected", "seen", "example"), DataType.TEXT)
    facts = [{"path": path, "required": path in required, **change} for path, change in sorted(drift.items())]
    rules = (
        Rule("kind <> 'newField'", "are fields that the canon does not know", "newField"),
        Rule("kind <> 'changedType'", "hold values of another type", "changedType"),
        Rule("kind <> 'missingField' OR NOT required", "are required, but no record has them any more", "missingField"),
    )
    frame = candidate.small({**columns, "count": DataType.INT64, "required": DataType.BOOL}, facts)
    show = ("path", "kind", "expected", "seen", "count", "example")
    advice = "run Prepare again and review what the covenant gains; the rows wait in the raw pages"
    return Judged(frame, rules, unit="differences", show=show, advice=advice)


@gate("primary_key_present", kinds=("extraction",), needs=lambda _: ("record", "requestId", "sequence"))
def primary_key_present(candidate: Candidate) -> Iterator[Judged]:
    """Every record has a value at the path of its primary key."""
    path = _fetch(candidate).primary_key
    advice = "look at the record: an error kept as one, or a key that has another name here"
    facts: Mapping[str, Any] | None = candidate.evidence.get("extraction")
    keys = _segments(path)
    plain = all(not arrays for _, arrays in keys) and not path.startswith("@")
    if plain and (facts is None or facts["missingKeyCount"]):
        pointer = "$" + "".join(_step(key) for key, _ in keys)
        frame = candidate.accepted.withColumn("_key", F.get_json_object("record", pointer))
        rule = Rule("trim(_key) <> ''", f"have no value at {path}")
        yield Judged(frame, (rule,), unit="records", show=("sequence", "requestId", "record"), advice=advice)
    if facts is None:
        if not plain:
            candidate.known("extraction")
        return
    missing = {"missingKeys": facts["missingKeyCount"], "records": facts["rows"]}
    words = f"lack a value at {path} on {missing['missingKeys']} of {missing['records']} rows"
    frame = candidate.small({"missingKeys": DataType.INT64, "records": DataType.INT64}, [missing])
    yield Judged(frame, (Rule("missingKeys = 0", words),), unit="extractions", advice=advice)


@gate("parents_resolved", kinds=("extraction",), needs=lambda _: ("parentKey", "requestId", "sequence"))
def parents_resolved(candidate: Candidate) -> Iterator[Judged]:
    """Every parent that a record was fetched for is in the parent's table."""
    parent = _fetch(candidate).parent
    if parent is None:
        return
    table = next(
        (t.table for t in candidate.covenant.tables() if t.entity == parent.entity and isinstance(t.build, Extraction)), None
    )
    if table is None:
        raise SpectraError(f"{candidate.table.table} is fetched by {parent.entity}, which the covenant does not extract")
    ids = _values_at(candidate.frame(table).select("record"), parent.path).distinct()
    asked = candidate.accepted.groupBy("parentKey").agg(F.count(F.lit(1)).alias("records"), F.min("sequence").alias("sequence"))
    frame = asked.join(ids, F.col("parentKey") == F.col("value"), "left")
    rule = Rule("value IS NOT NULL", f"are not among the ids of {table}")
    advice = "the parent was deleted in between, or the route gives children of others: repeat Prepare's proof"
    yield Judged(frame, (rule,), unit="parents", show=("parentKey", "records", "sequence"), advice=advice)


def _fetch(candidate: Candidate) -> Any:
    build = candidate.table.build
    if not isinstance(build, Extraction):
        raise SpectraError(f"{candidate.table.table} holds no extracted records")
    return build.fetch


def _values_at(records: DataFrame, path: str) -> DataFrame:
    """Column `value`: the text of every value at the JSON path (`id`, `phases[].id`) of the column `record`."""
    frame = records.select(F.col("record").alias("value"))
    for key, arrays in _segments(path):
        frame = frame.select(F.get_json_object("value", "$" + _step(key)).alias("value"))
        for _ in range(arrays):  # get_json_object with wildcards differs between engines; this does not
            frame = frame.select(F.explode(F.from_json("value", "array<string>")).alias("value"))
    return frame.where("value IS NOT NULL")


def _segments(path: str) -> list[tuple[str, int]]:
    """The keys of a JSON path, each with how many arrays it opens. Raises SpectraError for a path that is none."""
    keys = [(re.sub(r"\\(.)", r"\1", match[1]), match[2].count("[]")) for match in _SEGMENT.finditer(path)]
    if not keys or sum(len(match[0]) for match in _SEGMENT.finditer(path)) != len(path):
        raise SpectraError(f"{path!r} is no JSON path such as id or cyclePhases[].id")
    return keys


def _step(key: str) -> str:
    return f".{key}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else f"['{key}']"
