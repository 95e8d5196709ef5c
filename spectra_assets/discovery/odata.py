"""OData: what its `$metadata` tells of the lists below the base URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spectra_assets.discovery.route import Route
from spectra_assets.discovery.scout import Look, Scout, joined, segments
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.edmx import EntitySet, entity_sets
from spectra_assets.intelligence.model import EntityHint, Evidence

_CONTEXTS = ("@odata.context", "odata.metadata", "@context")
_METADATA = "$metadata"


def model_of(scout: Scout, looks: Iterable[Look], evidence: list[Evidence]) -> dict[str, EntitySet]:
    """Path of each list → what the API's `$metadata` tells of it; none if no answer names such a document, or it is none."""
    place = next((place for look in looks if (place := _named_by(scout, look))), None)
    if place is None:
        return {}
    body, why, _ = scout.document(scout.base + place)
    try:
        sets = entity_sets(body, place) if body else []
    except DocumentError as error:
        why = str(error)
        sets = []
    told = f"{len(sets)} entity sets" if sets else f"it tells none: {why}"
    evidence.append(
        Evidence(about="catalogue", finding=f"GET {place}: {told}"[:300], evidence="answers name it as their context")
    )
    above = joined(segments(place)[:-1]).rstrip("/")
    return {f"{above}/{each.name}": each for each in sets}


def completed(hint: EntityHint, model: Mapping[str, EntitySet], entities: Mapping[str, str]) -> EntityHint:
    """The hint with what the model tells of its records. `entities`: path → entity."""
    told = next((model[path] for path in hint.routes if path in model), None)
    if told is None:
        return hint
    homes = {each.name: entities[path] for path, each in model.items() if path in entities}
    described = {own: f"{homes[home]}.{theirs}" for own, (home, theirs) in told.references.items() if home in homes}
    return hint.model_copy(
        update={
            "key": hint.key or (told.key[0] if len(told.key) == 1 else None),
            "fields": hint.fields or list(told.fields),
            "described": {**described, **hint.described},
        }
    )


def unnamed(model: Mapping[str, EntitySet], known: Iterable[str]) -> list[Route]:
    """The lists of the model that nothing else named."""
    there = set(known)
    return [Route(path, f"{_METADATA} has the entity set {each.name!r}") for path, each in model.items() if path not in there]


def _named_by(scout: Scout, look: Look) -> str | None:
    """Path of the document that an answer names as its context."""
    value = look.sight.value
    for key in _CONTEXTS if isinstance(value, dict) else ():
        context = value.get(key)
        if isinstance(context, str) and context.partition("#")[0].endswith(_METADATA):
            target = scout.local(context.partition("#")[0], f"{look.path.rstrip('/')}/")
            if target is not None:
                return target[0]
    return None
