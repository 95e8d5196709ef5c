"""Rows that refer to what is not there: their parents may have come while they were read, and are there by now."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.covenant.build import Bridge, Dimension, Fact, Reference
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.plans import listed, promised_plan_of
from spectra_assets.learning.remedy.registry import EXTRACT, remedies_for, rule
from spectra_assets.names import TableRef
from spectra_assets.stages.asking.answers import values_at

_PAGES = 10
"""Pages of the parents' list that are read in search of those that were missing."""


@remedies_for(Cause.ORPHAN, Cause.LATE_PARENT)
def late_parent(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The parents are extracted after those that refer to them, if the API has by now each one that was missing."""
    table = facts.table(gap.full_table)
    build = table.build if table else None
    if table is None or not isinstance(build, Fact | Bridge):
        return
    reference = next((each for each in build.references if each.name == gap.subject and not each.via and not each.also), None)
    child = facts.table(next((name for name in table.inputs if name.startswith("clean.")), ""))
    parent = _parent(reference, facts) if reference else None
    if reference is None or child is None or child.entity is None or parent is None or parent[0] == child.entity:
        return
    entity, key = parent
    missing = _missing(child.table, reference.column, entity, key, facts)
    if not missing or entity in _needed_by(child.entity, facts):
        return
    if not missing <= _now(entity, key, facts):
        return
    why = (
        f"all {len(missing)} values of {reference.column} that no {entity} had are among its ids now: they came while "
        f"{child.entity} was read, so {entity} is read after it"
    )
    where = {"source": gap.source, "entity": entity}
    yield rule(RemedyKind.ORDER_PARENT, EXTRACT, "order", where, {"after": [child.entity]}, why)


def _parent(reference: Reference, facts: Facts) -> tuple[str, str] | None:
    """(entity, column of its Clean table) of the members that a reference finds."""
    dimension = facts.table(f"transform.{reference.dimension}")
    if dimension is None or not isinstance(dimension.build, Dimension) or dimension.build.composed_of:
        return None
    clean = facts.table(next((name for name in dimension.inputs if name.startswith("clean.")), ""))
    return (clean.entity, reference.key or dimension.build.natural_key) if clean and clean.entity else None


def _missing(child: str, column: str, entity: str, key: str, facts: Facts) -> set[str]:
    """Values of the child's column that no row of the entity has, as texts."""
    there = _values(f"clean.{entity}", key, facts)
    return _values(child, column, facts) - there if there else set()


def _values(table: str, column: str, facts: Facts) -> set[str]:
    ref = TableRef.parse(table)
    if not facts.lakehouse.exists(ref):
        return set()
    held = facts.lakehouse.read(ref, [column]).column(0).to_pylist()
    return {str(value) for value in held if value not in (None, "")}


def _needed_by(entity: str, facts: Facts) -> set[str]:
    """What an entity is extracted with: its parents, and theirs."""
    found: set[str] = set()
    waiting = [entity]
    while waiting:
        fetch = promised_plan_of(waiting.pop(), facts)
        new = set(fetch.parent.entities) - found if fetch is not None and fetch.parent is not None else set()
        found |= new
        waiting += new
    return found


def _now(entity: str, key: str, facts: Facts) -> set[str]:
    """The ids that the API lists of an entity at this moment."""
    fetch = promised_plan_of(entity, facts)
    clean = facts.table(f"clean.{entity}")
    column = clean.columns.get(key) if clean else None
    listing = listed(fetch, facts, _PAGES) if fetch is not None and column is not None else None
    if listing is None or column is None:
        return set()
    return {str(value) for record in listing.records for path in column.source for value in values_at(record, path)}
