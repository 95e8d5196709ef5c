"""Gates of the whole pipeline, judged on `log.manifest`: what was delivered is what the covenant promises."""

from __future__ import annotations

from typing import Any

from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from spectra_assets.covenant.model import DataType, Table
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.names import LOG

_SHOWN = ("table", "runId", "status", "rowsOut", "deltaVersion", "schemaHash", "covenantVersion", "gatesRun")
_DELIVERED = ("published", "unchanged")
_NEEDED = (*_SHOWN, "startedAt", "finishedAt", "error")


def _needs(_: Candidate) -> tuple[str, ...]:
    return _NEEDED


def _promised(candidate: Candidate) -> list[Table]:
    """The covenant's tables but the pipeline's own."""
    return [table for table in candidate.covenant.tables() if table.ref.schema != LOG]


def _latest(candidate: Candidate) -> dict[str, dict[str, Any]]:
    """Table → its newest row in the manifest; of what this run attempted, its own: what others try meanwhile is theirs to tell.

    Of what a replay left alone, the newest that delivered: it takes the tables that stand, whatever was tried since.
    """
    time = (F.coalesce("finishedAt", "startedAt").desc_nulls_last(), F.desc("startedAt"), F.desc("runId"))
    own = F.desc(F.col("runId") == F.lit(candidate.evidence.get("run")))
    stands = (F.desc(F.col("status").isin(*_DELIVERED)),) if candidate.evidence.get("replay") else ()
    order = Window.partitionBy("table").orderBy(own, *stands, *time)
    newest = candidate.accepted.withColumn("_place", F.row_number().over(order)).where("_place = 1")
    rows = newest.select(*_SHOWN, F.substring("error", 1, 200).alias("error")).toArrow()
    return {row["table"]: row for row in rows.to_pylist()}


@gate("lineage_matches_covenant")
def lineage_matches_covenant(candidate: Candidate) -> Judged:
    """Each table was made from exactly the tables that the covenant names."""
    own = f"{LOG}."
    promised = {edge for edge in candidate.covenant.edges() if not edge[1].startswith(own)}
    recorded = {(parent, child) for parent, child in candidate.known("lineage") if not child.startswith(own)}
    facts = [
        {"input": edge[0], "output": edge[1], "inCovenant": edge in promised, "recorded": edge in recorded}
        for edge in sorted(promised | recorded)
    ]
    columns = dict.fromkeys(("input", "output"), DataType.TEXT) | dict.fromkeys(("inCovenant", "recorded"), DataType.BOOL)
    rules = (
        Rule("recorded OR NOT inCovenant", "are promised, but no version was made that way", "unused"),
        Rule("inCovenant OR NOT recorded", "were used, but the covenant does not name them", "undeclared"),
    )
    advice = "materialise the table again; if that does not help, its step reads what it does not declare"
    return Judged(candidate.small(columns, facts), rules, unit="edges", show=tuple(columns), advice=advice)


@gate("all_outputs_exist")
def all_outputs_exist(candidate: Candidate) -> Judged:
    """Every output of the covenant is in the lakehouse."""
    facts = [{"table": table.table, "exists": candidate.lakehouse.exists(table.ref)} for table in _promised(candidate)]
    frame = candidate.small({"table": DataType.TEXT, "exists": DataType.BOOL}, facts)
    advice = "materialise the table; if a gate held it back, look at that gate's result first"
    return Judged(frame, (Rule("`exists`", "are not in the lakehouse"),), unit="tables", show=("table",), advice=advice)


@gate("all_gates_ran", needs=_needs)
def all_gates_ran(candidate: Candidate) -> Judged:
    """Each gate of the covenant has a result for the newest version of its table. Of an attempt that failed before there was
    anything to judge `manifest_complete` tells."""
    latest = _latest(candidate)
    facts = [
        {"table": table.table, "gate": gate.name, "ran": gate.name in (latest.get(table.table, {}).get("gatesRun") or ())}
        for table in _promised(candidate)
        if latest.get(table.table, {}).get("status") != "failed"
        for gate in table.gates
    ]
    frame = candidate.small({"table": DataType.TEXT, "gate": DataType.TEXT, "ran": DataType.BOOL}, facts)
    advice = "materialise the table again: it was written past the pipeline, or a run was killed while recording"
    return Judged(frame, (Rule("ran", "have no result"),), unit="gates", show=("table", "gate"), advice=advice)


@gate("manifest_complete", needs=_needs)
def manifest_complete(candidate: Candidate) -> Judged:
    """The newest attempt at each table delivered it: with run, covenant, rows, Delta version and schema hash."""
    latest = _latest(candidate)
    kinds = {"rowsOut": DataType.INT64, "deltaVersion": DataType.INT64}
    names = ("table", "runId", "status", "rowsOut", "deltaVersion", "schemaHash", "covenantVersion", "error")
    columns = {name: kinds.get(name, DataType.TEXT) for name in names}
    facts = [{**latest.get(table.table, {}), "table": table.table} for table in _promised(candidate)]
    recorded = ("runId", "covenantVersion", "rowsOut", "deltaVersion", "schemaHash")
    filled = " AND ".join(f"{name} IS NOT NULL" for name in recorded)
    rules = (
        Rule("status IS NOT NULL", "were never made", "missing"),
        Rule("status IS NULL OR status IN ('published', 'unchanged')", "were not delivered by their newest attempt", "delivered"),
        Rule(
            f"status IS NULL OR status NOT IN ('published', 'unchanged') OR ({filled})",
            f"lack one of {', '.join(recorded)}",
            "recorded",
        ),
    )
    advice = "materialise the tables again and look at the error that is recorded"
    return Judged(candidate.small(columns, facts), rules, unit="tables", show=names, advice=advice)
