"""Prepare: how endpoints page, which entity hangs on which, and the canon: every field with its type, name and evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from spectra_assets.covenant.canon import CanonEntity, CanonField, to_row
from spectra_assets.covenant.model import DataType, Fetch, OffsetPaging, Paging, PiiLevel
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.names import TableRef
from spectra_assets.playbook.rules import FieldRule, PiiRule, PrimaryKeyRule, RenameRule, RequiredRule, TypeRule
from spectra_assets.stages.canonise import canonise
from spectra_assets.stages.constraints import Finding, filled, measure
from spectra_assets.stages.dependencies import Prover
from spectra_assets.stages.echoes import echoes
from spectra_assets.stages.evidence import Dependencies, Expected, Measuring
from spectra_assets.stages.naming import named
from spectra_assets.stages.probing import Ids, Wire
from spectra_assets.stages.routes import Trial
from spectra_assets.stages.sampling import Asked, Explorer, keep_sample, read_sample, spread
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Draft, Work, action

CONSTRAINTS_SHARE = 0.12
DEPENDENCIES_SHARE = 0.42
"""Parts of the setting `probe_requests` that the two measuring steps may send; Source has the rest."""

_PAGING: TypeAdapter[Paging] = TypeAdapter(Paging)
_TRIED_IDS = 2
_SURE = 1.0
"""Inclusion from which a field of the child is the reference to its parent."""

_UNAVAILABLE = ("forbidden", "unauthorized", "gone", "notFound", "broken", "notJson", "unreachable")


@action("prepare.measure_constraints")
def measure_constraints(draft: Draft, work: Work) -> None:
    """`prepare.constraints`: per route of an entity how it pages, proven by fetching; per other endpoint why it can't be read.

    Evidence `measuring` (Measuring).
    """
    rows = work.read("source.endpoints").to_pylist()
    wire = Wire(work.client, _budget(work, CONSTRAINTS_SHARE))
    explorer = Explorer(wire, work.pack, {})
    size = int(work.playbooks.setting("page_size", work.covenant.source))
    found: list[dict[str, Any]] = []
    unmeasured: dict[str, str] = {}
    reads = {row["path"]: row for row in rows if row["method"] == "GET"}
    for hint in work.pack.entities:
        for path in hint.routes:
            findings, why = _measured(explorer, hint, reads.get(path, {"category": "notProbed", "path": path}), reads, size)
            found += [_constraint(hint.entity, path, finding) for finding in findings]
            if why:
                unmeasured[path] = why
            work.say(f"{path}: {'; '.join(f'{f.constraint} {f.value}' for f in findings if f.constraint != 'paging')[:160]}")
    known = {row["path"] for row in found}
    for row in reads.values():
        if row["category"] in _UNAVAILABLE and row["path"] not in known:
            finding = Finding("availability", row["category"], row["reason"] or row["category"])
            found.append(_constraint(row["entity"], row["path"], finding))
    draft.rows = table_of("prepare.constraints", found)
    draft.notes["requests"] = wire.sent
    draft.evidence["measuring"] = Measuring(requests=wire.sent, budget=wire.budget, unmeasured=unmeasured)


@action("prepare.prove_dependencies")
def prove_dependencies(draft: Draft, work: Work) -> None:
    """`prepare.dependencies`: one row per candidate route with its verdict, one chosen per entity; samples go to Files.

    Evidence `dependencies` (Dependencies).
    """
    source = work.covenant.source
    wire = Wire(work.client, _budget(work, DEPENDENCIES_SHARE))
    paging, queries = _paging(work)
    prover = Prover(
        Explorer(wire, work.pack, paging),
        work.pack,
        parents=int(work.playbooks.setting("sample_parents", source)),
        records=int(work.playbooks.setting("sample_records", source)),
        queries=queries,
    )
    prover.run()
    for entity, known in prover.known.items():
        keep_sample(work.lakehouse, entity, known.sample)
        work.say(f"{entity}: GET {known.fetch.path}, {len(known.sample)} records sampled")
    draft.rows = table_of("prepare.dependencies", _dependency_rows(prover))
    draft.notes["requests"] = wire.sent
    ignored = [t.candidate for trials in prover.trials.values() for t in trials if t.verdict == "ignored"]
    draft.evidence["dependencies"] = Dependencies(
        order=list(prover.known),
        unproven=prover.unproven,
        edges=[(known.fetch.parent.entity, entity) for entity, known in prover.known.items() if known.fetch.parent],
        ignored=[f"{candidate.entity}?{candidate.parameter}" for candidate in ignored],
        requests=wire.sent,
        budget=wire.budget,
        samples={entity: len(known.sample) for entity, known in prover.known.items()},
    )


@action("prepare.infer_fields")
def infer_fields(draft: Draft, work: Work) -> None:
    """The canon without names, from samples and the pack's field specs; rules of type, required and primary key win.

    An entity that is empty has the fields of the pack alone. Evidence `canon` (list[CanonEntity]), `twins` ({entity: {text
    path: epoch path}}), `echoes` ({entity: [paths]}), `expected` (Expected).
    """
    chosen = {row["entity"]: row for row in work.read("prepare.dependencies").to_pylist() if row["chosen"]}
    endpoints = work.read("source.endpoints").to_pylist()
    hints = {hint.entity: hint for hint in work.pack.entities}
    groups = {entity.lower() for entity in hints}
    canon: dict[str, CanonEntity] = {}
    twins: dict[str, dict[str, str]] = {}
    repeating: dict[str, list[str]] = {}
    for place, row in enumerate(sorted(chosen.values(), key=lambda row: row["entityOrder"])):
        hint = hints[row["entity"]]
        fetch = _ruled_fetch(work, Fetch.model_validate_json(row["fetch"]))
        reference = row["inclusionField"] if _is_reference(row) else None
        sample = read_sample(work.lakehouse, hint.entity) if row["verdict"] != "empty" else []
        entity, pairs = canonise(hint, fetch, place, sample, reference, _key_type(fetch, canon), groups)
        canon[hint.entity] = _ruled_fields(work, entity)
        if pairs:
            twins[hint.entity] = pairs
        if same := echoes(canon[hint.entity], sample):
            repeating[hint.entity] = same
    draft.evidence["twins"] = twins
    draft.evidence["echoes"] = repeating
    draft.evidence["expected"] = _expected(hints.values(), endpoints, canon)
    _keep(draft, list(canon.values()))


@action("prepare.name_fields")
def name_fields(draft: Draft, work: Work) -> None:
    """Give every field its target name; rename rules win. Changes the evidence `canon`."""

    def renamed(entity: str, raw: str) -> str | None:
        rules = work.playbooks.rules(RenameRule, work.covenant.source, entity, raw)
        return rules[-1].target if rules else None

    found = draft.evidence
    _keep(draft, named(found.get("canon", []), found.get("twins", {}), renamed, found.get("echoes", {})))


@action("prepare.mark_personal_data")
def mark_personal_data(draft: Draft, work: Work) -> None:
    """Mark how personal each field is, by rules of kind pii. Changes the evidence `canon`."""

    def marked(entity: str, field: CanonField) -> CanonField:
        rules = work.playbooks.rules(PiiRule, work.covenant.source, entity, field.raw)
        return field.model_copy(update={"pii": PiiLevel(rules[-1].level)}) if rules else field

    canon: list[CanonEntity] = draft.evidence.get("canon", [])
    _keep(draft, [_with(entity, partial(marked, entity.entity)) for entity in canon])


def _budget(work: Work, share: float) -> int:
    return max(1, int(int(work.playbooks.setting("probe_requests", work.covenant.source)) * share))


def _constraint(entity: str | None, path: str, finding: Finding) -> dict[str, Any]:
    return {
        "entity": entity,
        "path": path,
        "constraint": finding.constraint,
        "value": finding.value,
        "evidence": finding.evidence,
        "confidence": finding.confidence,
    }


def _measured(
    explorer: Explorer, hint: EntityHint, row: Mapping[str, Any], reads: Mapping[str, Mapping[str, Any]], size: int
) -> tuple[list[Finding], str]:
    """Findings of one route, and why it could not be measured (empty if it was)."""
    path = row["path"]
    if row["category"] != "readable":
        why = row.get("reason") or row["category"]
        return [Finding("availability", row["category"], why)], f"it can't be read: {why}"
    if explorer.wire.spent:
        return [Finding("notMeasured", None, "the budget of requests is used up", 0.0)], "the budget of requests is used up"
    picks = json.loads(row["probedWith"]) if row["probedWith"] else {}
    asked = Asked(path, filled(picks))
    if row["answerShape"] != "array" and not picks:
        asked = _fullest(explorer, hint, asked, row["queryParameters"], reads)
    # without page parameters of its own, Source's request was the plain one
    sized = {style.size_param for style in explorer.pack.paging} & set(row["queryParameters"])
    rows = row["rowCount"] if not sized else None
    result = measure(explorer, asked, explorer.pack.paging, row["queryParameters"], size, rows)
    return result.findings, result.unmeasured


def _fullest(
    explorer: Explorer, hint: EntityHint, alone: Asked, parameters: Iterable[str], reads: Mapping[str, Mapping[str, Any]]
) -> Asked:
    """The list with the most rows among those that query parameters with known ids give: without any, lists may not page."""
    ids = Ids(explorer.pack)
    endpoint = explorer.pack.endpoint(alone.path)
    tried: list[tuple[int, Asked]] = []
    for name in parameters:
        for entity, _ in explorer.pack.candidates(name):
            _harvest(explorer, ids, entity, reads)
        picks = spread(list(ids.picks(endpoint, name)), _TRIED_IDS)
        lists = [Asked(alone.path, ((name, pick.value),)) for pick in picks]
        tried += [(explorer.one(asked).rows, asked) for asked in lists if not explorer.wire.spent]
    rows, asked = max(tried, key=lambda entry: entry[0], default=(0, alone))
    return asked if rows else alone


def _harvest(explorer: Explorer, ids: Ids, entity: str, reads: Mapping[str, Mapping[str, Any]]) -> None:
    """Read the entity's best route again as Source read it, for its ids."""
    routes = [row for row in reads.values() if row["entity"] == entity and row["category"] == "readable"]
    best = max(routes, key=lambda row: row["rowCount"] or 0, default=None)
    if best is not None:
        asked = Asked(best["path"], filled(json.loads(best["probedWith"]) if best["probedWith"] else {}))
        ids.harvest(entity, best["path"], explorer.listing(asked).records)


