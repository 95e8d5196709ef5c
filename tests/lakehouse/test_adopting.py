"""Staged files that become a table's files: nothing is written twice, and every reader finds what the gates judged."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse import store
from spectra_assets.lakehouse.adopting import adopted, replace
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staged import Staged
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef

CYCLE = TableRef("clean", "cycle")
COMMIT = CommitInfo("run-1", "1.2.0")
ROWS = pa.table(
    {
        "id": pa.array([3, 1, None], pa.int64()),
        "name": ["b", None, "a"],
        "text": ["x" * 200, "y", "z"],
        "at": pa.array([dt.datetime(2024, 1, 2, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC")),
        "on": [True, None, False],
        "amount": pa.array([1, 2, None], pa.decimal128(38, 9)),
        "tags": pa.array([["a"], [], None], pa.list_(pa.string())),
    }
)


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "my lake"), "acme")


def data_files(lakehouse: Lakehouse) -> list[Path]:
    return sorted(Path(lakehouse.path(CYCLE)).glob("*.parquet"))


def by_id(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: str(row["id"]))


def test_the_staged_file_is_the_tables_file(lakehouse: Lakehouse, engine: Engine) -> None:
    with Staging(lakehouse, "run", engine) as staging:
        staged = staging.stage_arrow(CYCLE, ROWS)
        inode = os.stat(staged.files()[0]).st_ino
        lakehouse.publish(CYCLE, staged, COMMIT, "Cycles")
    assert [os.stat(file).st_ino for file in data_files(lakehouse)] == [inode]
    assert by_id(lakehouse.read(CYCLE).to_pylist()) == by_id(ROWS.to_pylist())
    seen = engine.read(lakehouse.path(CYCLE))
    assert {row.id: row.tags for row in seen.collect()} == {3: ["a"], 1: [], None: None}
    assert [row.name for row in seen.where("id >= 3").collect()] == ["b"]
    table = DeltaTable(lakehouse.path(CYCLE))
    assert (table.metadata().description, table.metadata().configuration) == ("Cycles", {"delta.enableDeletionVectors": "false"})


def test_the_log_tells_rows_nulls_and_short_bounds(lakehouse: Lakehouse, engine: Engine) -> None:
    with Staging(lakehouse, "run", engine) as staging:
        lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, ROWS), COMMIT)
    told = pa.table(DeltaTable(lakehouse.path(CYCLE)).get_add_actions(flatten=True)).to_pylist()[0]
    assert (told["num_records"], told["null_count.id"], told["min.id"], told["max.id"]) == (3, 1, 1, 3)
    assert (told["min.name"], told["max.name"], told["null_count.text"]) == ("a", "b", 0)
    assert told.get("max.text") is None


def test_another_schema_and_what_comes_after_it(lakehouse: Lakehouse, engine: Engine) -> None:
    """Further versions, and what others do to a Delta table, work on files that were adopted."""
    with Staging(lakehouse, "run", engine) as staging:
        lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, ROWS), COMMIT)
        other = pa.table({"id": ["7", "8"], "n": [1.5, None]})
        assert lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, other), COMMIT).version == 1
    table = DeltaTable(lakehouse.path(CYCLE))
    write_deltalake(table, pa.table({"id": ["9"]}), mode="append", schema_mode="merge")
    table.update({"n": "2.5"}, predicate="id = '8'")
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert by_id(lakehouse.read(CYCLE).to_pylist()) == [{"id": "7", "n": 1.5}, {"id": "8", "n": 2.5}, {"id": "9", "n": None}]
    assert len(data_files(lakehouse)) == 1


def test_a_commit_that_fails_leaves_no_file(lakehouse: Lakehouse, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Staging(lakehouse, "run", engine) as staging:
        lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, ROWS), COMMIT)
        before = data_files(lakehouse)
        monkeypatch.setattr(store, "_CONFIGURATION", {"delta.noSuchThing": "1"})
        log = Path(lakehouse.path(CYCLE)) / "_delta_log"
        (log / "00000000000000000001.json").mkdir()  # where the next commit would be
        with pytest.raises(StorageError):
            lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, ROWS.slice(0, 1)), COMMIT)
    assert data_files(lakehouse) == before


def test_an_interruption_after_the_commit_takes_nothing_away(lakehouse: Lakehouse, engine: Engine) -> None:
    """Ctrl-C waits while a commit is written, and is raised right after it."""
    table = Path(lakehouse.path(CYCLE))

    def interrupted(files: Sequence[Path], schema: pa.Schema) -> None:
        with adopted(files, table) as actions:
            held = DeltaTable(str(table)) if DeltaTable.is_deltatable(str(table)) else None
            replace(held, str(table), actions, schema, CommitProperties())
            raise KeyboardInterrupt

    for number in range(2):
        rows = pa.table({"id": [number]})
        with Staging(lakehouse, "run", engine) as staging:
            files = staging.stage_arrow(CYCLE, rows).files()
            with pytest.raises(KeyboardInterrupt):
                interrupted(files, rows.schema)
        assert lakehouse.read(CYCLE).to_pylist() == [{"id": number}]


def test_a_file_system_without_links_gets_a_copy(lakehouse: Lakehouse, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with Staging(lakehouse, "run", engine) as staging:
        lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, ROWS), COMMIT)
    assert by_id(lakehouse.read(CYCLE).to_pylist()) == by_id(ROWS.to_pylist())


def test_control_columns_are_no_part_of_it(lakehouse: Lakehouse, engine: Engine) -> None:
    """Rows that stay behind, and what tells so, are in no file of the table."""
    control = {"_reasons": pa.array([[], ["bad"], []], pa.list_(pa.string())), "_duplicate": [False] * 3, "_raw": ["{}"] * 3}
    with Staging(lakehouse, "run", engine) as staging:
        staged = staging.stage_arrow(CYCLE, pa.table({"id": [1, 2, 3], "name": ["a", "b", None], **control}))
        assert staged.files()
        assert lakehouse.publish(CYCLE, staged, COMMIT).rows == 2
    assert by_id(lakehouse.read(CYCLE).to_pylist()) == [{"id": 1, "name": "a"}, {"id": 3, "name": None}]


def test_rows_of_the_engine_are_adopted_too(lakehouse: Lakehouse, engine: Engine) -> None:
    sql = "SELECT id, CAST(id AS STRING) AS name, TIMESTAMP '2024-01-02 00:00:00' AS at, CAST(id AS DECIMAL(38,9)) AS d FROM range(10)"
    with Staging(lakehouse, "run", engine) as staging:
        staged: Staged = staging.stage_frame(CYCLE, engine.session.sql(sql))
        assert len(staged.files()) == len(list(staged.path.glob("*.parquet")))
        lakehouse.publish(CYCLE, staged, COMMIT)
    assert lakehouse.read(CYCLE).num_rows == 10
    assert lakehouse.describe(CYCLE).columns["at"] == "timestamp[us, tz=UTC]"


def test_no_rows_are_a_table_too(lakehouse: Lakehouse, engine: Engine) -> None:
    with Staging(lakehouse, "run", engine) as staging:
        assert lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, ROWS.slice(0, 0)), COMMIT).rows == 0
    assert lakehouse.read(CYCLE).num_rows == 0
    assert engine.read(lakehouse.path(CYCLE)).count() == 0
