"""Foreign keys by inclusion: whose ids a field's values are, as the samples show, and which ids belong to no entity known.

Small numbers are included in nearly every set of ids, so that inclusion alone proves nothing for them: the name must agree,
or no other entity come into question. Long numbers and texts prove it by themselves, whatever the field is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import TREE_PARENT, join_path, split_path
from spectra_assets.names import singular, words
from spectra_assets.stages.asking.addresses import fits, form_of, pieces_of
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.dangling import dangles, known_otherwise
from spectra_assets.stages.prepare.fields.idnames import PERSONS, ROLES, UP_WORDS, is_count, is_idlike, names_party, stem_of
from spectra_assets.stages.prepare.fields.keys import Keys
from spectra_assets.stages.prepare.fields.targets import NUMBER, TELLING, Target, targets

INCLUDED = 0.95
"""Share of a field's different values that must be ids of the entity; the others are orphans."""

_ENOUGH = 3
"""Different values below which inclusion says nothing without a name."""

_MANY = 5
_SAME = 10
"""Records of which all have one value, from which that is no accident."""

_MOSTLY = 0.8
"""Share of the values that must be ids where the name agrees, of persons or of what the field is named like."""

_COVERED = 0.5
"""Share that does where the name agrees and the ids are such that none is met by chance.

Without a name, small numbers are ids of the only entity they fit if they are so many and so great a part of its ids."""

_CHANCE, _SMALL_CHANCE = 1e-3, 1e-6
"""How likely it may be that numbers meet ids by chance: of a field named like an id, of any other."""

_SPARSE = 0.2
"""Share of ids among all numbers of their range, up to which meeting them proves something."""

_SURE = 20
"""Different ids that outweigh names which are not the same."""

_MOST_VALUES = 1_000
_LONGEST_ID = 200
_NOBODY = frozenset(("0", "-1", ""))
"""Special values that are no ids."""

_STEM, _PLURALS = 5, frozenset(("en", "n", "e", "i", "x", "es", "os", "as"))


Agreement = Literal["named", "role", "none"]


@dataclass(frozen=True)
class _Fit:
    target: Target
    hits: int
    inclusion: float
    agreement: Agreement

    @property
    def proven(self) -> bool:
        return self.inclusion >= INCLUDED