def _paging(work: Work) -> tuple[dict[str, Paging], dict[str, dict[str, str]]]:
    """Path → how it pages, and what must be sent along, as `prepare.constraints` has it (else as the pack names it)."""
    paging: dict[str, Paging] = {}
    size = int(work.playbooks.setting("page_size", work.covenant.source))
    for endpoint in work.pack.endpoints:
        style = next(
            (
                s
                for s in work.pack.paging
                if isinstance(s, OffsetPaging) and {s.offset_param, s.size_param} <= set(endpoint.query)
            ),
            None,
        )
        if endpoint.method == "GET" and style is not None:
            paging[endpoint.path] = style.model_copy(update={"size": size})
    facts: dict[str, dict[str, str]] = {}
    if work.lakehouse.exists(TableRef("prepare", "constraints")):
        for row in work.read("prepare.constraints").to_pylist():
            facts.setdefault(row["path"], {})[row["constraint"]] = row["value"]
    queries: dict[str, dict[str, str]] = {}
    for path, found in facts.items():
        if "paging" in found:
            paging[path] = _PAGING.validate_json(found["paging"])
        if found.get("offsetIgnored") == "true" and found.get("largestPageSize") == "0":
            queries[path] = {found["sizeParameter"]: "0"}
    return paging, queries


