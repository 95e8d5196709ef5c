"""Which figures are derived: how many rows and how much, over time, by status, by the members with most, and how old the open is.

Few, for a person to look at. Whatever a figure joins or leaves out, its counts and sums are reconciled with its fact's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, zip_longest

from spectra_assets.covenant.amounts import NUMBERS, Amount, amounts, line_amount
from spectra_assets.covenant.build import Bridge, Dimension, Fact, Reference
from spectra_assets.covenant.derive import Deriving
from spectra_assets.covenant.derived_figure import Figures
from spectra_assets.covenant.derived_meaning import LASTED, LINE_AMOUNT, OPEN, owners_currency, owners_time, quoted
from spectra_assets.covenant.events import nested_counts
from spectra_assets.covenant.model import DataType, Table
from spectra_assets.covenant.outriggers import outriggers
from spectra_assets.covenant.star import surrogate_of
from spectra_assets.covenant.traits import changed_time, event_time, flags, is_status, span, statuses
from spectra_assets.names import Stage, pascal
from spectra_assets.playbook import rules as written

MOST_STATUSES = 2
MOST_DIMENSIONS = 4
MOST_BRIDGES = 2
"""Figures of one fact by status, by dimension, and by what bridges join it with."""

MOST_OUTRIGGERS = 2
"""Figures of a dimension by others that it refers to."""

MOST_FLAGS = 2
"""Truth values of a fact whose rates are shown."""

MOST_AMOUNTS = 3
MOST_DIMENSIONS_OF_AN_AMOUNT = 2
"""Amounts in one figure, and dimensions by which the main one is shown; of what an order's lines come to by all."""

MOST_FIGURES = 120
"""Figures of a source: of many facts each has its volume before any has its second status."""


def derived_measures(deriving: Deriving) -> Iterator[written.BaseRule]:
    """Figures of every refined fact; of the other dimensions' current members by their state, and all of theirs if no fact is
    an event of its own."""
    taken = {rule.name for rule in deriving.documented(written.KpiRule)} | {"semanticModel"}
    tables = list(deriving.design.tables.values())
    facts = [table for table in tables if isinstance(table.build, Fact)]
    members = [table for table in tables if isinstance(table.build, Dimension)]
    nested = all(table.inputs[0] != f"{Stage.CLEAN}.{table.entity}" for table in facts)
    happened = {table.inputs[0] for table in facts}
    wanted = [*facts, *(table for table in members if nested or table.inputs[0] not in happened)]
    figures = [one for table in wanted if (one := _figures(deriving, table, taken)) is not None]
    of_members = _of_dimension if nested else _by_state
    rounds = zip_longest(*(_of_fact(one) if isinstance(one.table.build, Fact) else of_members(one) for one in figures))
    yield from islice((rule for found in rounds for rule in found if rule is not None), MOST_FIGURES)


def _figures(deriving: Deriving, table: Table, taken: set[str]) -> Figures | None:
    node = deriving.nodes.get(table.inputs[0].partition(".")[2])
    refined = deriving.design.tables.get(f"{Stage.REFINE}.{table.ref.table}")
    return Figures(deriving, table, node, refined, taken) if node is not None and refined is not None else None


def _of_fact(figures: Figures) -> Iterator[written.BaseRule]:
    """Of each kind the most telling first: many facts share the figures of a source."""
    build = figures.table.build
    if not isinstance(build, Fact):
        return
    brought = owners_time(figures.deriving, figures.table)
    time = build.event_time or (brought[1] if brought else None)
    time = time if time in figures.refined.columns else None
    found = _amounts(figures)
    plain = [amount for amount in found if not amount.per]
    others = _others(figures, build)
    listed = nested_counts(figures.node)
    if time is not None and not listed:
        yield from figures.by_month(time, None, plain)
    elif not listed and not others:
        yield from figures.volume(None)
    for status in _statuses(figures):
        yield from figures.by_status(status, None, plain)
    if listed:  # of a record's tags that is all a person looks at
        return
    if found and time is not None:
        told = [name for name in figures.node.key if name != time]
        snapshot = found[0].adds == "atOneTime" and time in figures.node.key and bool(told)
        yield from figures.standing_by_month(found[0], time, told) if snapshot else figures.amount_by_month(found[0], time)
    for reference in others[:1]:
        yield from figures.by_member(reference)
    lines = bool(found) and found[0].column == LINE_AMOUNT
    for reference in others[: MOST_DIMENSIONS if lines else MOST_DIMENSIONS_OF_AN_AMOUNT] if found else ():
        yield from figures.amount_by_member(found[0], reference)
    for flag in _flags(figures):
        yield from figures.rate_by_month(flag, time) if time is not None else ()
        for reference in others[:1]:
            yield from figures.rate_by_member(flag, reference)
    for reference in others[1:MOST_DIMENSIONS]:
        yield from figures.by_member(reference)
    yield from _bridged(figures, build, plain)
    if time is not None:
        yield from _over_life(figures, time)


