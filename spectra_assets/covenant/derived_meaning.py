"""Which business meaning is derived for facts: flags of their statuses, whether they are open, how long they lasted.

Values come from the API and become part of expressions. Only those of letters, digits, blanks and `_-.:/` do, so that there is
nothing to escape; the others get no flag, and still are rows of the status's distribution.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from spectra_assets.covenant.amounts import amounts, currency, line_amount
from spectra_assets.covenant.build import Fact
from spectra_assets.covenant.derive import Deriving
from spectra_assets.covenant.model import DataType, Table
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.star import surrogate_of
from spectra_assets.covenant.traits import USABLE, done, event_time, going, is_status, last_words, span, statuses
from spectra_assets.names import Stage, pascal
from spectra_assets.playbook import rules as written

MOST_VALUES = 8
"""A status with more values gets no flags."""

OPEN = "isOpen"
"""Column that says whether a row still goes on: by its end and its status; null where a status tells neither."""

LINE_AMOUNT = "lineAmount"
"""Column of what a row comes to: its quantity times its unit price."""

_PLANNED = frozenset(("end", "ends", "finish"))
"""Words of an end that need not have come; `ended` and `closed` have."""

LASTED = ("durationHours", "durationDays")

_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9 _.:/-]{0,59}")


def quoted(name: str) -> str:
    """A column as expressions name it. Raises ValueError for a name that no rule may refer to."""
    if not USABLE.fullmatch(name):
        raise ValueError(f"{name!r} can't be part of an expression: valid are letters, digits and underscores")
    return f"`{name}`"


def literal(value: str) -> str | None:
    """A text as an expression holds it; None for one with characters that could be read as anything else than text."""
    return f"'{value}'" if _VALUE.fullmatch(value) else None


def derived_meaning(deriving: Deriving) -> Iterator[written.BaseRule]:
    """Rules for the refined facts of this source, written ones included, as long as no rule makes a column of that name."""
    for table in list(deriving.design.tables.values()):
        node = deriving.nodes.get(table.inputs[0].partition(".")[2]) if table.inputs else None
        if isinstance(table.build, Fact) and node is not None:
            yield from _Meaning(deriving, table, node).rules()


class _Meaning:
    def __init__(self, deriving: Deriving, table: Table, node: Node) -> None:
        self.deriving = deriving
        self.table = table
        self.node = node
        self.name = table.ref.table
        self.taken = {name.lower() for name in table.columns}
        made = [rule.column for rule in deriving.documented(written.DeriveRule) if rule.table == self.name]
        made += [name for rule in deriving.documented(written.EnrichRule) if rule.table == self.name for name in rule.columns]
        self.taken.update(name.lower() for name in made)

    def rules(self) -> Iterator[written.BaseRule]:
        when = owners_time(self.deriving, self.table)
        around = f"the {self.node.owner} around" if self.node.owner else f"its {when[2].entity}" if when else ""
        yield from self._brought(when, f"When {around} happened.")
        if line_amount(self.node) or any(amount.money for amount in amounts(self.node)):
            yield from self._brought(owners_currency(self.deriving, self.table), f"The currency of the {self.node.owner} around.")
        between = span(self.node)
        between = between if between and set(between) <= self.table.columns.keys() else None
        states = [column for column in statuses(self.node) if is_status(self.node, column)]
        telling = next((column for column in states if self._tells(column)), None)
        ends = between[1] if between and not self._planned(between[1]) else None
        yield from self._open(telling, ends)
        for column in [column for column in states if self._few(column)][:1]:
            yield from self._flags(column)
        if between is not None:
            yield from self._lasting(*between)
        yield from self._line_amount()

    def _planned(self, end: str) -> bool:
        """Whether an end is when something is to end (a class `endsAt`), and not when it did: all rows have one."""
        return self.node.fields[end].filled == 1 and bool(_PLANNED & set(last_words(self.node, end)))

    def _few(self, status: str) -> bool:
        """Whether the fact has the column, as text with few values."""
        column = self.table.columns.get(status)
        return column is not None and column.type == DataType.TEXT and len(self.node.fields[status].values) <= MOST_VALUES

    def _free(self, column: str) -> bool:
        """Whether the column may be made: no other has its name, and no rule leaves it out."""
        if column.lower() in self.taken or self.deriving.omits(f"{self.name}.{column}"):
            return False
        self.taken.add(column.lower())
        return True

    def _derived(self, column: str, expression: str, description: str) -> Iterator[written.BaseRule]:
        if self._free(column):
            yield from self.deriving.rule(
                written.DeriveRule,
                f"{self.name}.{column}",
                table=self.name,
                column=column,
                expression=expression,
                description=description,
            )

    def _flags(self, status: str) -> Iterator[written.BaseRule]:
        """`is<Value>` for each value of a status; `is<Status>Open` for the value `open`: `isOpen` says more."""
        for value in self.node.fields[status].values:
            text = literal(value)
            if text is not None:
                expression = f"coalesce({quoted(status)} = {text}, false)"
                name = f"is{pascal(value)}"
                name = f"is{pascal(status)}{pascal(value)}" if name == OPEN else name
                yield from self._derived(name, expression, f"Whether {status} is {value}.")

    def _tells(self, status: str) -> bool:
        """Whether some of a status's values say that a row goes on, and some that it is over."""
        return all(self._saying(status, says) for says in (going, done))

    def _saying(self, status: str, says: Callable[[str], bool]) -> list[str]:
        """Values of a status, as expressions hold them, that say so."""
        column = self.table.columns.get(status)
        known = self.node.fields[status].values if column is not None and column.type == DataType.TEXT else ()
        return [text for value in known if says(value) and (text := literal(value))]

    def _open(self, status: str | None, end: str | None) -> Iterator[written.BaseRule]:
        """Whether it still goes on: by its end, and by what a status says that tells it.

        A value that says neither, be it one that comes later, makes the row neither open nor closed.
        """
        if status is not None:
            goes, over = (self._saying(status, says) for says in (going, done))
            ended = f"WHEN {quoted(end)} IS NOT NULL THEN false WHEN {quoted(status)} IS NULL THEN true " if end else ""
            goes_on, is_over = (f"WHEN {quoted(status)} IN ({', '.join(each)})" for each in (goes, over))
            about = f"Open: {status} is one of {', '.join(goes)}{f', and {end} has no value' if end else ''}. "
            about += f"Not: it is one of {', '.join(over)}{f', or {end} has a value' if end else ''}. Neither: null."
            yield from self._derived(OPEN, f"CASE {ended}{goes_on} THEN true {is_over} THEN false END", about[:1000])
        elif end is not None:
            yield from self._derived(OPEN, f"{quoted(end)} IS NULL", f"Whether {end} has no value yet.")

    def _lasting(self, start: str, end: str) -> Iterator[written.BaseRule]:
        """How long it lasted."""
        exact = all(self.table.columns[name].type == DataType.TIMESTAMP for name in (start, end))
        if exact:
            micros = f"unix_micros({quoted(end)}) - unix_micros({quoted(start)})"
            hours = f"round(({micros}) / 3600000000.0D, 2)"
            yield from self._derived(LASTED[0], hours, f"Hours from {start} to {end}.")
        else:
            days = f"datediff(to_date({quoted(end)}), to_date({quoted(start)}))"
            yield from self._derived(LASTED[1], days, f"Days from {start} to {end}.")

    def _line_amount(self) -> Iterator[written.BaseRule]:
        found = line_amount(self.node)
        if found is not None and set(found[:2]) <= self.table.columns.keys():
            quantity, price, _ = found
            product = f"try_cast({quoted(quantity)} AS decimal(15,3)) * try_cast({quoted(price)} AS decimal(20,6))"
            yield from self._derived(LINE_AMOUNT, f"try_cast({product} AS decimal(38,9))", f"{quantity} times {price}.")

    def _brought(self, found: tuple[str, str, Table] | None, about: str) -> Iterator[written.BaseRule]:
        """A column of the record around, for the rows of a nested list that have none of their own."""
        if found is None or not self._free(found[1]):
            return
        reference, column, dimension = found
        yield from self.deriving.rule(
            written.EnrichRule,
            f"{self.name}.{column}",
            table=self.name,
            **{"from": dimension.table},
            on={reference: surrogate_of(dimension)},
            columns={column: quoted(column)},
            description=about,
        )


