"""Gates of Extract: every record was fetched, once, as the canon knows it, from parents that are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import ARRAY, asked_place, is_array, split_path
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.gates.sample import one_line
from spectra_assets.lakehouse.conditions import all_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@gate("extract_complete", kinds=("extraction",))
def extract_complete(candidate: Candidate) -> Judged:
    """No parent skipped or unanswered, no page missing or twice, and the rows are as many as the API says."""
    facts: Mapping[str, Any] = candidate.known("extraction")
    landed = candidate.counts.rows
    checks = (
        ("skipped", facts["skippedCount"], facts["parentsAsked"], "parents could not be read", facts["skipped"]),
        ("pages", facts.get("brokenCount", 0), facts["pages"], "pages could not be read", _pages(facts.get("broken") or ())),
        ("unanswered", facts["unansweredCount"], facts["parentsAsked"], "parents never answered", ()),
        ("repeated", facts["repeatedCount"], facts["rows"], f"rows came twice{_alike(candidate)}", _keys(facts["repeated"])),
        (
            "mismatch",
            facts["mismatchCount"],
            facts["parentsAsked"],
            "lists are not what the API says, or shows when it is asked again",
            facts["mismatches"],
        ),
        ("landed", abs(facts["rows"] - landed), facts["rows"], f"of the rows fetched are not among the {landed} landed", ()),
    )
    columns = dict.fromkeys(("aspect", "finding", "first"), DataType.TEXT) | dict.fromkeys(("problems", "among"), DataType.INT64)
    rows = [
        {"aspect": aspect, "problems": count, "among": among, "finding": f"{count} {what}", "first": _told(examples)}
        for aspect, count, among, what, examples in checks
    ]
    rules = tuple(
        Rule(f"aspect <> '{row['aspect']}' OR problems = 0", f"{row['finding']}{row['first']}", row["aspect"], whole=True)
        for row in rows
    )
    advice = "; ".join(dict.fromkeys(_ADVICE.get(aspect, _AGAIN) for aspect, count, *_ in checks if count != 0))
    show = ("aspect", "problems", "among", "first")
    accepted = facts.get("refusedCount", 0)
    unit = "proofs of completeness"
    unit += f" ({accepted} {'parent' if accepted == 1 else 'parents'} forbidden, accepted)" if accepted else ""
    return Judged(candidate.small(columns, rows), rules, unit=unit, show=show, advice=advice)


_AGAIN = "run it again: it continues where it stopped"

_ADVICE: Mapping[str, str] = {
    "repeated": "the list was read once more and holds them twice all the same, so another run changes nothing: if the API means "
    "it so, a rule of kind deduplicate keeps one of each; solution-engine lessons tells whether one is proposed",
    "mismatch": "what came does not agree with what the API says of itself: if the next run says the same, it pages or counts "
    "otherwise than Prepare found",
    "landed": "a row was lost or doubled while pages became rows: that is a fault of this software, not of the source",
}
"""Aspect of completeness → what helps, if not another run."""


def _alike(candidate: Candidate) -> str:
    """Whether rows that came twice are equal, where a list was read once more for it."""
    merged: Mapping[str, Any] = candidate.evidence.get("merge") or {}
    if not merged.get("repeated") or "unlike" not in merged:
        return ""
    return f", {merged['unlike']} of them with other values the second time" if merged["unlike"] else ", alike both times"


def _keys(repeated: Any) -> list[str]:
    """Each key that came twice, with its list's parent, as a person reads it."""
    return [f"key {each['key']} of parent {each['parent']}" if each["parent"] else f"key {each['key']}" for each in repeated]


