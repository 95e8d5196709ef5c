"""Gates of Analyse: totals that people look at are those of the facts, and the model knows every column and measure."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Bridge, Fact, Kpi
from spectra_assets.covenant.model import Covenant, DataType
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.names import Stage

TOLERANCE = 1e-9
"""Relative difference of two sums of floating-point numbers that come only from the order of adding."""


@gate("totals_reconcile", kinds=("kpi",))
def totals_reconcile(candidate: Candidate) -> Judged:
    """The measure's totals equal the fact's: exactly for whole numbers, to a billionth for others. No rows count as 0."""
    build = candidate.table.build
    if not isinstance(build, Kpi):
        raise SpectraError(f"{candidate.table.table} is no measure")
    reconcile = build.reconcile
    pairs = [(reconcile.expression, reconcile.equals), *reconcile.also.items()]
    numbered = [("total", "expected"), *((f"total{place}", f"expected{place}") for place in range(2, len(pairs) + 1))]
    here = candidate.accepted.agg(*(F.expr(pair[0]).alias(name) for pair, (name, _) in zip(pairs, numbered, strict=True)))
    there = candidate.frame(reconcile.table).agg(
        *(F.expr(pair[1]).alias(name) for pair, (_, name) in zip(pairs, numbered, strict=True))
    )
    both = here.crossJoin(there)
    kinds = {field.name: field.dataType.simpleString() for field in both.schema.fields}
    rules = []
    for (expression, equals), (total, expected) in zip(pairs, numbered, strict=True):
        problem = f"differ: {expression} of {candidate.table.table} is not {equals} of {reconcile.table}"
        rules.append(Rule(_equal(total, expected, {kinds[total], kinds[expected]}), problem, total))
    advice = "a join of the measure multiplies or loses rows, or its filter is not the fact's"
    return Judged(both, tuple(rules), unit="totals", advice=advice)


def _equal(total: str, expected: str, kinds: set[str]) -> str:
    if not kinds & {"double", "float"}:
        return f"coalesce({total}, 0) = coalesce({expected}, 0)"
    total, expected = (f"coalesce(double({name}), double(0))" for name in (total, expected))
    difference, infinity = f"abs({total} - {expected})", "double('Infinity')"
    # engines order NaN above everything, so that a comparison with it may hold: demand finite numbers first
    return (
        f"abs({total}) < {infinity} AND abs({expected}) < {infinity} AND "
        f"{difference} <= {TOLERANCE} * greatest(abs({total}), abs({expected}))"
    )


_MODEL = ("kind", "table", "name")


@gate("model_complete", needs=lambda _: _MODEL)
def model_complete(candidate: Candidate) -> Judged:
    """The semantic model has every refined table's columns and foreign keys, and every measure."""
    promised = candidate.small(
        dict.fromkeys(_MODEL, DataType.TEXT), (dict(zip(_MODEL, entry, strict=True)) for entry in _promised(candidate.covenant))
    )
    there = candidate.accepted.select(*(F.col(name).alias(f"_{name}") for name in _MODEL)).distinct()
    same = [F.col(name) == F.col(f"_{name}") for name in _MODEL]
    found = promised.join(there, same[0] & same[1] & same[2], "left")
    rule = Rule("_name IS NOT NULL", "are not in the semantic model")
    advice = "the model is older than the covenant: materialise it again"
    return Judged(found, (rule,), unit="columns, relationships and measures", show=_MODEL, advice=advice)


def _promised(covenant: Covenant) -> Iterator[tuple[str, str, str]]:
    """(kind, table, name) of everything the model must tell."""
    made = {table.table: table for table in covenant.tables()}
    for table in made.values():
        if isinstance(table.build, Kpi):
            yield from (("measure", table.table, name) for name in table.build.measures)
        elif table.ref.schema == Stage.REFINE:
            yield from (("column", table.table, name) for name in table.columns)
            base = made.get(table.inputs[0]) if table.inputs else None
            for reference in base.build.references if base and isinstance(base.build, Fact | Bridge) else ():
                if reference.name in table.columns and f"{Stage.REFINE}.{reference.dimension}" in made:
                    yield "relationship", table.table, reference.name
