"""Gates of Analyse: totals that people look at are those of the facts, and the model knows every column and measure."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import Bridge, Covenant, DataType, Fact, Kpi
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.names import Stage

TOLERANCE = 1e-9
"""Relative difference of two sums of floating-point numbers that come only from the order of adding."""


@gate("totals_reconcile", kinds=("kpi",))
def totals_reconcile(candidate: Candidate) -> Judged:
    """The measure's total equals the fact's: exactly for whole numbers, to a billionth for others. No rows count as 0."""
    build = candidate.table.build
    if not isinstance(build, Kpi):
        raise SpectraError(f"{candidate.table.table} is no measure")
    reconcile = build.reconcile
    here = candidate.accepted.agg(F.expr(reconcile.expression).alias("total"))
    there = candidate.frame(reconcile.table).agg(F.expr(reconcile.equals).alias("expected"))
    both = here.crossJoin(there)
    kinds = {field.dataType.simpleString() for field in both.schema.fields}
    total, expected = "coalesce(total, 0)", "coalesce(expected, 0)"
    good = f"{total} = {expected}"
    if kinds & {"double", "float"}:
        total, expected = "coalesce(double(total), double(0))", "coalesce(double(expected), double(0))"
        difference, infinity = f"abs({total} - {expected})", "double('Infinity')"
        # engines order NaN above everything, so that a comparison with it may hold: demand finite numbers first
        good = (
            f"abs({total}) < {infinity} AND abs({expected}) < {infinity} AND "
            f"{difference} <= {TOLERANCE} * greatest(abs({total}), abs({expected}))"
        )
    problem = f"differ: {reconcile.expression} of {candidate.table.table} is not {reconcile.equals} of {reconcile.table}"
    advice = "a join of the measure multiplies or loses rows, or its filter is not the fact's"
    return Judged(both, (Rule(good, problem),), unit="totals", advice=advice)


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