def owners_time(deriving: Deriving, table: Table) -> tuple[str, str, Table] | None:
    """(reference, column, dimension) that give a fact without a time that of the record it is nested in, or of the event that
    it refers to: a line's time is that of its order."""
    if not isinstance(table.build, Fact) or table.build.event_time is not None:
        return None
    return _of_owner(deriving, table, event_time)


def owners_currency(deriving: Deriving, table: Table) -> tuple[str, str, Table] | None:
    """The same for the currency of its money: of an order's lines that of the order, where orders have several."""
    node = deriving.nodes.get(table.inputs[0].partition(".")[2])
    return _of_owner(deriving, table, currency) if node is not None and currency(node) is None else None


def _of_owner(deriving: Deriving, table: Table, choose: Callable[[Node], str | None]) -> tuple[str, str, Table] | None:
    node = deriving.nodes.get(table.inputs[0].partition(".")[2])
    if node is None or not isinstance(table.build, Fact):
        return None
    made = deriving.design.tables
    happened = {each.inputs[0] for each in made.values() if isinstance(each.build, Fact) and each.build.event_time}
    for reference in table.build.references:
        dimension = made.get(f"{Stage.TRANSFORM}.{reference.dimension}")
        place = dimension.inputs[0] if dimension is not None and dimension.inputs else ""
        belongs = place == f"{Stage.CLEAN}.{node.owner}" if node.owner else not reference.via and place in happened
        owner = deriving.nodes.get(place.partition(".")[2]) if belongs and place != table.inputs[0] else None
        column = choose(owner) if owner is not None else None
        if dimension is not None and column in dimension.columns:
            return reference.name, str(column), dimension
    return None
