"""Lists that are refused without a parameter they did without before: a person may have them asked for once per parent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.paths import split_path
from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.plans import promised_plan, promised_plan_of
from spectra_assets.learning.remedy.registry import SOURCE, carried, remedies_for, rule
from spectra_assets.learning.remedy.renames import plain_paths
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.sampling import Asked

_PARENTS = 3
"""Parents whose records must be those of before; two of them must have some."""

_NAMES, _ENTITIES = 3, 8
"""Parameters that a refusal names, and entities whose ids may fill one, that are tried."""

_WORD = re.compile(r"[A-Za-z_$][\w$.\-\[\]]{0,79}")


@remedies_for(
    Cause.PAGE_LIMIT, Cause.UNREACHABLE_ENTITY, Cause.UNPROVEN_DEPENDENCY, Cause.ENDPOINT_BROKEN, Cause.INCOMPLETE_EXTRACT
)
def by_parent(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The parameter that the refusal names, filled with the ids of the entity that the records themselves refer to by it."""
    plan = promised_plan(gap, facts)
    if plan is None or plan.parent is not None or facts.explorer is None:
        return
    refused = facts.explorer.listing(Asked(plan.path, query=tuple(plan.query.items())))
    before = facts.before(plan.entity)
    if refused.category != "needsParameters" or not before:
        return
    for name in _named(refused.failure, before, plan, facts):
        for field in _called(name, before):
            for entity, key, ids in _referred(plan, field, before, facts):
                if _is_as_before(Asked(plan.path, query=tuple(plan.query.items())), name, ids, field, before, plan, facts):
                    values = {"path": plan.path, "parameter": name, "parent": f"{entity}.{key}"}
                    why = (
                        f"GET {plan.path} is refused without {name}, and asked with the {key} of {entity} it lists the records "
                        f"of before, of each its own"
                    )
                    needs = (
                        f"the list is then read by {len(ids):,} requests, one for each {entity}, and what belongs to none "
                        "is in no list. Once it is approved, say the sentence again: the covenant gets the new route"
                    )
                    where = {"source": gap.source, "entity": plan.entity}
                    yield rule(RemedyKind.CHOOSE_ROUTE, SOURCE, "route", where, values, why, needs)
                    return


def _named(text: str, before: Sequence[Record], plan: Fetch, facts: Facts) -> list[str]:
    """The words of a refusal that are a parameter of the list, or a field of its records."""
    try:
        known = set(facts.pack.endpoint(plan.path).query)
    except KeyError:
        known = set()
    known |= {split_path(path)[-1] for record in before[:_PARENTS] for path in plain_paths(record)}
    words = dict.fromkeys(_WORD.findall(text))
    return [word for word in words if word in known and carried(word)][:_NAMES]


def _called(name: str, before: Sequence[Record]) -> list[str]:
    """The fields of the records that are called as the parameter."""
    paths = dict.fromkeys(path for record in before[:_PARENTS] for path in plain_paths(record))
    return [path for path in paths if split_path(path)[-1] == name]


def _referred(plan: Fetch, field: str, before: Sequence[Record], facts: Facts) -> Iterator[tuple[str, str, list[str]]]:
    """(entity, path of its key, ids that have records) whose keys are all that the records hold in the field."""
    each = [[value for value in values_at(record, field) if value not in (None, "")] for record in before]
    held = dict.fromkeys(str(value) for values in each for value in values)
    if not all(each):
        return  # what refers to nobody would be in no list
    others = [table.entity for table in facts.in_force.tables() if table.ref.schema == "extract" and table.entity]
    for entity in [each for each in dict.fromkeys(others) if each != plan.entity][:_ENTITIES]:
        known = promised_plan_of(entity, facts)
        if known is None:
            continue
        keys = {str(value) for record in facts.published(entity) for value in values_at(record, known.primary_key)}
        if held and held.keys() <= keys and carried(known.primary_key):
            yield entity, known.primary_key, list(held)


def _is_as_before(
    asked: Asked, name: str, ids: Sequence[str], field: str, before: Sequence[Record], plan: Fetch, facts: Facts
) -> bool:
    """Whether the lists asked for with some of the ids hold records, and no others than those that had the id before."""
    assert facts.explorer is not None  # noqa: S101  (the caller's condition)
    mine: Mapping[str, set[str]] = {each: set() for each in ids}
    for record in before:
        for value in values_at(record, field):
            mine.get(str(value), set()).add(_key(record, plan))
    full = 0
    for each in ids[:_PARENTS]:
        try:
            rows = facts.explorer.listing(Asked(asked.path, ((name, each),), asked.query)).records
        except SpectraError:
            return False
        now = {_key(record, plan) for record in rows}
        if not now or not now <= mine[each]:
            return False
        full += 1
    return full > 1  # one could be all that the server gives to anybody


def _key(record: Record, plan: Fetch) -> str:
    return str(next(values_at(record, plan.primary_key), ""))