def _dependency_rows(prover: Prover) -> list[dict[str, Any]]:
    order = {entity: place for place, entity in enumerate(prover.known)}
    rows = []
    for entity, trials in prover.trials.items():
        known = prover.known.get(entity)
        rows += [_dependency(trial, known.fetch if known and known.trial is trial else None, order) for trial in trials]
    return rows


def _dependency(trial: Trial, fetch: Fetch | None, order: Mapping[str, int]) -> dict[str, Any]:
    candidate = trial.candidate
    return {
        "entity": candidate.entity,
        "path": candidate.path,
        "parameter": candidate.parameter,
        "location": candidate.location,
        "parentEntity": candidate.parent[0] if candidate.parent else None,
        "parentPath": candidate.parent[1] if candidate.parent else None,
        "verdict": trial.verdict,
        "chosen": fetch is not None,
        "entityOrder": order[candidate.entity] if fetch else None,
        "parentsTried": len(trial.tried) if candidate.parent else 0,
        "parentsWithRows": len(trial.with_rows) if candidate.parent else 0,
        "rowsSeen": len(trial.all_rows),
        "overlap": trial.overlap,
        "inclusionField": trial.inclusion_field,
        "inclusion": trial.inclusion,
        "requestsPredicted": trial.predicted,
        "evidence": trial.evidence[:2000],
        "fetch": fetch.model_dump_json() if fetch else None,
    }


