from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse import quarantine
from spectra_assets.lakehouse.commit import CommitInfo, Published
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef

CYCLE = TableRef("clean", "cycle")
KEPT = TableRef("quarantine", "clean_cycle")


def keep(lakehouse: Lakehouse, engine: Engine, run: str, reasons: list[list[str]]) -> Published | None:
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
        return quarantine.keep(staging, CYCLE, rejected, ["cycleId", "cycleName"], CommitInfo(run, "1.0"), ["R1", "R2"])


def test_rows_are_kept_with_reasons_and_do_not_multiply(tmp_path: Path, engine: Engine) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    assert keep(lakehouse, engine, "run-0", [[], []]) is None
    assert not lakehouse.exists(KEPT)
    assert keep(lakehouse, engine, "run-1", [["R2: b", "R1: a"], []]) == Published(0, 1, True)
    assert keep(lakehouse, engine, "run-2", [["R1: a", "R2: b"], []]) == Published(0, 1, False)
    row = lakehouse.read(KEPT).to_pylist()[0]
    assert json.loads(row.pop("record")) == {"cycleId": 0, "cycleName": "ä", "raw": '{"id":1}'}
    assert row.pop("quarantinedAt").tzinfo is not None
    assert row == {"recordKey": "0/ä", "reasons": ["R1: a", "R2: b"], "runId": "run-1", "covenantVersion": "1.0"}
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