def _pages(broken: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each broken page as a person reads it."""
    found = []
    for each in broken:
        where = f"parent {each['parent']}, page {each['page']}" if each["parent"] else f"page {each['page']}"
        rows = f", about {each['rows']} rows" if each.get("rows") else ""
        after = ", nothing after it can be reached" if each.get("beyond") == "unreachable" else ""
        found.append(f"{where}{rows}{after}, status {each['status']}, reason {each['reason']}")
    return found


def _told(examples: Any) -> str:
    if not examples:
        return ""
    first = examples[0]
    # the only list of an entity has no parent that could be named
    text = (
        ", ".join(f"{key} {value}" for key, value in first.items() if value not in ("", None))
        if isinstance(first, Mapping)
        else str(first)
    )
    return f" ({one_line(_ADDRESS.sub('', text))})"


_ADDRESS = re.compile(r"\b(?:GET|POST) https?://\S+: ")
"""Where an answer came from: the table's route, which takes the room of what was said there."""


@gate("cursor_tells_changes", kinds=("extraction",))
def cursor_tells_changes(candidate: Candidate) -> Judged:
    """No row changed or came although its time of change lies before what was asked for: such rows were missed until now."""
    facts: Mapping[str, Any] = candidate.evidence.get("cursor") or {"cursor": "", "checked": 0, "unseenCount": 0, "unseen": []}
    columns = dict.fromkeys(("cursor", "first"), DataType.TEXT) | dict.fromkeys(("missed", "checked"), DataType.INT64)
    row = {
        "cursor": facts["cursor"],
        "missed": facts["unseenCount"],
        "checked": facts["checked"],
        "first": _told(facts["unseen"]),
    }
    words = (
        f"{row['cursor']} can't be used to ask for changes: {row['missed']} of {row['checked']} changed rows kept their old "
        f"{row['cursor']}{row['first']}"
    )
    advice = "the table is right with this run; for some weeks the entity is read whole, then the cursor is tried again"
    return Judged(candidate.small(columns, [row]), (Rule("missed = 0", words, whole=True),), unit="cursors", advice=advice)


@gate("no_schema_drift", kinds=("extraction",))
def no_schema_drift(candidate: Candidate) -> Judged:
    """No record holds a field that the canon does not know, no more than one in a hundred a value of another type (Clean sets
    such rows aside), and none lacks what the covenant requires."""
    rules = (
        Rule("kind <> 'newField'", "are fields that the canon does not know", "newField"),
        Rule("kind <> 'changedType' OR few", "hold values of another type", "changedType"),
        Rule("kind <> 'missingField' OR NOT required", "are required, but no record has them any more", "missingField"),
    )
    return Judged(_differences(candidate), rules, unit="differences", show=_DRIFT, advice=_review(candidate))


@gate("fields_seen", kinds=("extraction",))
def fields_seen(candidate: Candidate) -> Judged:
    """Every field that the samples had is in some record; those required are told by no_schema_drift."""
    rule = Rule("kind <> 'missingField' OR required", "no longer occur in any record; their columns are NULL", "missingField")
    source = candidate.covenant.source
    advice = (
        f"if it has another name now, write a rule of kind alias; if {source} gave it up for good, "
        f"`solution-engine covenant generate {source}` takes its column out of the contract"
    )
    return Judged(_differences(candidate), (rule,), unit="differences", show=_DRIFT, advice=advice)


def _review(candidate: Candidate) -> str:
    """What helps where the records are otherwise than the covenant says."""
    source = candidate.covenant.source
    return (
        "the rows wait in the raw pages. What is only added arrives with the next run; what would break tables waits: "
        f"`solution-engine covenant diff {source}` tells it, `covenant generate {source}` accepts it, and a rule of kind alias "
        "follows a field that has another name now"
    )


_SET_ASIDE = 100
"""Of so many records one may hold a value of another type: above it the type has changed, below it the value is wrong."""

_DRIFT = ("path", "kind", "expected", "seen", "count", "example")


def _differences(candidate: Candidate) -> DataFrame:
    """Where the records are not as the canon knows them, and whether the covenant requires what is missing."""
    drift: Mapping[str, Mapping[str, Any]] = candidate.known("drift")
    required = {
        path
        for table in candidate.covenant.tables()
        if table.entity == candidate.table.entity and table.build.kind == "flattening"
        for column in table.schema_
        if column.required
        for path in column.source
    }
    columns = {name: DataType.INT64 if name == "count" else DataType.TEXT for name in _DRIFT}
    rows = (candidate.evidence.get("extraction") or {}).get("rows", 0)
    facts = [
        {"path": path, "required": path in required, "few": change["count"] * _SET_ASIDE <= rows, **change}
        for path, change in sorted(drift.items())
    ]
    return candidate.small({**columns, "required": DataType.BOOL, "few": DataType.BOOL}, facts)


@gate("primary_key_present", kinds=("extraction",), needs=lambda _: ("record", "requestId", "sequence"))
def primary_key_present(candidate: Candidate) -> Iterator[Judged]:
    """Every record has a value at the path of its primary key, or a rule says that Clean sets those aside that have none."""
    path, aside = _fetch(candidate).primary_key, _fetch(candidate).keyless == "aside"
    advice = "look at the record: an error kept as one, or a key that has another name here"
    facts: Mapping[str, Any] | None = candidate.evidence.get("extraction")
    steps = [step for step in _steps(path) if step is not None]
    plain = len(steps) == len(_steps(path)) and not path.startswith("@")
    if plain and not aside and (facts is None or facts["missingKeyCount"]):
        frame = candidate.accepted.withColumn("_key", F.get_json_object("record", f"${''.join(steps)}"))
        rule = Rule("trim(_key) <> ''", f"have no value at {path}")
        yield Judged(frame, (rule,), unit="records", show=("sequence", "requestId", "record"), advice=advice)
    if facts is None:
        if aside or not plain:
            candidate.known("extraction")
        return
    missing = {"missingKeys": facts["missingKeyCount"], "records": facts["rows"], "aside": aside}
    words = f"lack a value at {path} on {missing['missingKeys']} of {missing['records']} rows"
    unit = f"extractions ({missing['missingKeys']} records without {path}, set aside)" if aside else "extractions"
    columns = {"missingKeys": DataType.INT64, "records": DataType.INT64, "aside": DataType.BOOL}
    yield Judged(candidate.small(columns, [missing]), (Rule("missingKeys = 0 OR aside", words),), unit=unit, advice=advice)


@gate("parents_resolved", kinds=("extraction",), needs=lambda _: ("parentKey", "requestId", "sequence"))
def parents_resolved(candidate: Candidate) -> Iterator[Judged]:
    """Every parent that a record was fetched for is in the parent's table; of two unrelated parents each in its own."""
    parent = _fetch(candidate).parent
    if parent is None:
        return
    own = [parent.path, *(fill.path for fill in parent.also)]
    yield _resolved(candidate, parent.entity, own, 0 if parent.composite else None)
    if parent.across is not None:
        yield _resolved(candidate, parent.across.entity, [parent.across.path], len(own))


def _resolved(candidate: Candidate, entity: str, paths: list[str], first: int | None) -> Judged:
    """Whether the values asked for are in the records of an entity; `first` is the place of the first among several values."""
    table = next((t.table for t in candidate.covenant.tables() if t.entity == entity and isinstance(t.build, Extraction)), None)
    if table is None:
        raise SpectraError(f"{candidate.table.table} is fetched by {entity}, which the covenant does not extract")
    ids = _values_at(candidate.frame(table).select("record", "parentKey"), paths).distinct()
    asked = candidate.accepted.groupBy("parentKey").agg(F.count(F.lit(1)).alias("records"), F.min("sequence").alias("sequence"))
    parts = [F.col("parentKey")] if first is None else [_part("parentKey", first + place) for place in range(len(paths))]
    same = all_of(part == F.col(f"_value{place}") for place, part in enumerate(parts))
    frame = asked.join(ids, same, "left")
    rule = Rule("_value0 IS NOT NULL", f"are not among the ids of {table}")
    advice = "the parent was deleted in between, or the route gives children of others: repeat Prepare's proof"
    return Judged(frame, (rule,), unit="parents", show=("parentKey", "records", "sequence"), advice=advice)


def _fetch(candidate: Candidate) -> Any:
    build = candidate.table.build
    if not isinstance(build, Extraction):
        raise SpectraError(f"{candidate.table.table} holds no extracted records")
    return build.fetch


def _values_at(records: DataFrame, paths: list[str]) -> DataFrame:
    """Columns `_value0`, `_value1`, …: the texts at the JSON paths (`id`, `phases[].id`) of the column `record`.

    Paths through the same array take their values from the same element of it; `@parent` and `@parent[1]` mean the column
    `parentKey`, all of it or its second value. Rows without one of the values are left out.
    """
    frame = records.select(*(_start(path).alias(f"_value{place}") for place, path in enumerate(paths)))
    names = frame.columns
    left = {name: _steps(path) if asked_place(path) is None else [] for name, path in zip(names, paths, strict=True)}
    gone: dict[str, list[str | None]] = {name: [] for name in names}
    while any(left.values()):
        for name in names:
            while left[name] and left[name][0] is not None:
                step = left[name].pop(0)
                gone[name].append(step)
                frame = frame.withColumn(name, F.get_json_object(name, f"${step}"))
        first = next((name for name in names if left[name]), None)
        if first is None:
            break
        together = [name for name in names if left[name] and gone[name] == gone[first]]
        # get_json_object with wildcards differs between engines; this does not
        frame = frame.select(*names, F.explode(F.from_json(first, "array<string>")).alias("_element"))
        for name in together:
            left[name].pop(0)
            gone[name].append(None)
        frame = frame.select(*(F.col("_element").alias(name) if name in together else F.col(name) for name in names))
    return frame.where(all_of(F.col(name).isNotNull() for name in names))


def _start(path: str) -> Column:
    """The column in which a path begins."""
    asked = asked_place(path)
    if asked is None:
        return F.col("record")
    return F.col("parentKey") if asked < 0 else _part("parentKey", asked)


def _part(name: str, place: int) -> Column:
    """One of the texts of a composite value; of a value that is a single one itself."""
    whole = F.col(name)
    parts = F.from_json(whole, "array<string>")
    return F.when(whole.startswith("["), parts[place]).when(F.lit(place == 0), whole)


def _steps(path: str) -> list[str | None]:
    """The keys of a JSON path as steps of a pointer, None where an array is opened. Raises SpectraError for the empty path."""
    steps: list[str | None] = []
    for key in split_path(path):
        name = key
        while is_array(name):
            name = name.removesuffix(ARRAY)
        steps += [_step(name), *[None] * ((len(key) - len(name)) // len(ARRAY))]
    if not steps:
        raise SpectraError(f"{path!r} is no JSON path such as id or cyclePhases[].id")
    return steps


def _step(key: str) -> str:
    return f".{key}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else f"['{key}']"
