"""Rows that break a row rule: kept with their reasons in `quarantine.<stage>_<table>`, never dropped.

The table mirrors the current publication: it is replaced each time, and left alone when the same rows are rejected
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.commit import CommitInfo, Published
from spectra_assets.lakehouse.failure import guarded
from spectra_assets.lakehouse.parts import CONTROL, RAW, REASONS
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import QUARANTINE, TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spectra_assets.lakehouse.engine import Engine

VOLATILE = ("quarantinedAt", "runId", "covenantVersion")
"""Columns that differ between runs although the same rows were rejected for the same reasons."""


def table_of(ref: TableRef) -> TableRef:
    """The quarantine of a table: `clean.cycle` → `quarantine.clean_cycle`."""
    return TableRef(QUARANTINE, f"{ref.schema}_{ref.table}")


@dataclass(frozen=True)
class Rejected:
    """One row in quarantine. `digest` tells its raw payload from others; `key` is its recordKey, `reasons` are ids of rules."""

    key: str | None
    reasons: tuple[str, ...]
    digest: bytes


def count(lakehouse: Lakehouse, ref: TableRef) -> int:
    """Rows of `ref` in quarantine, by the log alone."""
    target = table_of(ref)
    return lakehouse.describe(target).rows if lakehouse.exists(target) else 0


def rows(lakehouse: Lakehouse, ref: TableRef) -> Iterator[Rejected]:
    """The rows of `ref` in quarantine; none if there never were any. Raises StorageError."""
    target = table_of(ref)
    if not lakehouse.exists(target):
        return
    for batch in lakehouse.batches(target, ["recordKey", "reasons", "record"]):
        for row in batch.to_pylist():
            text = f"{row['recordKey']}\0{row['record']}"
            yield Rejected(row["recordKey"], tuple(row["reasons"]), blake2b(text.encode(), digest_size=16).digest())


def keys_there(engine: Engine, lakehouse: Lakehouse, ref: TableRef, key: Sequence[str], wanted: Collection[str]) -> set[str]:
    """Those of the `wanted` recordKeys whose row is in the table `ref` as it is published. Raises StorageError."""
    if not key or not wanted or not lakehouse.exists(ref):
        return set()
    with guarded(lakehouse.path(ref), "read"):
        asked = engine.session.createDataFrame(pa.table({"recordKey": pa.array(wanted, pa.string())}))
        there = engine.read(lakehouse.path(ref)).select(_key_text(key).alias("recordKey"))
        return set(asked.join(there, "recordKey", "left_semi").toArrow()["recordKey"].to_pylist())


def _key_text(key: Sequence[str]) -> Column:
    """What a row is known by: the text of its only key column, empty if there is no value; of several columns, a JSON array."""
    texts = [F.col(f"`{name}`").cast("string") for name in key]
    return F.to_json(F.array(*texts)) if len(texts) > 1 else F.coalesce(*texts, F.lit(""))


def keep(
    staging: Staging,
    ref: TableRef,
    rejected: DataFrame,
    key: Sequence[str],
    commit: CommitInfo,
    rules: Iterable[str] = (),
    beside: bool = False,
) -> Published | None:
    """Replace the quarantine of `ref` by the `rejected` rows (as `Staged.rejected()` gives them, with `_reasons`), or put them
    `beside` those that are there.

    Columns: recordKey (text of the `key` column, of several a JSON array of texts), reasons (list of text), record (what the row
    was made from: its `_raw`, else JSON text of the row), quarantinedAt (UTC), runId, covenantVersion. `rules`, the ids of the
    rules applied, go into the commit's metadata. Returns None if there is nothing to keep and never was.
    Raises StorageError.
    """
    absent = [name for name in (REASONS, *key) if name not in rejected.columns]
    if absent:
        raise StorageError(f"rejected rows of {ref} lack {', '.join(absent)}; they have {', '.join(rejected.columns)}")
    data = [name for name in rejected.columns if name not in CONTROL]
    frame = rejected.select(
        (_key_text(key) if key else F.lit(None).cast("string")).alias("recordKey"),
        F.array_sort(F.col(REASONS)).alias("reasons"),
        (F.col(RAW) if RAW in rejected.columns else F.to_json(F.struct(*(f"`{name}`" for name in data)))).alias("record"),
        F.lit(datetime.now(UTC)).alias("quarantinedAt"),
        F.lit(commit.run_id).alias("runId"),
        F.lit(commit.covenant_version).alias("covenantVersion"),
    )
    target = table_of(ref)
    if beside and staging.lakehouse.exists(target):
        frame = frame.unionByName(_others(staging, target, frame))
    with staging.stage_frame(target, frame, volatile=VOLATILE) as staged:
        if not staged.rows and not staging.lakehouse.exists(target):
            return None
        why = CommitInfo(
            commit.run_id,
            commit.covenant_version,
            commit.rows_in,
            commit.gates,
            {**commit.extra, "rules": ",".join(rules)},
        )
        return staging.lakehouse.publish(target, staged, why, f"Rows of {ref} that broke a rule, with the reasons")


def _others(staging: Staging, target: TableRef, frame: DataFrame) -> DataFrame:
    """The rows in quarantine that are not rejected again."""
    again = frame.select(F.col("recordKey").alias("_key"), F.col("record").alias("_record")).distinct()
    there = staging.engine.read(staging.lakehouse.path(target))
    same = F.col("recordKey").eqNullSafe(F.col("_key")) & F.col("record").eqNullSafe(F.col("_record"))
    return there.join(again, same, "left_anti").select(*frame.columns)
