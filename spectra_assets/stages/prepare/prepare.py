"""Prepare: how endpoints page, which entity hangs on which, and the canon: every field with its type, name and evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import pyarrow as pa

from spectra_assets.client.withheld import how_withheld
from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity, CanonField, to_row
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.covenant.paths import asked_place, split_path
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.playbook.rules import PiiRule, ReadAsRule, RenameRule
from spectra_assets.stages.asking.answers import Record, flattened
from spectra_assets.stages.asking.sampling import Explorer, keep_sample, read_sample
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.evidence import Dependencies, Expected
from spectra_assets.stages.origin import latest
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.completion import completions
from spectra_assets.stages.prepare.fields.dayfirst import settled
from spectra_assets.stages.prepare.fields.declared import check_key, declared_references
from spectra_assets.stages.prepare.fields.echoes import echoes
from spectra_assets.stages.prepare.fields.ends import spanned
from spectra_assets.stages.prepare.fields.epochs import with_epochs
from spectra_assets.stages.prepare.fields.keys import keep_keys, keys_of, read_keys
from spectra_assets.stages.prepare.fields.naming import named
from spectra_assets.stages.prepare.fields.pairs import composed
from spectra_assets.stages.prepare.fields.personal import by_place, by_values, like_secrets, other_spelling, tells_persons
from spectra_assets.stages.prepare.fields.references import referenced
from spectra_assets.stages.prepare.fields.vocabulary import remembered
from spectra_assets.stages.prepare.paging.measuring import (
    DEPENDENCIES_SHARE,
    budget_of,
    endless_lists,
    known_paging,
    lasting,
    untrue_totals,
)
from spectra_assets.stages.prepare.routes.dependencies import Prover
from spectra_assets.stages.prepare.routes.forecast import Forecast, forecast
from spectra_assets.stages.prepare.routes.routes import Trial
from spectra_assets.stages.prepare.standards import fitting
from spectra_assets.stages.rulings import has_ruled_key, names_of, ruled_fetch, ruled_fields, with_aliases
from spectra_assets.stages.source.probing import is_read
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Draft, Work, action

_SURE = 1.0
"""Inclusion from which a field of the child is the reference to its parent."""


@action("prepare.prove_dependencies")
def prove_dependencies(draft: Draft, work: Work) -> None:
    """`prepare.dependencies`: one row per candidate route with its verdict, one chosen per entity; samples go to Files.

    Evidence `dependencies` (Dependencies).
    """
    source = work.covenant.source
    wire = Wire(work.client, budget_of(work, DEPENDENCIES_SHARE))
    paging, queries, located = known_paging(work)
    pack = lasting(work)
    prover = Prover(
        Explorer(wire, pack, paging, located, endless_lists(work).keys()),
        pack,
        parents=int(work.playbooks.setting("sample_parents", source)),
        records=int(work.playbooks.setting("sample_records", source)),
        pairs=int(work.playbooks.setting("parent_pairs", source)),
        queries=queries,
    )
    prover.run()
    untrue = untrue_totals(work)
    emptied = set(_emptied(work, prover))
    for entity, known in prover.known.items():
        if known.fetch.path in untrue:
            known.fetch = known.fetch.model_copy(update={"totals": "notCredible"})
        if entity not in emptied:
            keep_sample(work.lakehouse, entity, known.sample)
            keep_keys(work.lakehouse, entity, keys_of(known.records, known.fetch.primary_key, known.whole))
        work.say(f"{entity}: {known.fetch.told}, {len(known.sample)} records sampled")
    draft.rows = table_of("prepare.dependencies", _dependency_rows(prover))
    ahead = _forecast(work, prover)
    work.say(str(ahead))
    for entity, what in prover.missed.items():
        work.say(f"{entity}: rows that its route does not give: {what}"[:300])
    draft.notes |= {"requests": wire.sent, "predictedRequests": ahead.requests, "predictedSeconds": ahead.seconds}
    ignored = [t.candidate for trials in prover.trials.values() for t in trials if t.verdict == "ignored"]
    draft.evidence["dependencies"] = Dependencies(
        order=list(prover.known),
        unproven=prover.unproven,
        outages={entity: told for entity in prover.unproven if (told := _outage(prover.trials.get(entity, [])))},
        edges=[(known.fetch.parent.entity, entity) for entity, known in prover.known.items() if known.fetch.parent],
        ignored=[f"{candidate.entity}?{candidate.parameter}" for candidate in ignored],
        requests=wire.sent,
        budget=wire.budget,
        samples={entity: len(known.sample) for entity, known in prover.known.items()},
        missed=prover.missed,
        predictedRequests=ahead.requests,
        predictedSeconds=ahead.seconds,
    )


def _found_before(work: Work, promised: Iterable[CanonEntity]) -> dict[str, dict[str, str]]:
    """Entity → raw path → what Prepare found it to refer to the last time, or as it is promised; what a rule calls by another
    name refers to the same."""
    found: dict[str, dict[str, str]] = {}
    for entity in (*promised, *work.entities_before):
        found.setdefault(entity.entity, {}).update({field.raw: field.references for field in entity.fields if field.references})
    for name, told in found.items():
        for called in names_of(work.playbooks, work.covenant.source, name):
            paths = (called.path, *called.also)
            stood = next((told[path] for path in paths if path in told), None)
            told |= dict.fromkeys(paths, stood) if stood else {}
    return found


def _emptied(work: Work, prover: Prover) -> Iterator[str]:
    """Entities whose list is empty now and was not before: what its rows proved then (how it pages, what names the parent, its
    sample) still holds, as nothing speaks against it. Changes their plans and trials to it."""
    ref = work.table.ref
    rows = work.lakehouse.read(ref).to_pylist() if work.lakehouse.exists(ref) else []
    stood = {row["entity"]: row for row in rows if row["chosen"]}
    for entity, known in prover.known.items():
        row, trial = stood.get(entity), known.trial
        if row is None or trial.verdict != "empty" or not read_sample(work.lakehouse, entity):
            continue
        candidate = trial.candidate
        way = (candidate.path, candidate.parent[0] if candidate.parent else None, ", ".join(candidate.parameters) or None)
        if way == (row["path"], row["parentEntity"], row["parameter"]):
            known.fetch = Fetch.model_validate_json(row["fetch"])
            trial.inclusion_field, trial.inclusion = row["inclusionField"], row["inclusion"]
            trial.referenced, trial.overlap = row["referencedPath"], row["overlap"]
            yield entity


def _outage(trials: Iterable[Trial]) -> str:
    """`GET /things: 500: oops`: the first failure of the API itself; empty if there was none."""
    return next((f"GET {trial.candidate.path}: {trial.outage}" for trial in trials if trial.outage), "")


@action("prepare.infer_fields")
def infer_fields(draft: Draft, work: Work) -> None:
    """The canon without names, from samples and the pack's field specs; rules of type, required and primary key win.

    An entity that is empty has the fields that its last records showed, or those of the pack alone. Evidence `canon`
    (list[CanonEntity]), `twins` ({entity: {text path: epoch path}}), `echoes` ({entity: [paths]}), `expected` (Expected),
    `dangling` ({entity: {path: name of an entity that no record is known of}}), `personal` ({entity: {path: PiiLevel}}, by
    values).
    """
    hints = {hint.entity: hint for hint in lasting(work).entities}
    found = work.read("prepare.dependencies").to_pylist()
    hints |= _pairing(found, hints)
    # an entity that a rule leaves out since then still has its rows there
    chosen = {row["entity"]: row for row in found if row["chosen"] and row["entity"] in hints}
    endpoints = work.read("source.endpoints").to_pylist()
    groups = {entity.lower() for entity in hints}
    source = work.covenant.source
    sample_of = cache(partial(read_sample, work.lakehouse))
    sampled = [name for name in chosen if sample_of(name)]
    playbooks, exceptions = fitting(work.playbooks, source, sampled, sample_of)
    for told in exceptions:
        work.say(told)
    canon: dict[str, CanonEntity] = {}
    twins: dict[str, dict[str, str]] = {}
    samples: dict[str, list[Record]] = {}
    proven: dict[str, dict[str, str]] = {}
    for place, row in enumerate(sorted(chosen.values(), key=lambda row: row["entityOrder"])):
        hint = hints[row["entity"]]
        fetch = ruled_fetch(Fetch.model_validate_json(row["fetch"]), playbooks, source)
        reference = row["inclusionField"] if _is_reference(row) else None
        kept = read_sample(work.lakehouse, hint.entity, fetch.primary_key)
        sample = flattened(kept, fetch.recursive)
        called = {path: names.path for names in names_of(playbooks, source, hint.entity) for path in names.also}
        types = _key_types(fetch, canon)
        entity, pairs = canonise(hint, fetch, place, sample, reference, types, groups, _is_shared(row), called)
        entity = entity.model_copy(update={"fields": tuple(field for field in entity.fields if not _is_withheld(work, field))})
        canon[hint.entity], samples[hint.entity] = entity, sample
        if row["verdict"] == "empty":  # there is none now
            canon[hint.entity] = entity.model_copy(update={"sample_size": 0})
        if pairs:
            twins[hint.entity] = pairs
        if reference and fetch.parent and not row["referencedPath"].startswith("@"):
            proven[hint.entity] = {reference: f"{fetch.parent.entity}.{row['referencedPath']}"}
        if fetch.pairs is not None:
            proven[hint.entity] = {fetch.primary_key: f"{fetch.pairs}.{fetch.primary_key}"}
    canon = {name: spanned(with_epochs(entity, samples[name])) for name, entity in settled(canon, samples, twins).items()}
    keys = {
        name: read_keys(work.lakehouse, name) or keys_of(samples[name], entity.primary_key, False)
        for name, entity in canon.items()
        if samples[name]
    }
    for entity in canon.values():
        check_key(entity, playbooks, source)
    declared = declared_references(canon, lasting(work), playbooks)
    described = {name: hint.described for name, hint in hints.items()}
    origin = latest(work.lakehouse)
    promised = {entity.entity: entity for entity in origin.canon.entities} if origin is not None else {}
    before = _found_before(work, promised.values())
    canon, dangling = referenced(canon, samples, keys, proven, declared, before, described)
    ruled = {name for name in canon if has_ruled_key(playbooks, source, name)}
    marked = {name: [spec.raw for spec in hints[name].fields if spec.key] for name in canon}
    canon = {name: entity if name in ruled else composed(entity, samples[name], marked[name]) for name, entity in canon.items()}
    canon = completions(canon, samples, keys)
    canon = {name: ruled_fields(entity, playbooks, source) for name, entity in canon.items()}
    aliases: dict[str, dict[str, str]] = {}
    for name, entity in canon.items():
        canon[name], aliases[name] = with_aliases(entity, playbooks, source, promised.get(name))
        twins[name] = {**twins.get(name, {}), **aliases[name]}
        canon[name] = remembered(canon[name], promised.get(name), samples[name], partial(_read_otherwise, work, name))
    repeating = {name: same for name, entity in canon.items() if (same := echoes(entity, samples[name]))}
    draft.evidence["twins"] = {name: pairs for name, pairs in twins.items() if pairs}
    draft.evidence["aliases"] = {name: list(paths) for name, paths in aliases.items() if paths}
    draft.evidence["echoes"] = repeating
    draft.evidence["dangling"] = dangling
    draft.evidence["personal"] = {name: by_values(entity, samples[name]) for name, entity in canon.items()}
    draft.evidence["secrets"] = {name: like_secrets(entity, samples[name]) for name, entity in canon.items()}
    draft.evidence["expected"] = _expected(hints.values(), endpoints, canon)
    fields = [field for entity in canon.values() for field in entity.fields]
    draft.notes |= {"exceptions": "; ".join(exceptions)[:2000]} if exceptions else {}
    draft.notes["references"] = sum(bool(field.references) for field in fields)
    draft.notes["unlikeDescription"] = sum(field.note.startswith("described as") for field in fields)
    _keep(draft, list(canon.values()))


def _read_otherwise(work: Work, entity: str, field: CanonField) -> dict[str, str | None]:
    """The texts of a field in whose place rules have others read."""
    rules = work.playbooks.rules(ReadAsRule, work.covenant.source, entity, field.raw)
    return {text: other for rule in rules for text, other in rule.values.items()}


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
    """Mark how personal each field is: by rules of kind pii, else by its values, else by whose field it is.

    That a field is a secret a rule for all sources says only of one whose values look like that. Values of an enumeration are
    kept only of fields that are not personal. Changes the evidence `canon`.
    """
    shown: Mapping[str, Mapping[str, PiiLevel]] = draft.evidence.get("personal", {})
    secrets: Mapping[str, Collection[str]] = draft.evidence.get("secrets", {})
    canon: list[CanonEntity] = draft.evidence.get("canon", [])
    people = {entity.entity for entity in canon if tells_persons(entity)}

    def marked(entity: str, field: CanonField) -> CanonField:
        source = work.covenant.source
        rules = work.playbooks.rules(PiiRule, source, entity, field.raw)
        rules = rules or work.playbooks.rules(PiiRule, source, entity, other_spelling(field.raw))
        alike = field.raw in secrets.get(entity, ())
        rules = [rule for rule in rules if alike or rule.level != "secret" or rule.scope.source != "*"]
        level = PiiLevel(rules[-1].level) if rules else shown.get(entity, {}).get(field.raw) or by_place(entity, field, people)
        return field.model_copy(update={"pii": level, "values": field.values if level == PiiLevel.NONE else ()})

    _keep(draft, [_with(entity, partial(marked, entity.entity)) for entity in canon])


def _forecast(work: Work, prover: Prover) -> Forecast:
    """The extraction's requests and time, by the latencies that Source measured and the rate limit known."""
    rows = work.read("source.endpoints").to_pylist()
    measured = {row["path"]: row["latencyMs"] for row in rows if is_read(row) and row["latencyMs"]}
    seen = work.client.seen_limit
    stated = seen.limit / seen.window_seconds if seen and seen.window_seconds else None
    per_second = work.covenant.pipeline.server.requests_per_second or stated
    return forecast(prover.known.values(), measured, work.client.in_flight, per_second)


