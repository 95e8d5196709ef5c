"""Gates of Prepare: each route is proven by data, and the canon is whole and fit to make tables of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.canon import PARALLEL_ARRAYS
from spectra_assets.covenant.model import DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.keys import not_empty, unique
from spectra_assets.gates.registry import gate
from spectra_assets.gates.sample import one_line
from spectra_assets.gates.source import one_of_texts, to_do

PROVEN = ("proven", "complete", "empty")
"""Verdicts of routes that give every row: by each parent's id, without a parent, or of an entity that has none."""

_ROUTE = ("entity", "path", "parentEntity", "verdict", "chosen", "rowsSeen", "evidence")


@gate("dependencies_proven", needs=lambda _: _ROUTE)
def dependencies_proven(candidate: Candidate) -> Iterator[Judged]:
    """Each entity has exactly one chosen route, and data proves that it gives every row, or no route showed any."""
    evidence: Mapping[str, Any] = candidate.evidence.get("dependencies", {})
    why: dict[str, str] = dict(evidence.get("unproven", {}))
    advice = _advice(dict(evidence.get("outages", {})))
    routes: dict[str, list[dict[str, Any]]] = {entity: [] for entity in why}
    for row in candidate.accepted.select(*_ROUTE).toArrow().to_pylist():
        routes.setdefault(row["entity"], []).append(row)
    columns = dict.fromkeys(("entity", "path", "verdict", "evidence"), DataType.TEXT)
    columns |= dict.fromkeys(("chosen", "rows"), DataType.INT64)
    facts = [_chosen(entity, rows, why.get(entity)) for entity, rows in sorted(routes.items(), key=lambda item: str(item[0]))]
    rules = (
        Rule("chosen = 1", "have no working route", "chosen"),
        Rule(f"chosen <> 1 OR {one_of_texts('verdict', PROVEN)}", "have a route that is not proven", "verdict"),
        Rule("chosen <> 1 OR verdict <> 'empty' OR rows = 0", "are called empty, but a route showed rows", "empty"),
    )
    show = ("entity", "chosen", "verdict", "evidence", "path")
    yield not_empty(candidate, "no route was tried", advice)
    yield Judged(candidate.small(columns, facts), rules, unit="entities", show=show, advice=advice)


def _advice(outages: Mapping[str, str]) -> str:
    """What to do; `outages` are entity → how the API itself failed when its routes were tried."""
    way = "add another route to the pack"
    if not outages:
        return f"{way}, or give the credential's user access to records of the entity"
    entity, told = min(outages.items())
    others = f" and {len(outages) - 1} more" if len(outages) > 1 else ""
    failed = f"the API failed when {entity}{others} was asked for ({one_line(told)})"
    return f"{failed}: run again; if it stays so, tell whoever runs it, or {way}"


def _chosen(entity: str, rows: Sequence[Mapping[str, Any]], why: str | None) -> dict[str, Any]:
    chosen = [row for row in rows if row["chosen"]]
    # of several chosen routes the one that is not proven is told
    one = next((row for row in chosen if row["verdict"] not in PROVEN), chosen[0] if chosen else {})
    return {
        "entity": entity,
        "chosen": len(chosen),
        "rows": max((row["rowsSeen"] or 0 for row in rows), default=0),
        "path": one.get("path"),
        "verdict": one.get("verdict"),
        "evidence": why or one.get("evidence"),
    }


@gate("dependencies_acyclic", needs=lambda _: ("entity", "parentEntity", "chosen"))
def dependencies_acyclic(candidate: Candidate) -> Judged:
    """No entity needs itself, directly or through others."""
    rows = candidate.accepted.where("chosen AND parentEntity IS NOT NULL").select("parentEntity", "entity").distinct()
    edges = sorted((row[0], row[1]) for row in rows.collect())
    circle = in_circles(edges)
    facts = [{"parent": parent, "child": child, "inCircle": (parent, child) in circle} for parent, child in edges]
    columns = {"parent": DataType.TEXT, "child": DataType.TEXT, "inCircle": DataType.BOOL}
    advice = "of two entities that name each other as parent, keep the direction in which the list of all can be fetched"
    rule = Rule("NOT inCircle", "lead back to where they start")
    return Judged(candidate.small(columns, facts), (rule,), unit="edges", show=("parent", "child"), advice=advice)


