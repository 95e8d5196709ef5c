"""Gates of Analyse: totals that people look at are those of the facts, and the model knows every column and measure."""

from __future__ import annotations

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import DataType, Kpi
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


@gate("model_complete", needs=lambda _: ("table", "name"))
def model_complete(candidate: Candidate) -> Judged:
    """The semantic model has every column of the refined tables and every measure: rows with `table` and `name`."""
    promised = [
        {"table": table.table, "name": name}
        for table in candidate.covenant.tables()
        if table.ref.schema in (Stage.REFINE, Stage.ANALYSE) and table.table != candidate.table.table
        for name in (table.build.measures if isinstance(table.build, Kpi) else table.columns)
        if table.ref.schema == Stage.REFINE or isinstance(table.build, Kpi)
    ]
    wanted = candidate.small({"table": DataType.TEXT, "name": DataType.TEXT}, promised)
    there = candidate.accepted.select(F.col("table").alias("_table"), F.col("name").alias("_name")).distinct()
    found = wanted.join(there, (F.col("table") == F.col("_table")) & (F.col("name") == F.col("_name")), "left")
    rule = Rule("_name IS NOT NULL", "are not in the semantic model")
    return Judged(found, (rule,), unit="columns and measures", show=("table", "name"), advice="generate the model again")