def _dependency_rows(prover: Prover) -> list[dict[str, Any]]:
    order = {entity: place for place, entity in enumerate(prover.known)}
    rows: list[dict[str, Any]] = []
    for entity, trials in prover.trials.items():
        known = prover.known.get(entity)
        missed = prover.missed.get(entity)
        rows += [_dependency(trial, known.fetch if known and known.trial is trial else None, order, missed) for trial in trials]
    return rows


def _dependency(trial: Trial, fetch: Fetch | None, order: Mapping[str, int], missed: str | None) -> dict[str, Any]:
    candidate = trial.candidate
    return {
        "entity": candidate.entity,
        "path": candidate.path,
        "parameter": ", ".join(candidate.parameters) or None,
        "location": candidate.location,
        "parentEntity": candidate.parent[0] if candidate.parent else None,
        "parentPath": ", ".join(candidate.sources) or None,
        "verdict": trial.verdict,
        "chosen": fetch is not None,
        "entityOrder": order[candidate.entity] if fetch else None,
        "parentsTried": len(trial.tried) if candidate.parent else 0,
        "parentsWithRows": len(trial.with_rows) if candidate.parent else 0,
        "rowsSeen": len(trial.all_rows),
        "overlap": trial.overlap,
        "inclusionField": trial.inclusion_field,
        "inclusion": trial.inclusion,
        "referencedPath": trial.referenced,
        "requestsPredicted": trial.predicted,
        "evidence": trial.evidence[:2000],
        "missed": missed if fetch else None,
        "fetch": fetch.model_dump_json() if fetch else None,
    }


