"""The pack after Prepare: what the data proved, so that the next run follows it and guesses nothing again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from spectra_assets.covenant.access import Fetch, NoPaging, PagingStyle
from spectra_assets.intelligence.model import EntityHint, Evidence, Identifier, Pack, Postponed
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.stages.asking.wire import NOT_TRIED

_DEPENDENCIES = TableRef("prepare", "dependencies")
_ENDPOINTS = TableRef("source", "endpoints")
_VIABLE = ("proven", "complete", "partial")
_STYLE: TypeAdapter[PagingStyle] = TypeAdapter(PagingStyle)

_MOST_TRIES = 3
"""Runs that try a postponed entity with the same budget."""

PROVEN = "proven by Prepare"
"""What the finding of such evidence starts with."""

Row = Mapping[str, Any]


def proven(pack: Pack, lakehouse: Lakehouse) -> Pack:
    """The discovered pack, reduced to what `prepare.dependencies` and `source.endpoints` show. Nothing is sent.

    Proven routes come first and refuted ones are left out; identifiers are those that gave rows; the paging styles that were
    proven come first. An entity without a proven route stays as it is: it is a gap, not a refutation.
    """
    if pack.origin != "discovered" or not lakehouse.exists(_DEPENDENCIES):
        return pack
    trials = lakehouse.read(_DEPENDENCIES).to_pylist()
    endpoints = lakehouse.read(_ENDPOINTS).to_pylist() if lakehouse.exists(_ENDPOINTS) else []
    plans = {row["entity"]: Fetch.model_validate_json(row["fetch"]) for row in trials if row["chosen"] and row["fetch"]}
    chosen = {row["entity"]: row for row in trials if row["chosen"]}
    kept = [_entity(hint, plans.get(hint.entity), trials) for hint in pack.entities]
    routes = {path for hint in kept for path in hint.routes}
    dropped = {path: hint.entity for hint in pack.entities for path in hint.routes if path not in routes}
    excluded = dict(pack.excluded) | {path: f"records of {name} come by another route" for path, name in dropped.items()}
    evidence = [each for each in pack.evidence if not each.finding.startswith(PROVEN)]
    evidence += [_evidence(hint.entity, chosen[hint.entity]) for hint in kept if hint.entity in chosen]
    return pack.model_copy(
        update={
            "paging": _paging(pack.paging, plans.values()),
            "entities": kept,
            "identifiers": _identifiers(
                pack.identifiers, plans, trials, endpoints, kept, [waiting.hint.entity for waiting in pack.postponed]
            ),
            "excluded": dict(sorted(excluded.items())),
            "evidence": evidence,
        }
    )


def without(pack: Pack, refuted: Mapping[str, str], budget: int = 0) -> Pack:
    """The discovered pack without the entities that could not be proven (entity → why): their endpoints are gaps.

    Those that only the `budget` of requests left no room for are postponed: nothing speaks against them.
    """
    later = {entity for entity, why in refuted.items() if why.startswith(NOT_TRIED)}
    kept = [hint for hint in pack.entities if hint.entity not in refuted]
    postponed = [
        Postponed(hint=hint.model_copy(update={"tries": hint.tries + 1}), why=refuted[hint.entity][:300], budget=budget)
        for hint in pack.entities
        if hint.entity in later
    ]
    routes = {path for hint in kept for path in hint.routes}
    gaps = [
        Evidence(about=f"GET {path}", finding="gap", evidence=f"{hint.entity}: {refuted[hint.entity]}"[:800], confidence=0.8)
        for hint in pack.entities
        if hint.entity in refuted
        for path in hint.routes
        if path not in routes
    ]
    identifiers = []
    for known in pack.identifiers:
        candidates = [text for text in known.candidates if text.partition(".")[0] not in refuted.keys() - later]
        if candidates:
            identifiers.append(known.model_copy(update={"candidates": candidates}))
    evidence = [each for each in pack.evidence if each.about not in refuted] + gaps
    changes = {"entities": kept, "identifiers": identifiers, "evidence": evidence, "postponed": [*pack.postponed, *postponed]}
    return pack.model_copy(update=changes)


def resumed(pack: Pack, budget: int) -> tuple[Pack, list[str]]:
    """(the pack with the postponed entities among the others again, their names): each a few times, or once the `budget` grew."""
    due = [waiting for waiting in pack.postponed if waiting.hint.tries < _MOST_TRIES or budget > waiting.budget]
    if not due:
        return pack, []
    paths = {f"GET {path}" for waiting in due for path in waiting.hint.routes}
    evidence = [each for each in pack.evidence if not (each.finding == "gap" and each.about in paths)]
    changes = {
        "entities": sorted([*pack.entities, *(waiting.hint for waiting in due)], key=lambda hint: hint.entity),
        "postponed": [waiting for waiting in pack.postponed if waiting not in due],
        "evidence": evidence,
    }
    return pack.model_copy(update=changes), sorted(waiting.hint.entity for waiting in due)


def _entity(hint: EntityHint, plan: Fetch | None, trials: Iterable[Row]) -> EntityHint:
    if plan is None:
        return hint
    viable = [row["path"] for row in trials if row["entity"] == hint.entity and row["verdict"] in _VIABLE]
    routes = list(dict.fromkeys((plan.path, *(path for path in hint.routes if path in viable))))
    return hint.model_copy(
        update={
            "routes": routes,
            "records": plan.records or hint.records,
            "recursive": plan.recursive or hint.recursive,
            "key": plan.primary_key,
            "tries": 0,
        }
    )


def _identifiers(
    known: Sequence[Identifier],
    plans: Mapping[str, Fetch],
    trials: Iterable[Row],
    endpoints: Iterable[Row],
    kept: Iterable[EntityHint],
    later: Iterable[str],
) -> list[Identifier]:
    """Of the routes that are left, what was proven to fill their parameters; of other endpoints, what filled them in Source."""
    routes = {path for hint in kept for path in hint.routes}
    found: dict[tuple[str, str | None], list[str]] = {}
    for plan in plans.values():
        if plan.parent is not None:
            for parameter, (entity, path) in zip(plan.parent.parameters, plan.parent.sources, strict=True):
                if not path.startswith("@"):
                    found[(parameter, plan.path)] = [f"{entity}.{path}"]
    for row in trials:
        shown = row["parameter"] and row["parentEntity"] and row["path"] in routes and row["verdict"] in _VIABLE
        if shown and not row["parentPath"].startswith("@"):
            found.setdefault((row["parameter"], row["path"]), [f"{row['parentEntity']}.{row['parentPath']}"])
    for row in endpoints:
        picks = json.loads(row["probedWith"]) if row["probedWith"] and row["path"] not in routes else {}
        for parameter, pick in picks.items():
            if pick["entity"] in plans and pick["path"]:
                found.setdefault((parameter, row["path"]), [f"{pick['entity']}.{pick['path']}"])
    proven_paths = {path for _, path in found}
    entities = set(plans) | set(later)
    for each in known:
        # what concerns a path without a proof, or one whose parameters the parent's own request fills, stays
        left = [text for text in each.candidates if text.partition(".")[0] in entities] or each.candidates
        if (each.path not in proven_paths or each.path is None) and (each.parameter, each.path) not in found:
            found[(each.parameter, each.path)] = left
        elif each.path in proven_paths:
            found.setdefault((each.parameter, each.path), left)
    return [Identifier(parameter=name, candidates=texts, path=path) for (name, path), texts in found.items()]


def _paging(known: Sequence[PagingStyle], plans: Iterable[Fetch]) -> list[PagingStyle]:
    """The styles that were proven, those of most entities first, then the others that were thought of."""
    used = Counter(plan.paging.model_dump_json() for plan in plans if not isinstance(plan.paging, NoPaging))
    first = [_STYLE.validate_json(text) for text, _ in sorted(used.items(), key=lambda item: (-item[1], item[0]))]
    told = {_named(style) for style in first}
    return [*first, *(style for style in known if _named(style) not in told)]


def _named(style: PagingStyle) -> tuple[Any, ...]:
    """What tells one style from another: its kind and parameters, not its size."""
    return tuple(sorted((name, str(value)) for name, value in style.model_dump().items() if name not in ("size", "first")))


def _evidence(entity: str, row: Row) -> Evidence:
    through = f" by {row['parameter']} from {row['parentEntity']}.{row['parentPath']}" if row["parentEntity"] else ""
    sure = 1.0 if row["verdict"] in ("proven", "complete") else 0.5
    return Evidence(
        about=entity,
        finding=f"{PROVEN}: GET {row['path']}{through} ({row['verdict']})",
        evidence=row["evidence"][:800],
        confidence=sure,
    )