def in_circles(edges: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges left when whatever nothing leads to, and whatever leads nowhere, is taken away again and again."""
    left = set(edges)
    while True:
        parents, children = {parent for parent, _ in left}, {child for _, child in left}
        kept = {(parent, child) for parent, child in left if parent in children and child in parents}
        if kept == left:
            return left
        left = kept


@gate("schema_has_all_entities", needs=lambda _: ("entity",))
def schema_has_all_entities(candidate: Candidate) -> Iterator[Judged]:
    """Every entity of the source is in the canon."""
    expected: Mapping[str, Any] = candidate.known("expected")
    there = {row[0] for row in candidate.accepted.select("entity").collect()}
    unreadable = expected.get("unreadable", {})
    facts = [
        {"entity": entity, "inCanon": entity in there, "reason": unreadable.get(entity)}
        for entity in dict.fromkeys(expected["entities"])
    ]
    columns = {"entity": DataType.TEXT, "inCanon": DataType.BOOL, "reason": DataType.TEXT}
    failed = [str(fact["reason"] or "") for fact in facts if not fact["inCanon"]]
    advice = to_do(failed, "give the credential's user access to a record of the entity, then sample again")
    yield not_empty(candidate, "the canon is empty", advice)
    rule = Rule("inCanon", "are not in the canon")
    yield Judged(candidate.small(columns, facts), (rule,), unit="entities", show=("entity", "reason"), advice=advice)


@gate("one_entity_per_row", needs=lambda _: ("entity",))
def one_entity_per_row(candidate: Candidate) -> Iterator[Judged]:
    """Each row holds one entity, and each entity stands in one row."""
    advice = "this is a fault of the software, not of the data: report it"
    yield Judged(candidate.accepted, (Rule("trim(entity) <> ''", "hold no entity", "named"),), show=("entity",), advice=advice)
    yield unique(candidate, ("entity",), advice)


@gate("fields_as_arrays", needs=lambda _: ("entity", *PARALLEL_ARRAYS))
def fields_as_arrays(candidate: Candidate) -> Iterator[Judged]:
    """Fields are parallel arrays of one length, none empty, and no raw field stands twice."""
    empty = Rule("size(rawField) > 0", f"have no fields{_known_before(candidate)}", "empty")
    nothing_seen = (
        "the API gives no record of them now, and nothing else says what their fields are: give the credential's user access to "
        "a record, or leave the entity out by an override of its intelligence pack (remove: [entity]); what was published stays"
    )
    yield Judged(candidate.accepted, (empty,), unit="entities", show=("entity",), advice=nothing_seen)
    rules = (
        *(
            Rule(f"size(`{name}`) = size(rawField)", f"have {name} of another length than rawField", name)
            for name in PARALLEL_ARRAYS
            if name != "rawField"
        ),
        Rule(
            "size(array_distinct(arrays_zip(`group`, rawField))) = size(rawField)",
            "have a raw field twice in one table",
            "twice",
        ),
    )
    advice = "this is a fault of the software, not of the data: report it"
    yield Judged(candidate.accepted, rules, unit="entities", show=("entity", "rawField", "targetField"), advice=advice)


def _known_before(candidate: Candidate) -> str:
    """Of entities that have no fields now: how many they had in the schema that is published; empty where they had none."""
    bare = {row[0] for row in candidate.accepted.where("size(rawField) = 0").select("entity").collect()}
    if not bare or not candidate.lakehouse.exists(candidate.table.ref):
        return ""
    rows = candidate.lakehouse.read(candidate.table.ref, ["entity", "rawField"]).to_pylist()
    had = [f"{row['entity']} had {len(row['rawField'])}" for row in rows if row["entity"] in bare and row["rawField"]]
    return f" ({', '.join(sorted(had)[:5])} before)" if had else ""


@gate("fields_have_target_names", needs=lambda _: ("entity", *PARALLEL_ARRAYS))
def fields_have_target_names(candidate: Candidate) -> Iterator[Judged]:
    """Every field has a name in camelCase, and no two of a table share one, but the forms of one date or of one key."""
    advice = "change the rename rule that gives these fields their name"
    names = ("rawField", "targetField", "dataType", "dateFormat", "group")
    repeating: Mapping[str, Iterable[str]] = candidate.evidence.get("echoes", {})
    echoes = [f"{entity} {raw}" for entity, raws in repeating.items() for raw in raws]
    renamed: Mapping[str, Iterable[str]] = candidate.evidence.get("aliases", {})
    aliases = [f"{entity} {raw}" for entity, raws in renamed.items() for raw in raws]
    fields = candidate.accepted.select(
        "entity", "primaryKey", "rawField", F.explode(F.arrays_zip(*(F.col(f"`{name}`") for name in names))).alias("field")
    ).select(
        "entity",
        F.col("field.group").alias("table"),
        F.col("field.rawField").alias("raw"),
        F.col("field.targetField").alias("target"),
        F.col("field.dataType").alias("type"),
        F.col("field.dateFormat").alias("dateFormat"),
        F.array_contains("primaryKey", F.col("field.rawField")).alias("isKey"),
        (F.concat_ws(" ", "entity", "field.rawField").isin(echoes) if echoes else F.lit(False)).alias("isEcho"),
        (F.concat_ws(" ", "entity", "field.rawField").isin(aliases) if aliases else F.lit(False)).alias("isAlias"),
    )
    held = [(row[0], list(row[1] or ())) for row in candidate.accepted.select("entity", "rawField").collect()]
    around = [{"entity": entity, "raw": raw, "container": True} for entity, raws in held for raw in sorted(containers(raws))]
    columns = {"entity": DataType.TEXT, "raw": DataType.TEXT, "container": DataType.BOOL}
    fields = fields.join(candidate.small(columns, around), ["entity", "raw"], "left")
    rule = Rule("target RLIKE '^[a-z][A-Za-z0-9]{0,254}$'", "have no target name in camelCase", "name")
    yield Judged(fields, (rule,), unit="fields", show=("entity", "raw", "target"), advice=advice)
    shared = (
        fields.where("container IS NULL")
        .groupBy("entity", "table", F.lower("target").alias("name"))
        .agg(
            F.count(F.lit(1)).alias("fields"),
            F.countDistinct("target").alias("spellings"),
            F.countDistinct("type").alias("types"),
            F.count("dateFormat").alias("dated"),
            F.count_if("isKey").alias("keys"),
            F.count_if("isEcho").alias("echoes"),
            F.count_if("isAlias").alias("aliases"),
            F.concat_ws(", ", F.sort_array(F.collect_list("raw"))).alias("raws"),
        )
    )
    one_date, one_key = "dated >= fields - 1", "keys = 1 AND echoes = fields - 1"
    alike = f"spellings = 1 AND types = 1 AND ({one_date} OR {one_key} OR aliases >= fields - 1)"
    twin = Rule(
        f"fields = 1 OR ({alike})",
        "are shared by fields which are forms of neither one date nor one key, nor one renamed field",
        "shared",
    )
    yield Judged(shared, (twin,), unit="names", show=("entity", "table", "name", "raws"), advice=advice)


def containers(paths: Iterable[str]) -> set[str]:
    """Those of these paths below which others lie."""
    known = set(paths)
    above = {path[: place.start()] for path in known for place in _BELOW.finditer(path)}
    return known & above


_BELOW = re.compile(r"\.|\[\]")

_PAGED = frozenset({"sizeParameter", "offsetParameter", "notMeasured"})
"""Constraints of endpoints that page, or may."""


@gate("page_limits_known", needs=lambda _: ("path", "constraint", "value"))
def page_limits_known(candidate: Candidate) -> Judged:
    """For every paged endpoint the largest page and what follows the last one were seen."""
    seen: dict[str, dict[str, str | None]] = {}
    for path, constraint, value in candidate.accepted.select("path", "constraint", "value").collect():
        seen.setdefault(path, {})[constraint] = value
    unmeasured: dict[str, str] = dict(candidate.evidence.get("measuring", {}).get("unmeasured", {}))
    facts = [
        {
            "path": path,
            "largestPageSize": found.get("largestPageSize"),
            "pastTheEnd": found.get("pastTheEnd"),
            "reason": unmeasured.get(path),
        }
        for path, found in sorted(seen.items())
        if _PAGED & found.keys()
    ]
    facts += [{"path": path, "reason": reason} for path, reason in sorted(unmeasured.items()) if path not in seen]
    columns = dict.fromkeys(("path", "largestPageSize", "pastTheEnd", "reason"), DataType.TEXT)
    rule = Rule("largestPageSize IS NOT NULL AND pastTheEnd IS NOT NULL", "have page limits that were not seen")
    advice = "the extraction reads on as far as a page leads to another: rows that the source has beyond that are missing"
    return Judged(candidate.small(columns, facts), (rule,), unit="paged endpoints", show=tuple(columns), advice=advice)


@gate("endpoints_covered", needs=lambda _: ("kind", "name", "disposition", "reason"))
def endpoints_covered(candidate: Candidate) -> Iterator[Judged]:
    """Every endpoint that reads is ingested or excluded with its reason, and every id names an entity that is ingested."""
    advice = "give the source a route to it by an override of its intelligence pack, or exclude it there with a reason"
    rules = (
        Rule("disposition <> 'gap' OR kind NOT IN ('endpoint', 'search')", "are neither ingested nor excluded", "endpoint"),
        Rule(
            "disposition <> 'gap' OR kind <> 'rows'",
            "have, or may have, rows that their route does not give: the reason says which",
            "rows",
        ),
        Rule("disposition <> 'gap' OR kind <> 'reference'", "hold ids of an entity that is not ingested", "reference"),
    )
    show = ("kind", "name", "disposition", "reason")
    yield Judged(candidate.accepted, rules, unit="endpoints and references", show=show, advice=advice)
