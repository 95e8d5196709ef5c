"""What the makers of Transform, Refine and Analyse share: which rules are followed, and what columns a table has."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, count
from typing import TypeVar

from spectra_assets.covenant.build import Refinement
from spectra_assets.covenant.design import Design
from spectra_assets.covenant.model import Column, Table
from spectra_assets.errors import DocumentError, SpectraError, one_of
from spectra_assets.playbook import rules as written
from spectra_assets.playbook.model import Notice

R = TypeVar("R", bound=written.BaseRule)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(r"'(?:[^'\\]++|\\.)*+('?)", re.DOTALL)


def identifiers(expression: str) -> list[str]:
    """The words of a Spark SQL expression that may be columns; those in quotes are none."""
    return _IDENTIFIER.findall(_LITERAL.sub(lambda found: "" if found[1] else found[0], expression))


def unused(wanted: Sequence[str], taken: Collection[str]) -> str:
    """The first of the `wanted` names that is not `taken`, whatever the case; else the last with the first free number."""
    lower = {name.lower() for name in taken}
    numbered = (f"{wanted[-1]}{number}" for number in count(2))
    return next(name for name in chain(wanted, numbered) if name.lower() not in lower)


def followed(design: Design, kind: type[R], reads: Callable[[R], list[str]]) -> Iterator[R]:
    for rule in design.playbooks.rules(kind, design.facts.source):
        missing = [name for name in reads(rule) if name not in design.tables]
        if missing:
            text = f"the rule {rule.id} is not followed: {one_of(set(missing))} is not made for {design.facts.source}"
            design.notices.append(Notice(text, rule.file, rule.line))
        else:
            yield rule


def demand(design: Design, rule: written.BaseRule, table: str, columns: Iterable[str]) -> None:
    """Raise DocumentError at the rule for a column that `table` does not have."""
    demanded(rule, design.tables[table], columns)


def demanded(rule: written.BaseRule, table: Table, columns: Iterable[str]) -> None:
    """The same for a table that need not be one of the design's as it is."""
    valid = table.columns
    for column in columns:
        if column not in valid:
            raise DocumentError(written.unknown(f"column of {table.table}", column, valid), rule.file, rule.line)


def inherited(column: Column, table: str) -> Column:
    return Column(
        name=column.name,
        type=column.type,
        description=column.description,
        required=False,
        pii=column.pii,
        lineage=[f"{table}.{column.name}"],
    )


def typed(design: Design, table: Table, rules: Sequence[written.BaseRule]) -> list[Column]:
    """The table's columns by a run without rows. Raises DocumentError at the first rule whose expression does not work."""
    try:
        return design.schema_of(table, design.columns())
    except SpectraError as error:
        build = table.build
        if isinstance(build, Refinement):
            for count in range(1, len(build.rules) + 1):
                part = table.model_copy(update={"build": Refinement(rules=build.rules[:count])})
                try:
                    design.schema_of(part, design.columns())
                except SpectraError as first:
                    rule = rules[count - 1]
                    raise DocumentError(f"the rule {rule.id} does not work: {first}", rule.file, rule.line) from None
        place = rules[0] if rules else None
        raise DocumentError(str(error), place.file if place else table.table, place.line if place else None) from None
