"""Found against truth: entities, edges, rows, types. Matching goes by routes and rows, so that any sensible name will do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.paths import split_path
from tests.conformance.pipeline import Found, plain
from tests.conformance.servers.truth import Edge, Entity, Truth


@dataclass
class Share:
    """Right ones, of those found and of those that are."""

    right: int = 0
    found: int = 0
    hit: int = 0
    true: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.hit / self.true if self.true else 1.0

    def __add__(self, other: Share) -> Share:
        return Share(self.right + other.right, self.found + other.found, self.hit + other.hit, self.true + other.true)

    def __str__(self) -> str:
        return f"{self.right}/{self.found} · {self.hit}/{self.true}" if self.found or self.true else "–"


@dataclass
class Score:
    """How well one server was understood. `faults` says each thing that is wrong, in words."""

    server: str
    entities: Share = field(default_factory=Share)
    edges: Share = field(default_factory=Share)
    references: Share = field(default_factory=Share)
    rows: Share = field(default_factory=Share)
    types: Share = field(default_factory=Share)
    findings: Share = field(default_factory=Share)
    faults: list[str] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0


def score(server: str, base_path: str, truth: Truth, found: Found) -> Score:
    """Compare; nothing is raised."""
    made = Score(server, requests=found.requests, seconds=found.seconds)
    if found.crash:
        made.faults.append(f"crash: {found.crash.strip().splitlines()[-1][:300]}")
    if not truth.silent:
        made.faults += [f"problem: {problem[:400]}" for problem in found.problems]
    matched = _matched(truth, base_path, found)
    names = {entity.entity: name for name, entity in matched.items()}
    _entities(made, truth, found, matched)
    for entity in truth.entities:
        _rows(made, entity, matched.get(entity.name), found)
        _types(made, entity, matched.get(entity.name), found)
    _edges(made, truth, found, names)
    _references(made, truth, found, names)
    _findings(made, truth, found)
    if found.requests > truth.most_requests:
        made.faults.append(f"{found.requests} requests, {truth.most_requests} are enough")
    return made


def _matched(truth: Truth, base_path: str, found: Found) -> dict[str, CanonEntity]:
    """Truth's name → the canon's entity which has one of its routes, the one with the most of its rows."""
    matched: dict[str, CanonEntity] = {}
    of_others = {plain(route, "") for entity in truth.entities for route in entity.routes}
    for entity in truth.entities:
        routes = {plain(route, "") for route in entity.routes}
        near = [e for e in found.canon.entities if plain(e.fetch.path, base_path) in routes]
        if not near:  # by a route that gives too little it is still that entity: found, with rows missing
            others = [e for e in found.canon.entities if plain(e.fetch.path, base_path) not in of_others]
            near = [e for e in others if _landed(entity, found.records.get(e.entity, []))]
        if near:
            matched[entity.name] = max(near, key=lambda e: len(_landed(entity, found.records.get(e.entity, []))))
    return matched


def _entities(made: Score, truth: Truth, found: Found, matched: Mapping[str, CanonEntity]) -> None:
    made.entities = Share(len(matched), len(found.canon.entities), len(matched), len(truth.entities))
    made.faults += [
        f"entity {entity.name} ({entity.routes[0]}) is not found" for entity in truth.entities if entity.name not in matched
    ]
    known = {entity.entity for entity in matched.values()}
    extra = [f"{e.entity} (GET {e.fetch.path})" for e in found.canon.entities if e.entity not in known]
    if extra:
        made.faults.append(f"extra entities: {', '.join(extra)}")


def _landed(entity: Entity, records: Iterable[Mapping[str, Any]]) -> set[str]:
    true = {str(_at(row, entity.identity)) for row in entity.rows}
    return true & {str(_at(record, entity.identity)) for record in records}


def _rows(made: Score, entity: Entity, known: CanonEntity | None, found: Found) -> None:
    true = len(entity.rows)
    name = known.entity if known else ""
    landed = len(_landed(entity, found.records.get(name, [])))
    clean = len(found.clean.get(name, []))
    made.rows += Share(min(landed, clean), max(landed, clean), min(landed, clean), true)
    if known is None:
        return
    if landed < true:
        made.faults.append(f"{entity.name}: {landed} of {true} rows landed by {_plan(known.fetch)}")
    if clean != true:
        made.faults.append(
            f"{entity.name}: clean.{name} has {clean} rows of {true} (key {known.primary_key}, {known.fetch.key_scope})"
        )
    if entity.keys and (
        known.primary_key not in entity.keys or (known.fetch.key_scope == "parent") != (entity.scope == "parent")
    ):
        own = known.primary_key == entity.identity
        if not own:
            made.faults.append(
                f"{entity.name}: primary key {known.primary_key} ({known.fetch.key_scope}), true are {', '.join(entity.keys)}"
            )


def _types(made: Score, entity: Entity, known: CanonEntity | None, found: Found) -> None:
    fields = {item.raw: item for item in known.fields} if known else {}
    for raw, kinds in entity.types.items():
        item = fields.get(raw)
        right = item is not None and item.type in kinds
        made.types += Share(right, item is not None, right, 1)
        if known and not right:
            made.faults.append(f"{entity.name}.{raw} is {item.type if item else 'missing'}, it is {' or '.join(kinds)}")
    for raw in entity.personal:
        item = fields.get(raw)
        right = item is not None and item.pii != "none"
        made.types += Share(right, item is not None, right, 1)
        if known and not right:
            made.faults.append(f"{entity.name}.{raw} is personal, and not marked")
    if known is None:
        return
    identity = fields.get(entity.identity)
    rows = {str(row.get(identity.target)): row for row in found.clean.get(known.entity, [])} if identity else {}
    for (value, raw), true in entity.values.items():
        item = fields.get(raw)
        cell = rows.get(str(value), {}).get(item.target) if item else None
        right = item is not None and _same(cell, true)
        made.types += Share(right, item is not None, right, 1)
        if not right:
            made.faults.append(f"{entity.name} {value}: {raw} is {cell!r}, it is {true!r}")


def _edges(made: Score, truth: Truth, found: Found, names: Mapping[str, str]) -> None:
    hit: set[tuple[str, str]] = set()
    for row in found.dependencies:
        if row["parentEntity"] is None or not (row["chosen"] or row["verdict"] == "proven"):
            continue
        if not {row["entity"], row["parentEntity"]} & names.keys():
            continue  # between entities that no truth knows: told as extra ones
        parameters = _parameters(row)
        parent, child = (names.get(row[key], f"?{row[key]}") for key in ("parentEntity", "entity"))
        right = any(_fits(edge, parent, child, parameters) for edge in truth.edges)
        made.edges.found += 1
        made.edges.right += right
        if not right:
            made.faults.append(f"edge {parent} → {child} by {parameters} (GET {row['path']}, {row['verdict']}) is not true")
        elif row["chosen"]:
            hit.add((parent, child))
    for edge in (edge for edge in truth.edges if edge.needed):
        made.edges.true += 1
        made.edges.hit += (edge.parent, edge.child) in hit
        if (edge.parent, edge.child) not in hit:
            made.faults.append(f"edge {edge.parent} → {edge.child} is not found")


def _parameters(row: Mapping[str, Any]) -> dict[str, str]:
    """Parameter → path into the parent, of all that the parent fills."""
    if row["fetch"]:
        parent = Fetch.model_validate_json(row["fetch"]).parent
        if parent is not None:
            return {parent.parameter: parent.path} | {fill.parameter: fill.path for fill in parent.also}
    return dict(zip(row["parameter"].split(", "), row["parentPath"].split(", "), strict=True))


def _fits(edge: Edge, parent: str, child: str, parameters: Mapping[str, str]) -> bool:
    ways = edge.parameters
    return (edge.parent, edge.child) == (parent, child) and all(
        path in ways.get(name, ways.get("*", ())) for name, path in parameters.items()
    )


def _references(made: Score, truth: Truth, found: Found, names: Mapping[str, str]) -> None:
    true = {(each.child, each.field, each.parent): each.needed for each in truth.references}
    seen: set[tuple[str, str, str]] = set()
    for entity in found.canon.entities:
        for item in entity.fields:
            if not item.references or entity.entity not in names or (item.group != entity.entity and "[]" not in item.raw):
                continue  # a child table's columns of its own record say nothing new
            parent = item.references.split(".", 1)[0]
            reference = (names[entity.entity], item.raw, names.get(parent, f"?{parent}"))
            seen.add(reference)
            # the column that Extract adds to a child: what its rows were asked for with
            added = item.raw.startswith("@") and (reference[2], reference[0]) in {
                (edge.parent, edge.child) for edge in truth.edges
            }
            made.references.found += 1
            made.references.right += reference in true or added
            if reference not in true and not added:
                made.faults.append(f"reference {reference[0]}.{reference[1]} → {reference[2]} is not true")
    for reference, needed in true.items():
        if needed:
            made.references.true += 1
            made.references.hit += reference in seen
            if reference not in seen:
                made.faults.append(f"reference {reference[0]}.{reference[1]} → {reference[2]} is not found")


def _findings(made: Score, truth: Truth, found: Found) -> None:
    for pattern in truth.findings:
        told = re.search(pattern, found.evidence) is not None
        made.findings += Share(told, told, told, 1)
        if not told:
            made.faults.append(f"nothing says {pattern}")


def _plan(fetch: Fetch) -> str:
    parent = f" for {fetch.parent.entity}.{fetch.parent.path}" if fetch.parent else ""
    paging = fetch.paging.model_dump(exclude_none=True)
    return f"GET {fetch.path} {fetch.query or ''}{parent}, records at {fetch.records!r}, paging {paging}"


def _at(record: Any, path: str) -> Any:
    for key in split_path(path):
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def _same(cell: Any, true: Any) -> bool:
    if isinstance(true, datetime):
        return isinstance(cell, datetime) and cell.replace(tzinfo=None) == true.replace(tzinfo=None)
    if isinstance(true, date):
        return cell == true or (isinstance(cell, datetime) and (cell.date(), cell.hour, cell.minute) == (true, 0, 0))
    if isinstance(true, float):
        return isinstance(cell, float | int | Decimal) and float(cell) == true
    return bool(cell == true) and isinstance(cell, bool) == isinstance(true, bool)


_HEAD = "| server | entities | edges P·R | references P·R | rows | types | findings | requests | s | faults |\n|---|---|---|---|---|---|---|---|---|---|"


def report(scores: Iterable[Score]) -> str:
    """A Markdown table, one line per server, and what is wrong below it."""
    scores = list(scores)
    lines = [_HEAD, *(_line(each) for each in scores)]
    total = Score(f"**all {len(scores)}**")
    for each in scores:
        for name in ("entities", "edges", "references", "rows", "types", "findings"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
        total.requests += each.requests
        total.seconds += each.seconds
        total.faults += each.faults
    lines.append(_line(total))
    lines.append("")
    lines.append(
        f"Edges: precision {total.edges.precision:.3f}, recall {total.edges.recall:.3f}; references: precision "
        f"{total.references.precision:.3f}, recall {total.references.recall:.3f}; rows: {total.rows.hit} of {total.rows.true}; "
        f"types: {total.types.hit} of {total.types.true}."
    )
    for each in scores:
        lines += [f"- {each.server}: {fault}" for fault in each.faults]
    return "\n".join(lines)


def _line(each: Score) -> str:
    counts = (f"{share.hit}/{share.true}" if share.true else "–" for share in (each.rows, each.types, each.findings))
    entities = f"{each.entities.hit}/{each.entities.true}" + (
        f" +{each.entities.found - each.entities.right}" if each.entities.found > each.entities.right else ""
    )
    cells = [
        each.server,
        entities,
        str(each.edges),
        str(each.references),
        *counts,
        str(each.requests),
        f"{each.seconds:.1f}",
        str(len(each.faults)),
    ]
    return f"| {' | '.join(cells)} |"
