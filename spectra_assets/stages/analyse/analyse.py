"""Analyse: the measures people look at, their charts, and the semantic model that describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Join, Kpi
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.stages.analyse.chart import MOST_ROWS, draw
from spectra_assets.stages.analyse.semantics import described
from spectra_assets.stages.frames import build_of, col, drafted, finished
from spectra_assets.stages.refusal import refused
from spectra_assets.stages.work import Draft, Work, action

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CHART = "chart"
"""Key of `Draft.notes` under which a chart stands, as SVG text."""


@action("analyse.measure", "kpi")
def measure(draft: Draft, work: Work) -> None:
    """The measure by its rule: join, filter, calculate, group, calculate again, keep, order. Without groups one row, without
    measures either the groups alone or the rows as they are."""
    build = build_of(work, Kpi)
    draft.rows_in = work.count(build.table)
    frame = finished(_measured(work, build), work, "analyse.measure")
    try:
        frame.schema  # noqa: B018  (the engine looks at the expressions only when asked)
    except PySparkException as error:
        raise SpectraError(f"the measure {build.rule} does not work: {refused(error, _known(work, build))}") from error
    draft.frame, draft.ordered = frame, bool(build.order_by)


def _known(work: Work, build: Kpi) -> list[str]:
    """The columns that a measure's expressions may name."""
    joined = [name for join in build.joins for name in join.columns]
    return [*work.frame(build.table).columns, *joined, *build.before, *build.measures, *build.after]


@action("analyse.draw_chart", "kpi", shapes=False)
def draw_chart(draft: Draft, work: Work) -> None:
    """The chart that the measure's rule asks for, of its first rows in order, as SVG in the draft's notes."""
    build = build_of(work, Kpi)
    frame = drafted(draft, work, ("analyse.measure",))
    if build.chart is not None:
        wanted = list(dict.fromkeys([build.chart.x, *build.chart.y]))
        absent = [name for name in wanted if name not in frame.columns]
        if absent:
            raise SpectraError(f"the chart of {work.table.table} shows {', '.join(absent)}, which the measure does not have")
        few = frame.limit(min(build.chart.top, MOST_ROWS)).select(*(col(name) for name in wanted))
        draft.notes[CHART] = draw(build.chart, few.toArrow().to_pylist())
    draft.frame = finished(frame, work, "analyse.draw_chart")


@action("analyse.describe_model", "fixed")
def describe_model(draft: Draft, work: Work) -> None:
    """The semantic model as rows: the refined tables, their columns, how they relate, and the measures."""
    draft.rows = described(work.covenant)


def _measured(work: Work, build: Kpi) -> DataFrame:
    frame = work.frame(build.table)
    for number, join in enumerate(build.joins):
        frame = _joined(frame, work, join, number)
    if build.where:
        frame = frame.where(F.expr(build.where))
    for name, expression in build.before.items():
        frame = frame.withColumn(name, F.expr(expression))
    groups = [col(name) for name in build.group_by]
    if build.measures:
        frame = frame.groupBy(*groups).agg(*(F.expr(text).alias(name) for name, text in build.measures.items()))
    elif groups:
        frame = frame.select(*groups).distinct()
    for name, expression in build.after.items():
        frame = frame.withColumn(name, F.expr(expression))
    if build.keep:
        frame = frame.where(F.expr(build.keep))
    ordered = frame.orderBy(*(_order(text) for text in build.order_by)) if build.order_by else frame
    declared = [name for name in work.table.columns if name in frame.columns]
    return ordered.select(*(col(name) for name in declared)) if declared else ordered


def _joined(frame: DataFrame, work: Work, join: Join, number: int) -> DataFrame:
    """The frame with the other table's columns where the `on` columns are equal; a column that it has already, whatever its case,
    is replaced."""
    theirs = [col(name).alias(f"_on_{number}_{place}") for place, name in enumerate(join.on.values())]
    brought = {name: f"_new_{number}_{place}" for place, name in enumerate(join.columns)}
    other = work.frame(join.table).select(*theirs, *(col(name).alias(alias) for name, alias in brought.items()))
    matches = all_of(col(mine) == F.col(f"_on_{number}_{place}") for place, mine in enumerate(join.on))
    replaced = {name.lower() for name in brought}
    kept = [name for name in frame.columns if name.lower() not in replaced]
    return frame.join(other, matches, "left").select(
        *(col(name) for name in kept), *(F.col(alias).alias(name) for name, alias in brought.items())
    )


def _order(text: str) -> Column:
    """`expression [ASC | DESC] [NULLS FIRST | LAST]`; without a word smallest first, nulls last."""
    said, way, nulls_first = text, "", False
    match said.rsplit(maxsplit=2):
        case [before, nulls, place] if nulls.upper() == "NULLS" and place.upper() in ("FIRST", "LAST"):
            said, nulls_first = before, place.upper() == "FIRST"
    match said.rsplit(maxsplit=1):
        case [before, word] if word.upper() in ("ASC", "DESC"):
            said, way = before, word.upper()
    by = F.expr(said)
    if way == "DESC":
        return by.desc_nulls_first() if nulls_first else by.desc_nulls_last()
    return by.asc_nulls_first() if nulls_first else by.asc_nulls_last()