def _is_reference(row: Mapping[str, Any]) -> bool:
    """Whether the child's own field names the parent of every row."""
    return bool(row["inclusionField"]) and "[]" not in row["inclusionField"] and (row["inclusion"] or 0) >= _SURE


def _key_type(fetch: Fetch, canon: Mapping[str, CanonEntity]) -> DataType | None:
    """Type of the column that holds the ids of the parent."""
    parent = canon.get(fetch.parent.entity) if fetch.parent else None
    if parent is None or fetch.parent is None:
        return None
    path = fetch.parent.path
    return next((field.type for field in parent.fields if field.raw == path), None)


def _expected(hints: Iterable[EntityHint], endpoints: Iterable[Mapping[str, Any]], canon: Iterable[str]) -> Expected:
    """The entities that Source found readable, or Prepare has a route to; of the others why they are not."""
    rows = [row for row in endpoints if row["method"] == "GET" and row["entity"]]
    readable = {row["entity"] for row in rows if row["category"] == "readable"} | set(canon)
    reasons: dict[str, str] = {}
    for hint in hints:
        if hint.entity not in readable:
            why = [row["reason"] or row["category"] for row in rows if row["entity"] == hint.entity]
            reasons[hint.entity] = "; ".join(why)[:300] or "no route is in the catalogue"
    return Expected(entities=[hint.entity for hint in hints if hint.entity in readable], unreadable=reasons)


def _ruled_fetch(work: Work, fetch: Fetch) -> Fetch:
    rules = work.playbooks.rules(PrimaryKeyRule, work.covenant.source, fetch.entity)
    return fetch.model_copy(update={"primary_key": rules[-1].path}) if rules else fetch


def _ruled_fields(work: Work, entity: CanonEntity) -> CanonEntity:
    """The fields with what type and required rules say; the last word is the playbooks'."""

    def ruled(field: CanonField) -> CanonField:
        types = work.playbooks.rules(TypeRule, work.covenant.source, entity.entity, field.raw)
        needs = work.playbooks.rules(RequiredRule, work.covenant.source, entity.entity, field.raw)
        changes: dict[str, Any] = {}
        if types:
            kind = DataType(types[-1].data_type)
            dated = kind in (DataType.TIMESTAMP, DataType.DATE)
            changes |= {
                "type": kind,
                "date_format": field.date_format if dated else None,
                "confidence": 1.0,
                **_origin(types[-1]),
            }
            changes["structure"] = field.structure if kind == DataType.JSON else "scalar"
        if needs:
            changes |= {"required": needs[-1].required, "nullable": not needs[-1].required, **_origin(needs[-1])}
        return field.model_copy(update=changes)

    return _with(entity, ruled)


def _origin(rule: FieldRule) -> dict[str, str]:
    return {"evidence": "lesson" if rule.lesson else "playbook"}


def _with(entity: CanonEntity, change: Callable[[CanonField], CanonField]) -> CanonEntity:
    return entity.model_copy(update={"fields": tuple(change(field) for field in entity.fields)})


def _keep(draft: Draft, canon: list[CanonEntity]) -> None:
    """The canon as evidence for the next step, and as the rows of the table."""
    draft.evidence["canon"] = canon
    draft.rows = schema_table(canon)


def schema_table(canon: Iterable[CanonEntity]) -> pa.Table:
    """`prepare.schema` of a canon: parallel arrays of text, `true` and `false` and numbers as written."""
    rows = [{column: _texts(value) if isinstance(value, list) else value for column, value in to_row(e).items()} for e in canon]
    return table_of("prepare.schema", rows)


def _texts(values: list[Any]) -> list[str | None]:
    return [str(value).lower() if isinstance(value, bool) else None if value is None else str(value) for value in values]