def referenced(
    canon: Mapping[str, CanonEntity],
    samples: Mapping[str, Sequence[Record]],
    keys: Mapping[str, Keys],
    proven: Mapping[str, Mapping[str, str]],
    declared: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    before: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    described: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> tuple[dict[str, CanonEntity], dict[str, dict[str, str]]]:
    """The canon with its references, and per entity the fields whose ids belong to no entity known (raw path → what they name).

    `proven` are references that the proof of dependencies has shown: entity → raw path → `entity.path`; `declared` those that a
    person told, "" for a field that refers to nothing; `before` those that Prepare found the last time: they stay as long as most
    values still have a member, as those that have none are orphans, of which a gate tells; `described` those that the API's
    description tells, on the same condition.
    """
    known = targets(canon, keys)
    result: dict[str, CanonEntity] = {}
    dangling: dict[str, dict[str, str]] = {}
    for name, entity in canon.items():
        fields = []
        for field in entity.fields:
            told = declared.get(name, {}).get(field.raw)
            if told == "":
                fields.append(field.model_copy(update={"references": None}))
                continue
            shown = told or field.references or proven.get(name, {}).get(field.raw) or _structural(entity, field)
            if shown:
                fields.append(field.model_copy(update={"references": shown, "values": ()}))
                continue
            said = described.get(name, {}).get(field.raw)
            changes = _kept(entity, field, said, samples.get(name, ()), known, "as the description says") if said else None
            lost = ""
            if changes is None:
                changes, lost = _judged(entity, field, samples, known)
            if changes is None and (stood := before.get(name, {}).get(field.raw)):
                changes = _kept(entity, field, stood, samples.get(name, ()), known, "as nearly all were before")
            if lost and changes is None:
                dangling.setdefault(name, {})[field.raw] = lost
                changes = {"unresolved": lost[:80]}
            fields.append(field.model_copy(update=changes) if changes else field)
        entity = entity.model_copy(update={"fields": tuple(fields)})
        for raw in list(known_otherwise(entity, list(dangling.get(name, ())))):
            del dangling[name][raw]
            fields = [field.model_copy(update={"unresolved": ""}) if field.raw == raw else field for field in fields]
        result[name] = entity.model_copy(update={"fields": tuple(fields)})
    return result, {name: lost for name, lost in dangling.items() if lost}


def _structural(entity: CanonEntity, field: CanonField) -> str | None:
    """What a field refers to because of where it comes from."""
    return f"{entity.entity}.{entity.primary_key}" if field.raw == TREE_PARENT else None


def _judged(
    entity: CanonEntity, field: CanonField, samples: Mapping[str, Sequence[Record]], known: Sequence[Target]
) -> tuple[dict[str, Any] | None, str]:
    """(what changes in the field, name of the entity that its ids seem to belong to and that is not known)."""
    records = samples.get(entity.entity, ())
    plain = field.type in (DataType.INT64, DataType.TEXT, DataType.DECIMAL) and field.structure == "scalar"
    if not plain or field.evidence == "spec" or field.raw.startswith("@") or is_count(field.raw):
        return None, ""
    of_pairs = field.raw == entity.primary_key and entity.fetch.key_scope == "parent" and not stem_of(field.raw)
    said = entity.entity if of_pairs else stem_of(field.raw)  # the `id` of an app's users is that of the user
    idlike = is_idlike(field.raw)
    values = _values(records, field.raw)
    party = names_party(field.raw)
    if not values or not (said or idlike):
        return None, ""
    own = any(target.entity == entity.entity and target.path == field.raw for target in known)
    place = None if own else _addressed(values, known)
    if place is not None:
        note = f"addresses as those of {place.entity}, {len(values & place.values)} of {len(values)} among those known"
        told = "; ".join(filter(None, (field.note, note)))[:300]
        return {"references": f"{place.entity}.{place.path}", "values": (), "note": told}, ""
    named = [target for target in known if said and _agreement(said, target, entity.entity) == "named"]
    if field.raw == entity.primary_key or field.key:
        known = named = [target for target in named if target.entity != entity.entity]
    elif _repeats_own_key(entity, field, records):
        return None, ""
    fits = [fit for target in known if (fit := _fit(values, said, target, entity, field)) is not None]
    sure = {fit.target for fit in fits if fit.agreement == "named" or _tells_all(fit, party)}
    fits = [fit for fit in fits if fit.target in sure or not _contradicted(field, fit.target, records, samples)]
    named_whole = [target.whole for target in named]
    best = _best(fits, values, idlike, party, None if not named else all(named_whole))
    if best is not None and of_pairs and not _telling(best, values, idlike):
        return None, ""  # numbers that are counted below each parent
    if best is not None:
        reference = f"{best.target.entity}.{best.target.path}"
        extent = "all" if best.target.whole else f"{len(best.target.values)} sampled"
        note = f"{best.hits} of {len(values)} different values are ids of {best.target.entity} ({extent})"
        if named and not any(target.entity == best.target.entity for target in named):
            note += f", none the less named like {named[0].entity}"
        note += f"; reference {_sureness(best, len(values)):.2f}"
        only = tuple(values) if len(values) == 1 and len(records) >= _SAME else ()  # figures by it would say nothing
        return {"references": reference, "values": only, "note": "; ".join(filter(None, (field.note, note)))[:300]}, ""
    one_person = any(fit.proven and fit.agreement == "role" for fit in fits)  # proves nothing, and is known
    return None, "" if named or one_person or of_pairs or not dangles(entity, field, said, records) else said


def _addressed(values: Iterable[str], known: Iterable[Target]) -> Target | None:
    """The only entity of whose addresses all values have the form; None if they are none, or could be those of several."""
    parts = [pieces_of(value) for value in values]
    if not parts or not all(parts):
        return None
    forms = [(target, form_of(target.values)) for target in known if "[]" not in target.path]
    fitting = [target for target, form in forms if form and all(fits(each, form) for each in parts)]
    nearest = {target.entity: target for target in sorted(fitting, key=lambda each: (each.main, each.path))}
    return next(iter(nearest.values())) if len(nearest) == 1 else None


def _kept(
    entity: CanonEntity, field: CanonField, stood: str, records: Sequence[Record], known: Sequence[Target], because: str
) -> dict[str, Any] | None:
    """The reference that was found or told before, if at least half of the values are ids of what it refers to."""
    values = _values(records, field.raw)
    itself = f"{entity.entity}.{field.raw}"
    target = next((each for each in known if f"{each.entity}.{each.path}" == stood != itself), None)
    hits = len(values & target.values) if target is not None else 0
    if not values or hits < _COVERED * len(values):
        return None
    note = f"{hits} of {len(values)} different values are ids of {stood.partition('.')[0]}, {because}"
    return {"references": stood, "values": (), "note": "; ".join(filter(None, (field.note, note)))[:300]}


def _tells_all(fit: _Fit, party: bool) -> bool:
    """Whether a field that says that it tells somebody holds most ids of one entity, and no other: what else it says of them may
    be written otherwise."""
    most = fit.hits >= max(_SURE, _COVERED * len(fit.target.values))
    return fit.inclusion == 1 and most and (party or fit.agreement == "role")


def _contradicted(field: CanonField, target: Target, records: Sequence[Record], samples: Mapping[str, Sequence[Record]]) -> bool:
    """Whether what stands beside the id (`priority: {id: 3, name: High}`) never is what the target's record of this id says."""
    *around, leaf = split_path(field.raw)
    if not around or any(part.endswith("[]") for part in around):
        return False
    theirs = {str(value): record for record in samples.get(target.entity, ()) for value in values_at(record, target.path)}
    alike: list[bool] = []
    for inner in (found for record in records for found in values_at(record, join_path(around))):
        other = theirs.get(str(inner.get(leaf))) if isinstance(inner, dict) else None
        shared = [key for key in inner if key != leaf and key.lower() in TELLING and key in other] if other else []
        alike += [inner[key] == other[key] for key in shared] if other else []
    return len(alike) >= _ENOUGH and not any(alike)


def _values(records: Iterable[Record], raw: str) -> frozenset[str]:
    """The different values that may be ids, at most _MOST_VALUES of them; none if one of them can't be an id."""
    found: set[int | str] = set()
    plain = len(split_path(raw)) == 1 and not raw.endswith("[]")
    key = split_path(raw)[0] if plain else ""
    for record in records:
        for value in (record.get(key),) if plain else values_at(record, raw):
            if value is None:
                continue
            if not isinstance(value, int | str) or isinstance(value, bool) or _is_prose(value):
                return frozenset()
            found.add(value)
            if len(found) >= _MOST_VALUES:
                return _texts(found)
    return _texts(found)


def _is_prose(value: int | str) -> bool:
    return isinstance(value, str) and (len(value) > _LONGEST_ID or " " in value.strip() or "\n" in value)


def _texts(values: Iterable[int | str]) -> frozenset[str]:
    return frozenset(map(str, values)) - _NOBODY


def _telling(fit: _Fit, values: frozenset[str], idlike: bool) -> bool:
    """Whether such values are not met by chance: texts that are no numbers, numbers between which most are no ids."""
    numbers = [int(value) for value in values if NUMBER.fullmatch(value)]
    if len(numbers) < len(values):
        return all(len(value) > 1 for value in values)
    low, high = min(numbers), max(numbers)
    density = sum(low <= number <= high for number in fit.target.numbers) / (high - low + 1)
    return density <= _SPARSE and density ** len(values) <= (_CHANCE if idlike else _SMALL_CHANCE)


def _fit(values: frozenset[str], stem: str, target: Target, entity: CanonEntity, field: CanonField) -> _Fit | None:
    own = target.entity == entity.entity
    if own and target.path == field.raw:
        return None
    agreement = _agreement(stem, target, entity.entity)
    if own and agreement != "named" and not (agreement == "role" and target.main and ROLES & set(_said(stem))):
        return None
    hits = len(values & target.values)
    return _Fit(target, hits, hits / len(values), agreement) if hits else None


def _agreement(stem: str, target: Target, own: str) -> Agreement:
    """Whether a name speaks for a target. `stem` is without the word for id."""
    said = _said(stem)
    if not said:
        return "none"
    if target.entity == own and target.main and UP_WORDS & set(said):
        return "named"
    if target.key and target.entity != own and target.key in ("".join(said), f"{target.entity.lower()}{''.join(said)}"):
        return "named"
    for number in range(len(said)):
        joined = "".join(said[number:])
        if singular(joined) in target.names or any(_plural_of(joined, name) for name in target.names):
            return "named"
    persons = (
        target.people or {singular(word) for word in words(target.entity.lower())} & PERSONS or target.entity.lower() in PERSONS
    )
    return "role" if persons and (ROLES | PERSONS) & set(map(singular, said)) else "none"


def _said(stem: str) -> list[str]:
    return [word.lower() for word in words(stem)]


def _plural_of(stem: str, name: str) -> bool:
    """Whether an entity's name is the stem in a plural that is not English: `qualifikation`, `qualifikationen`."""
    return len(stem) >= _STEM and name.startswith(stem) and name[len(stem) :] in _PLURALS


def _best(fits: Sequence[_Fit], values: frozenset[str], idlike: bool, party: bool, refuted: bool | None) -> _Fit | None:
    """The target that the values prove, if there is one.

    `refuted`: whether all ids are known of the entities that the field is named like, so that it can't be theirs; None if it
    is named like none. `party`: whether its name says that it tells somebody; then many ids of one entity alone prove it.
    """
    proven = [fit for fit in fits if fit.proven]
    for agreement, least in (("named", 1), ("role", 2)):
        agreeing = [fit for fit in proven if fit.agreement == agreement]
        if agreeing and len(values) >= least:
            return min(agreeing, key=_rank)
    telling = [fit for fit in proven if len(values) >= _ENOUGH and _telling(fit, values, idlike)]
    if telling:
        return min(telling, key=_rank)
    # what was deleted or is kept back leaves its ids behind: a gate tells of these orphans
    bereft = [fit for fit in fits if fit.agreement == "named" and fit.target.main and fit.hits >= _MANY]
    bereft = [fit for fit in bereft if fit.inclusion >= (_COVERED if _telling(fit, values, idlike) else _MOSTLY)]
    if bereft:
        return min(bereft, key=_rank)
    # persons who are gone leave their ids behind: that no other entity has more of them makes these nobody else's
    persons = [fit for fit in fits if fit.agreement == "role" and fit.target.main]
    of_roles = [fit for fit in persons if fit.inclusion >= _MOSTLY and fit.hits >= _MANY]
    if of_roles:
        return min(of_roles, key=_rank)
    alone = [fit for fit in fits if not persons and fit.target.main and (fit.proven or _as_far_as_seen(fit, values))]
    if party and len(alone) == 1 and alone[0].hits >= _MANY:
        return alone[0]
    partly = [fit for fit in fits if fit.agreement == "named" and not fit.target.whole and fit.target.main]
    if partly:
        return max(partly, key=lambda fit: fit.inclusion)
    if not proven or not idlike or refuted is False or len(values) < (_ENOUGH if refuted else _MANY):
        return None
    # small numbers: the smallest set they fit into, if it is much smaller than the next one
    ranked = sorted((fit for fit in proven if fit.target.main), key=_rank)
    if not ranked or any(len(fit.target.values) < 2 * len(ranked[0].target.values) for fit in ranked[1:]):
        return None
    first = ranked[0]
    return first if refuted or len(values) >= _COVERED * len(first.target.values) else None


def _as_far_as_seen(fit: _Fit, values: frozenset[str]) -> bool:
    """Whether of ids of which only a part was seen, nearly all numbers among them are met, and at least half of the values."""
    if fit.target.whole or not fit.target.numbers or not all(NUMBER.fullmatch(value) for value in values):
        return False
    low, high = min(fit.target.numbers), max(fit.target.numbers)
    among = sum(low <= int(value) <= high for value in values)
    return fit.hits >= INCLUDED * among and fit.inclusion >= _COVERED


def _rank(fit: _Fit) -> tuple[bool, float, int, str, str]:
    return (not fit.target.main, -fit.inclusion, len(fit.target.values), fit.target.entity, fit.target.path)


def _sureness(fit: _Fit, values: int) -> float:
    """How sure a reference is, 0 to 1: of a part of the ids, by how many of those that could meet did."""
    met = fit.inclusion if fit.proven else (1 + fit.hits / min(values, len(fit.target.values))) / 2
    return met * (1 - 1 / (values + 2)) * (1 if fit.agreement != "none" else 0.8)


def _repeats_own_key(entity: CanonEntity, field: CanonField, records: Sequence[Record]) -> bool:
    """Whether a field is the primary key once more."""
    filled = False
    for record in records:
        held = list(values_at(record, field.raw))
        if held and held != list(values_at(record, entity.primary_key)):
            return False
        filled = filled or bool(held)
    return filled
