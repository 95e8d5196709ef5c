from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from spectra_assets.engine.replay import _compared
from spectra_assets.errors import StorageError
from spectra_assets.lakehouse import quarantine
from spectra_assets.lakehouse.commit import CommitInfo, Published
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from tests.lakehouse.rows import Rows
from tests.relational import World

CYCLE = TableRef("clean", "cycle")
KEPT = TableRef("quarantine", "clean_cycle")


def keep(lakehouse: Lakehouse, engine: Engine, run: str, reasons: list[list[str]], beside: bool = False) -> Published | None:
    rows = pa.table(
        {
            "cycleId": range(len(reasons)),
            "cycleName": ["ä"] * len(reasons),
            "raw": ['{"id":1}'] * len(reasons),
            "_reasons": pa.array(reasons, pa.list_(pa.string())),
        }
    )
    with Staging(lakehouse, run, engine) as staging:
        rejected = staging.stage_arrow(CYCLE, rows).rejected()
        return quarantine.keep(staging, CYCLE, rejected, ["cycleId", "cycleName"], CommitInfo(run, "1.0"), ["R1", "R2"], beside)


def test_rows_are_kept_with_reasons_and_do_not_multiply(tmp_path: Path, engine: Engine) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    assert keep(lakehouse, engine, "run-0", [[], []]) is None
    assert not lakehouse.exists(KEPT)
    assert keep(lakehouse, engine, "run-1", [["R2: b", "R1: a"], []]) == Published(0, 1, True)
    assert keep(lakehouse, engine, "run-2", [["R1: a", "R2: b"], []]) == Published(0, 1, False)
    row = lakehouse.read(KEPT).to_pylist()[0]
    assert json.loads(row.pop("record")) == {"cycleId": 0, "cycleName": "ä", "raw": '{"id":1}'}
    assert row.pop("quarantinedAt").tzinfo is not None
    assert row == {"recordKey": '["0","ä"]', "reasons": ["R1: a", "R2: b"], "runId": "run-1", "covenantVersion": "1.0"}
    assert lakehouse.describe(KEPT).metadata["spectra.rules"] == "R1,R2"
    assert keep(lakehouse, engine, "run-3", [[], []]) == Published(1, 0, True)


def test_the_raw_payload_may_be_the_record(tmp_path: Path, engine: Engine) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    rows = pa.table({"name": ["x"], "_raw": ['{"id": 1}'], "_reasons": [["bad"]]})
    with Staging(lakehouse, "run", engine) as staging:
        rejected = staging.stage_arrow(CYCLE, rows).rejected()
        quarantine.keep(staging, CYCLE, rejected, [], CommitInfo("run", "1.0"))
        with pytest.raises(StorageError, match="lack cycleId; they have name, _raw, _reasons"):
            quarantine.keep(staging, CYCLE, rejected, ["cycleId"], CommitInfo("run", "1.0"))
    assert lakehouse.read(KEPT, ["record", "recordKey"]).to_pylist() == [{"record": '{"id": 1}', "recordKey": None}]


def test_rows_stay_beside_new_ones_until_the_table_has_them(tmp_path: Path, engine: Engine) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    keep(lakehouse, engine, "run-1", [["a"], ["b"], []])
    keep(lakehouse, engine, "run-2", [[], ["b"], ["c"]], beside=True)
    there = {row["recordKey"]: row["reasons"] for row in lakehouse.read(KEPT).to_pylist()}
    assert there == {'["0","ä"]': ["a"], '["1","ä"]': ["b"], '["2","ä"]': ["c"]}
    assert keep(lakehouse, engine, "run-3", [["a"], ["b"], ["c"]], beside=True) == Published(1, 3, False)


def test_a_row_with_a_key_that_the_table_had_before_did_not_come_back(tmp_path: Path, engine: Engine) -> None:
    world = World(tmp_path, engine)
    world.declare(table="clean.cycle", primary_key=["cycleId"])
    world.rows("clean.cycle", {"cycleId": pa.int64()}, [(1,), (2,)])
    rejected = [quarantine.Rejected(key, ("types_hold",), key.encode()) for key in ("1", "2", "3")]
    told = _compared(world.covenant(), world.lakehouse, engine, "clean.cycle", rejected, {"1"})
    assert (told.returned, [row["key"] for row in told.returned_rows], told.gone) == (1, ["2"], 2)


KEYS = {
    "number": pa.array([1.0, 2.5e20]),
    "time": pa.array(
        [datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC)], pa.timestamp("us", "UTC")
    ),
    "flag": pa.array([True, False]),
    "amount": pa.array([Decimal("1.10"), Decimal("1.00")], pa.decimal128(9, 2)),
    "day": pa.array([date(2024, 1, 2), date(1969, 12, 31)]),
    "text": pa.array(["a/b", None]),
    "rest": pa.array(["c", "b/c"]),
}


@pytest.mark.parametrize("key", [*([name] for name in KEYS), ["text", "rest"], list(KEYS)], ids="+".join)
def test_a_row_is_known_by_the_same_key_in_quarantine_and_in_its_table(tmp_path: Path, engine: Engine, key: list[str]) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    rows = pa.table(KEYS)
    lakehouse.publish(CYCLE, Rows(rows.slice(0, 1)), CommitInfo("run", "1.0"))
    reasons = pa.array([["bad"]] * 2, pa.list_(pa.string()))
    with Staging(lakehouse, "run", engine) as staging:
        rejected = staging.stage_arrow(CYCLE, rows.append_column("_reasons", reasons)).rejected()
        quarantine.keep(staging, CYCLE, rejected, key, CommitInfo("run", "1.0"))
    kept = {row.key for row in quarantine.rows(lakehouse, CYCLE) if row.key is not None}
    assert len(kept) == 2
    there = quarantine.keys_there(engine, lakehouse, CYCLE, key, kept)
    assert len(there) == 1
    lakehouse.publish(CYCLE, Rows(rows.slice(1)), CommitInfo("run", "1.0"))
    assert quarantine.keys_there(engine, lakehouse, CYCLE, key, kept) == kept - there


def test_keys_of_several_columns_stay_apart(tmp_path: Path, engine: Engine) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    rows = pa.table({"text": ["a/b", "a"], "rest": ["c", "b/c"], "_reasons": pa.array([["bad"]] * 2, pa.list_(pa.string()))})
    with Staging(lakehouse, "run", engine) as staging:
        quarantine.keep(staging, CYCLE, staging.stage_arrow(CYCLE, rows).rejected(), ["text", "rest"], CommitInfo("run", "1.0"))
    assert sorted(str(row.key) for row in quarantine.rows(lakehouse, CYCLE)) == ['["a","b/c"]', '["a/b","c"]']