def _of_dimension(figures: Figures) -> Iterator[written.BaseRule]:
    """Of a source without events: how many members there are, by their states and by what they refer to."""
    now = _current(figures)
    time = event_time(figures.node)
    plain = [amount for amount in _amounts(figures) if not amount.per]
    if time is not None and time in figures.refined.columns:
        yield from figures.by_month(time, now, plain)
    else:
        yield from figures.volume(now)
    for status in _statuses(figures):
        yield from figures.by_status(status, now, plain)
    yield from _outlying(figures)


def _outlying(figures: Figures) -> Iterator[written.BaseRule]:
    """A dimension's current members by those of others that they refer to, events aside."""
    made = figures.deriving.design.tables.values()
    happened = {table.inputs[0] for table in made if isinstance(table.build, Fact)}
    found = (each for each in outriggers(figures.table, made) if each.dimension.inputs[0] not in happened)
    for outrigger in islice(found, MOST_OUTRIGGERS):
        yield from figures.by_member(outrigger, _current(figures))


def _by_state(figures: Figures) -> Iterator[written.BaseRule]:
    """How the current members of a dimension are distributed over its state, and over what they refer to."""
    states = [name for name in statuses(figures.node) if is_status(figures.node, name) and name in figures.refined.columns]
    for status in states[:1]:
        yield from figures.by_status(status, _current(figures), [])
    yield from _outlying(figures)


def _current(figures: Figures) -> str:
    return f"`isCurrent` AND {quoted(surrogate_of(figures.table))} <> -1"


def _flags(figures: Figures) -> list[str]:
    """Truth values that the rows have themselves, but for the mark of deleted ones: a rate tells how often they are true."""
    there, mark = figures.refined.columns, figures.node.entity.fetch.deleted
    found = [n for n in flags(figures.node) if mark is None or mark.path not in figures.node.table.columns[n].source]
    return [name for name in found if name in there and there[name].type == DataType.BOOL][:MOST_FLAGS]


def _statuses(figures: Figures) -> list[str]:
    return [name for name in statuses(figures.node) if name in figures.refined.columns][:MOST_STATUSES]


def _amounts(figures: Figures) -> list[Amount]:
    """Those whose columns, and those of their currencies, the refined table has as it should."""
    there, line = figures.refined.columns, line_amount(figures.node)
    known = [*([Amount(LINE_AMOUNT, "all", per=line[2], money=True)] if line else []), *amounts(figures.node)]
    brought = owners_currency(figures.deriving, figures.table)
    if brought is not None and brought[1] in there:
        known = [replace(each, per=each.per or brought[1]) if each.money else each for each in known]
    found = [each for each in known if each.column in there and there[each.column].type in NUMBERS]
    return [each for each in found if each.per is None or each.per in there][:MOST_AMOUNTS]


def _others(figures: Figures, build: Fact) -> list[Reference]:
    """References to what the rows belong to: to things before those to events, the nearest first; none to the row's own member,
    to the same record in another list, to the record around it, nor to what is the same in every row seen."""
    own, around, fields = _own(figures, build), _around(figures), figures.node.fields
    constant = {name for name, item in fields.items() if len(item.values) == 1}
    others = [each for each in build.references if each is not own and (each.via or each.column not in {around, *constant})]
    others = [each for each in others if pascal(each.name.removesuffix("Key")) != pascal(figures.noun)]
    made = figures.deriving.design.tables
    happened = {table.inputs[0] for table in made.values() if isinstance(table.build, Fact)}
    events = {each.name for each in others if made[f"{Stage.TRANSFORM}.{each.dimension}"].inputs[0] in happened}
    return sorted(others, key=lambda reference: (reference.name in events, bool(reference.via)))


def _around(figures: Figures) -> str | None:
    """The column with the key of the record that a nested table's rows lie in."""
    return figures.node.owned_by.columns[0][0] if figures.node.owned_by else None


def _own(figures: Figures, build: Fact) -> Reference | None:
    """The reference to the row's own member: the fact is made from the same Clean table as the dimension."""
    made = figures.deriving.design.tables
    same = (r for r in build.references if not r.via and r.version == "latest")
    return next((r for r in same if made[f"{Stage.TRANSFORM}.{r.dimension}"].inputs[:1] == figures.table.inputs[:1]), None)


def _bridged(figures: Figures, build: Fact, plain: list[Amount]) -> Iterator[written.BaseRule]:
    own = _own(figures, build)
    if own is None:
        return
    ways = []
    for bridge in figures.deriving.design.tables.values():
        references = bridge.build.references if isinstance(bridge.build, Bridge) else []
        mine = next((each for each in references if each.dimension == own.dimension), None)
        if mine is not None:
            ways += [(bridge, mine.name, other) for other in references if other is not mine]
    for bridge, key, other in ways[:MOST_BRIDGES]:
        yield from figures.through_bridge(bridge, key, own.name, other, plain[:1])


def _over_life(figures: Figures, time: str) -> Iterator[written.BaseRule]:
    """How long it takes from the beginning to the end, and how old what has not ended is."""
    columns = figures.refined.columns
    lasted = next((name for name in LASTED if name in columns and columns[name].type in NUMBERS), None)
    if lasted is not None and span(figures.node) is not None:
        yield from figures.amount_by_month(Amount(lasted, "never"), time)
    if OPEN in columns and OPEN not in figures.table.columns:
        changed = changed_time(figures.node)
        yield from figures.by_age(OPEN, time, [changed] if changed in columns else [])
