from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.failure import storage_error
from spectra_assets.lakehouse.parts import GROUP_BYTES, ROW_GROUP
from spectra_assets.lakehouse.staged import Counts
from spectra_assets.lakehouse.staging import Staging, sweep
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef

CYCLE = TableRef("clean", "cycle")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "my lake"), "acme")


@pytest.fixture
def staging(lakehouse: Lakehouse, engine: Engine) -> Iterator[Staging]:
    with Staging(lakehouse, "run-1", engine) as open_staging:
        yield open_staging


def controlled(staging: Staging) -> pa.Table:
    return pa.table(
        {
            "cycleId": [1, 2, 3, 4, 5],
            "_reasons": pa.array([[], None, ["no name"], [], ["no name", "bad date"]], pa.list_(pa.string())),
            "_duplicate": [False, None, False, True, True],
        }
    )


def test_control_columns_split_the_rows(staging: Staging) -> None:
    staged = staging.stage_arrow(CYCLE, controlled(staging))
    assert staged.counts() == Counts(rows=5, accepted=2, rejected=2, duplicates=1)
    assert staged.schema == pa.schema([("cycleId", pa.int64())])
    assert [row.cycleId for row in staged.accepted().orderBy("cycleId").collect()] == [1, 2]
    rejected = staged.rejected().orderBy("cycleId").collect()
    assert [(row.cycleId, row._reasons) for row in rejected] == [(3, ["no name"]), (5, ["no name", "bad date"])]
    assert sorted(staged.batches().read_all()["cycleId"].to_pylist()) == [1, 2]


def test_rows_of_a_query_are_sorted_where_they_are_made(staging: Staging) -> None:
    """As rows of Arrow are: the same rows in the same places, whatever the number of files."""
    frame = staging.engine.session.createDataFrame(controlled(staging)).withColumn("_raw", F.concat(F.lit("raw "), "cycleId"))
    for partitions in (1, 3):
        staged = staging.stage_frame(CYCLE, frame.repartition(partitions))
        assert staged.counts() == Counts(rows=5, accepted=2, rejected=2, duplicates=1)
        assert sorted(staged.batches().read_all()["cycleId"].to_pylist()) == [1, 2]
        assert {tuple(pq.read_schema(file).names) for file in staged.files()} == {("cycleId",)}
        everything = {row.cycleId: (row._reasons, row._duplicate, row._raw) for row in staged.frame().collect()}
        assert everything == {
            1: ([], False, None), 2: ([], False, None), 3: (["no name"], False, "raw 3"), 4: ([], True, "raw 4"),
            5: (["no name", "bad date"], True, "raw 5"),
        }  # fmt: skip
        assert {row.cycleId: row._raw for row in staged.rejected().collect()} == {3: "raw 3", 5: "raw 5"}
        assert staged.empties() == (5, {"cycleId": 0})
        same = pa.table({"cycleId": [2, 1]})
        assert staged.fingerprint == staging.stage_arrow(TableRef("clean", "other"), same).fingerprint


def test_repetitions_among_accepted_rows_are_seen(staging: Staging) -> None:
    rows = pa.table({"a": [1, 1, None, 2, 2], "b": ["x", "y", None, "z", "z"], "_duplicate": [False] * 4 + [True]})
    staged = staging.stage_arrow(CYCLE, rows)
    assert (staged.repeats(["a"]), staged.repeats(["a", "b"])) == (True, False)
    nulls = staging.stage_arrow(TableRef("clean", "other"), pa.table({"a": pa.array([None, None], pa.int64())}))
    assert nulls.repeats(["a"]), "NULL equals NULL"