def _pairing(rows: Iterable[Mapping[str, Any]], hints: Collection[str]) -> dict[str, EntityHint]:
    """Entities that only tell which records belong to which parent, of those that are read: no pack has them."""
    plans = [Fetch.model_validate_json(row["fetch"]) for row in rows if row["chosen"]]
    found = [plan for plan in plans if plan.pairs in hints and plan.parent is not None and plan.parent.entity in hints]
    return {plan.entity: EntityHint(entity=plan.entity, routes=[plan.path]) for plan in found}


def _is_reference(row: Mapping[str, Any]) -> bool:
    """Whether the child's own field names the parent of every row."""
    return bool(row["inclusionField"]) and "[]" not in row["inclusionField"] and (row["inclusion"] or 0) >= _SURE


def _is_shared(row: Mapping[str, Any]) -> bool:
    """Whether parents have records in common, and no field of these names every parent."""
    return bool(row["overlap"]) and (row["inclusion"] or 0) < _SURE


def _key_types(fetch: Fetch, canon: Mapping[str, CanonEntity]) -> list[DataType]:
    """Types of the columns that hold what the parent is asked for with, one for each value."""
    return [_key_type(entity, path, canon) for entity, path in fetch.parent.sources] if fetch.parent else []


def _key_type(entity: str, path: str, canon: Mapping[str, CanonEntity]) -> DataType:
    """Type of the value at `path` of an entity's records; of what these were asked for with themselves, that of their parent."""
    parent = canon.get(entity)
    place = asked_place(path)
    above = parent.fetch.parent if parent else None
    if place is not None and above is not None:
        return _key_type(*above.sources[max(0, place)], canon)
    fields = parent.fields if parent and place is None else ()
    return next((field.type for field in fields if field.raw == path), DataType.TEXT)


def _expected(hints: Iterable[EntityHint], endpoints: Iterable[Mapping[str, Any]], canon: Iterable[str]) -> Expected:
    """The entities that Source found readable, or Prepare has a route to; of the others why they are not."""
    rows = [row for row in endpoints if is_read(row) and row["entity"]]
    readable = {row["entity"] for row in rows if row["category"] == "readable"} | set(canon)
    reasons: dict[str, str] = {}
    for hint in hints:
        if hint.entity not in readable:
            why = [row["reason"] or row["category"] for row in rows if row["entity"] == hint.entity]
            reasons[hint.entity] = "; ".join(why)[:300] or "no route is in the catalogue"
    return Expected(entities=[hint.entity for hint in hints if hint.entity in readable], unreadable=reasons)


def _is_withheld(work: Work, field: CanonField) -> bool:
    """Whether no record has the field because a rule takes it away: the description may still tell of it."""
    keys = [key.removesuffix("[]") for key in split_path(field.raw)]
    return how_withheld(keys, work.covenant.pipeline.server.withheld) == "drop"


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