def test_values_of_a_key_are_counted_in_turns(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.lakehouse.staged.AT_ONCE", 3)
    rows = pa.table({
        "whole": [1, 2, 3, 4, 5, 6, 7, 8, 8, None, None], "text": [*"abcdefghh", None, "i"],
        "double": [0.0, -0.0, *map(float, range(1, 9)), None],
    })  # fmt: skip
    staged = staging.stage_arrow(CYCLE, rows)
    keys = (["whole"], ["text"], ["double"], ["whole", "text"], ["double", "whole"])
    assert [staged.different(key) for key in keys] == [9, 10, 10, 10, 11]


def test_without_control_columns_all_rows_are_accepted(staging: Staging) -> None:
    staged = staging.stage_frame(CYCLE, staging.engine.session.range(10).withColumn("t", F.current_timestamp()))
    assert staged.counts() == Counts(10, 10, 0, 0)
    assert staged.rejected().collect() == []
    assert staged.rejected().columns == ["id", "t", "_reasons"]
    assert staged.batches().read_all().schema == pa.schema([("id", pa.int64()), ("t", pa.timestamp("us", "UTC"))])


def test_no_rows_keep_their_schema(staging: Staging) -> None:
    frame = staging.engine.session.range(10).where("id < 0").withColumn("nothing", F.lit(None))
    for staged in (
        staging.stage_frame(CYCLE, frame),
        staging.stage_arrow(TableRef("clean", "other"), iter(()), pa.schema([("id", pa.int64()), ("nothing", pa.null())])),
    ):
        assert staged.counts() == Counts(0, 0, 0, 0)
        assert staged.batches().read_all() == pa.table({"id": pa.array([], pa.int64()), "nothing": pa.array([], pa.string())})


def test_all_rejected_publishes_nothing_but_the_schema(staging: Staging) -> None:
    table = pa.table({"id": [1], "_reasons": [["bad"]]})
    staged = staging.stage_arrow(CYCLE, table)
    assert staged.rows == 0
    assert staged.batches().read_all().num_rows == 0


def test_fingerprints_ignore_order_and_files_and_nothing_else(staging: Staging) -> None:
    base = [
        {"a": "x", "b": None, "tags": ["p", "q"], "more": []},
        {"a": None, "b": "y", "tags": [None], "more": ["z"]},
    ]
    schema = pa.schema([("a", pa.string()), ("b", pa.string()), ("tags", pa.list_(pa.string())), ("more", pa.list_(pa.string()))])

    def of(rows: list[dict[str, object]]) -> str:
        return staging.stage_arrow(CYCLE, pa.Table.from_pylist(rows, schema)).fingerprint

    expected = of(base)
    assert of(base[::-1]) == expected
    assert of([{**base[0], "a": None, "b": "x"}, base[1]]) != expected  # a value that moved to the next column
    assert of([{**base[0], "tags": ["p"], "more": ["q"]}, base[1]]) != expected  # an element that moved
    assert of([base[0], {**base[1], "tags": []}]) != expected
    assert of([*base, base[0]]) != expected  # a repeated row
    assert of([*base, base[0], base[0]]) != of(base)
    frame = staging.engine.session.range(1000)
    one = staging.stage_frame(CYCLE, frame, partitions=1)
    assert len(list(one.path.glob("*.parquet"))) == 1
    assert one.fingerprint == staging.stage_frame(CYCLE, frame.repartition(7)).fingerprint


def test_a_query_has_the_fingerprint_of_its_rows(staging: Staging) -> None:
    """Whether they are hashed while they are written or afterwards: of values of all types."""
    sql = """SELECT id, IF(id % 3 = 0, NULL, CAST(id AS STRING)) AS text, CAST(id / 7 AS DECIMAL(38, 9)) AS amount, id / 3.0D AS f,
        TIMESTAMP '2024-01-02 00:00:00.000001' AS at, DATE '2024-02-29' AS day, id % 2 = 0 AS odd, '😀\u0000' AS sign,
        IF(id = 1, NULL, array(CAST(id AS STRING), NULL)) AS tags, CAST(NULL AS INT) AS nothing, now() AS volatile FROM range(5000)"""
    staged = staging.stage_frame(CYCLE, staging.engine.session.sql(sql), volatile=["volatile"])
    again = staging.stage_arrow(TableRef("clean", "other"), staged.batches(), volatile=["volatile"])
    assert staged.found.hashed is not None
    assert again.found.hashed is None
    assert staged.fingerprint == again.fingerprint


def test_volatile_columns_are_not_in_the_fingerprint(staging: Staging) -> None:
    prints = {
        staging.stage_arrow(CYCLE, pa.table({"a": [1], "seenAt": [now]}), volatile=["seenAt"]).fingerprint for now in (1, 2)
    }
    assert len(prints) == 1


def test_small_batches_are_joined_and_big_ones_split(staging: Staging) -> None:
    many = (pa.record_batch({"n": [n]}) for n in range(1000))
    staged = staging.stage_arrow(CYCLE, many, pa.schema([("n", pa.int64())]))
    assert pq.ParquetFile(staged.path / "part-0.parquet").num_row_groups == 1
    staged = staging.stage_arrow(CYCLE, pa.table({"n": range(ROW_GROUP * 2 + 1)}))
    assert pq.ParquetFile(staged.path / "part-0.parquet").num_row_groups == 3
    assert staged.rows == ROW_GROUP * 2 + 1
    wide = pa.table({"text": pa.array(["x" * 2**20] * 80)})
    staged = staging.stage_arrow(CYCLE, wide)
    each = GROUP_BYTES // 2**20 - 1  # a text and its place take a little more than 1 MiB
    assert pq.ParquetFile(staged.path / "part-0.parquet").num_row_groups == -(-80 // each)


def test_names_that_collide_are_refused_before_anything_is_published(staging: Staging) -> None:
    with pytest.raises(StorageError, match="Delta ignores case"):
        staging.stage_arrow(CYCLE, pa.table({"a": [1], "A": [1]}))
    with pytest.raises(StorageError, match="come without a schema"):
        staging.stage_arrow(CYCLE, iter([pa.record_batch({"a": [1]})]))


def test_everything_staged_goes_with_the_staging(lakehouse: Lakehouse, engine: Engine) -> None:
    with Staging(lakehouse, "a", engine) as other:
        kept = other.stage_arrow(CYCLE, pa.table({"a": [1]}))
        with pytest.raises(StorageError), Staging(lakehouse, "a", engine) as mine:
            mine.stage_arrow(TableRef("clean", "x"), pa.table({"a": [1], "A": [1]}))
        assert kept.path.exists()  # another step of the same run
        assert [path.name for path in lakehouse.files("staging", "a").iterdir() if path.is_dir()] == ["clean.cycle"]
    assert list(lakehouse.files("staging").iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path, engine: Engine) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    try:
        with Staging(Lakehouse(str(tmp_path), "acme"), "run", engine) as staging:
            with pytest.raises(StorageError, match="free space on that disk"):
                staging.stage_frame(CYCLE, engine.session.range(2_000_000))
            with pytest.raises(StorageError, match="free space on that disk"):
                staging.stage_arrow(CYCLE, pa.table({"n": range(2_000_000)}))
        assert [path.name for path in tmp_path.rglob("*")] == ["acme.Lakehouse", "Files", "staging"]
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_of_a_stack_trace_the_line_about_the_disk_is_told() -> None:
    trace = "An exception was thrown from the Python worker.\n" * 20 + "OSError: [Errno 28] No space left on device\n" + "more\n"
    told = str(storage_error("/lake/rows", "written", OSError(trace)))
    assert told.startswith("/lake/rows can't be written: OSError: [Errno 28] No space left on device; free space on that disk")


def test_an_error_of_the_query_stays_the_engines(staging: Staging) -> None:
    with pytest.raises(PySparkException):
        staging.stage_frame(CYCLE, staging.engine.session.range(3).selectExpr("raise_error('no') AS n"))


def test_stagings_of_dead_runs_are_swept(lakehouse: Lakehouse, engine: Engine) -> None:
    dead, live = lakehouse.files("staging", "dead"), lakehouse.files("staging", "live")
    for folder in (dead, live):
        folder.mkdir(parents=True)
        (folder / "part").touch()
    past = time.time() - 25 * 3600
    for path in (dead / "part", dead, live):
        os.utime(path, (past, past))
    assert sweep(lakehouse) == ["dead"]
    assert live.exists()
    future = time.time() + 25 * 3600  # the clock was set back since
    for path in (live / "part", live):
        os.utime(path, (future, future))
    assert sweep(lakehouse) == ["live"]


@pytest.mark.parametrize("hours", [-25, 25])
def test_no_jump_of_a_clock_takes_what_a_living_run_holds(lakehouse: Lakehouse, engine: Engine, hours: int) -> None:
    with Staging(lakehouse, "run", engine) as staging:
        staged = staging.stage_arrow(CYCLE, pa.table({"a": [1, 2]}))
        moment = time.time() + hours * 3600
        folder = lakehouse.files("staging", "run")
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (moment, moment))
        assert sweep(lakehouse) == []
        assert staged.rows == 2
    assert not folder.exists()
    for path in lakehouse.files("staging").rglob("*"):
        assert path.is_dir()


def test_a_file_in_the_way_is_named(lakehouse: Lakehouse, engine: Engine) -> None:
    blocked = lakehouse.files("staging")
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    with Staging(lakehouse, "run", engine) as staging, pytest.raises(StorageError, match="a file stands where"):
        staging.stage_arrow(CYCLE, pa.table({"a": [1]}))
