from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from spectra_assets.errors import MissingInputError, StorageError
from spectra_assets.lakehouse import store
from spectra_assets.lakehouse.commit import MADE, CommitInfo, Published
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from tests.lakehouse.rows import Rows

CYCLE = TableRef("clean", "cycle")
COMMIT = CommitInfo("run-1", "1.2.0", rows_in=7, gates='{"types_hold": "pass"}', extra={"note": "first"})


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "lake"), "acme")


def publish(lakehouse: Lakehouse, engine: Engine, table: pa.Table, commit: CommitInfo = COMMIT) -> Published:
    with Staging(lakehouse, commit.run_id, engine) as staging:
        return lakehouse.publish(CYCLE, staging.stage_arrow(CYCLE, table), commit, "Cycles")


def test_locations(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    assert lakehouse.path(CYCLE) == f"{tmp_path}/acme.Lakehouse/Tables/clean/cycle"
    assert lakehouse.files("raw", "cycle", "2024-01-31") == tmp_path / "acme.Lakehouse/Files/raw/cycle/2024-01-31"


def test_what_a_remote_lakehouse_has_on_this_machine_is_its_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds raw pages: another user may neither read them nor lay them there, and a reboot takes nothing away."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    remote = Lakehouse("abfss://ws@onelake.dfs.fabric.microsoft.com/", "acme")
    assert remote.path(CYCLE) == "abfss://ws@onelake.dfs.fabric.microsoft.com/acme.Lakehouse/Tables/clean/cycle"
    room = tmp_path / "spectra"
    assert remote.files("raw").is_relative_to(room)
    assert remote.files("raw") != Lakehouse("abfss://ws@elsewhere/", "acme").files("raw")
    assert room.stat().st_mode & 0o777 == 0o700
    room.chmod(0o755)
    Lakehouse("abfss://ws@elsewhere/", "acme")
    assert room.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: room.stat().st_uid + 1)
    with pytest.raises(StorageError, match="spectra belongs to another user"):
        Lakehouse("abfss://ws@elsewhere/", "acme")


def test_a_remote_lakehouse_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    remote = Lakehouse((tmp_path / "lake").as_uri(), "acme")
    assert publish(remote, engine, pa.table({"id": [1]})) == Published(0, 1, True)
    assert publish(remote, engine, pa.table({"id": [1]})) == Published(0, 1, False)
    assert remote.read(CYCLE).to_pylist() == [{"id": 1}]
    assert (tmp_path / "lake" / "acme.Lakehouse" / "Tables" / "clean" / "cycle" / "_delta_log").is_dir()
    assert not (tmp_path / "lake" / "acme.Lakehouse" / "Files").exists()


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "/etc", "a\\b", "a\0b"])
def test_a_part_that_is_no_plain_name_is_refused(lakehouse: Lakehouse, part: str) -> None:
    with pytest.raises(StorageError, match="one plain name"):
        lakehouse.files("raw", part)


def test_long_and_odd_names_are_hashed_and_stay_apart(lakehouse: Lakehouse) -> None:
    odd = ["x" * 300, "x" * 301, "a b", "a?b", "über", ".hidden", "-rf", "~", "a--b", "a__b", "\ud800", "con:"]
    made = [lakehouse.files(name).name for name in odd]
    assert len(set(made)) == len(odd)
    assert all(len(name) < 100 and name.isascii() and name[0].isalnum() for name in made)
    assert lakehouse.files(made[2]).name != made[2]  # nobody can name a hashed name


@pytest.mark.parametrize("character", "[]{}*?\\")
def test_a_root_that_looks_like_a_pattern_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(StorageError, match="choose another folder"):
        Lakehouse(str(tmp_path / f"a{character}b"), "acme")


def test_what_is_not_delivered_names_its_asset(lakehouse: Lakehouse) -> None:
    for ask in (lakehouse.require, lakehouse.read, lakehouse.version, lakehouse.describe):
        with pytest.raises(MissingInputError, match=r"clean.cycle of acme has not been delivered") as caught:
            ask(CYCLE)
        assert 'dagster asset materialize -m spectra_assets.definitions --select "acme/clean/cycle"' in str(caught.value)


def test_what_stood_before_a_run_can_be_read(lakehouse: Lakehouse, engine: Engine) -> None:
    for run, value in (("run-1", 1), ("run-2", 2), ("run-2", 3)):
        publish(lakehouse, engine, pa.table({"id": [value]}), CommitInfo(run, "1.2.0"))
    found = {run: lakehouse.version_before(CYCLE, run) for run in ("run-1", "run-2", "run-3")}
    assert found == {"run-1": None, "run-2": 0, "run-3": None}
    assert lakehouse.batches(CYCLE, version=0).read_all().to_pylist() == [{"id": 1}]
    assert lakehouse.batches(CYCLE).read_all().to_pylist() == [{"id": 3}]


def test_the_columns_before_a_run_are_known(lakehouse: Lakehouse, engine: Engine) -> None:
    for run, names in (("run-1", ("id",)), ("run-2", ("id", "new")), ("run-2", ("id", "new", "newer"))):
        publish(lakehouse, engine, pa.table({name: [1] for name in names}), CommitInfo(run, "1.2.0"))
    found = {run: lakehouse.columns_before(CYCLE, run) for run in ("run-1", "run-2", "run-3")}
    assert found == {"run-1": set(), "run-2": {"id"}, "run-3": None}


def test_publish_replaces_rows_and_schema(lakehouse: Lakehouse, engine: Engine) -> None:
    assert publish(lakehouse, engine, pa.table({"id": [1, 2], "gone": ["x", "y"]})) == Published(0, 2, True)
    moment = pa.array([dt.datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("ns"))
    table = pa.table({"id": ["7"], "nothing": pa.nulls(1), "at": moment})
    assert publish(lakehouse, engine, table) == Published(1, 1, True)
    assert lakehouse.read(CYCLE).to_pylist() == [
        {"id": "7", "nothing": None, "at": dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)}
    ]
    assert lakehouse.read(CYCLE, ["at", "id"]).column_names == ["at", "id"]
    assert engine.read(lakehouse.path(CYCLE)).count() == 1
    with pytest.raises(StorageError, match=r"no column nope; it has id, nothing, at"):
        lakehouse.batches(CYCLE, ["nope"])


def test_the_commit_tells_who_wrote_what(lakehouse: Lakehouse, engine: Engine) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    publish(lakehouse, engine, pa.table({"id": [1, 2]}))
    state = lakehouse.describe(CYCLE)
    assert (state.version, state.rows, state.files, state.columns) == (0, 2, 1, {"id": "int64"})
    assert state.bytes > 0
    assert before < state.written_at < dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    fingerprint, schema = state.metadata.pop("spectra.fingerprint"), state.metadata.pop("spectra.schema_hash")
    assert fingerprint.startswith("2:")
    assert fingerprint.endswith(schema)
    assert state.metadata == {
        "spectra.run_id": "run-1",
        "spectra.covenant_version": "1.2.0",
        "spectra.rows_in": "7",
        "spectra.rows_out": "2",
        "spectra.gates": '{"types_hold": "pass"}',
        "spectra.note": "first",
    }
    table = DeltaTable(lakehouse.path(CYCLE))
    assert table.metadata().description == "Cycles"
    assert table.metadata().configuration == {"delta.enableDeletionVectors": "false"}
    metadata = pq.read_metadata(next(Path(lakehouse.path(CYCLE)).glob("*.parquet")))
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_what_others_commit_hides_nothing_that_a_delivery_told(lakehouse: Lakehouse, engine: Engine) -> None:
    """Platforms tidy tables by themselves: after that gates had nothing to compare with, and all was extracted and published
    anew. Of rows that somebody else changed nothing may be taken for ours but what was told."""
    rows = pa.table({"id": [1, 2]})
    publish(lakehouse, engine, rows)
    told = lakehouse.describe(CYCLE).metadata
    table = DeltaTable(lakehouse.path(CYCLE))
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 60 days"})
    table.optimize.z_order(["id"])
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    state = lakehouse.describe(CYCLE)
    assert (state.version, state.metadata, state.delivered) == (4, told, 2)
    assert publish(lakehouse, engine, rows) == Published(4, 2, False)
    table.delete("id = 1")
    state = lakehouse.describe(CYCLE)
    assert (state.metadata, state.delivered) == ({name: told[name] for name in told if name != "spectra.fingerprint"}, 2)
    assert publish(lakehouse, engine, rows) == Published(6, 2, True)


def test_publishing_the_same_rows_again_is_quiet(lakehouse: Lakehouse, engine: Engine) -> None:
    table = pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]})
    assert publish(lakehouse, engine, table).changed
    assert publish(lakehouse, engine, table.take([2, 0, 1]), CommitInfo("run-2", "1.2.0")) == Published(0, 3, False)
    write_deltalake(lakehouse.path(CYCLE), pa.table({"id": [4]}), mode="append", schema_mode="merge")
    assert publish(lakehouse, engine, table) == Published(2, 3, True)


def test_the_same_rows_made_otherwise_are_told_once(lakehouse: Lakehouse, engine: Engine) -> None:
    """Else the first version that differs is compared with how an older one was made, and so with nothing."""
    table = pa.table({"id": [1, 2]})
    found = [
        publish(lakehouse, engine, table, CommitInfo("run", "1.2.0", extra={MADE: how} if how else {}))
        for how in ("one step", "one step", "two steps", "two steps", None)
    ]
    assert [each.changed for each in found] == [True, False, True, False, False]
    assert lakehouse.describe(CYCLE).metadata[f"spectra.{MADE}"] == "two steps"


def test_only_accepted_rows_are_published(lakehouse: Lakehouse, engine: Engine) -> None:
    table = pa.table({"id": [1, 2, 3], "_reasons": [[], ["bad"], []], "_duplicate": [False, False, True]})
    assert publish(lakehouse, engine, table) == Published(0, 1, True)
    assert lakehouse.read(CYCLE).to_pylist() == [{"id": 1}]


def test_nested_slices_survive(lakehouse: Lakehouse, engine: Engine) -> None:
    kind = pa.struct([("b", pa.struct([("c", pa.list_(pa.int64()))]))])
    whole = pa.table({"a": pa.array([{"b": {"c": [n, None]}} for n in range(1000)], kind)})
    table = pa.concat_tables([whole.slice(17, 500), whole.slice(601, 90)])
    assert publish(lakehouse, engine, table).rows == 590


def test_a_failing_stream_leaves_the_last_version(lakehouse: Lakehouse, engine: Engine) -> None:
    publish(lakehouse, engine, pa.table({"id": [1]}))

    class Broken:
        rows = 2
        schema = pa.schema([("id", pa.int64())])
        fingerprint = "new"

        def files(self) -> list[Path]:
            return []

        def batches(self) -> pa.RecordBatchReader:
            def rows() -> Iterator[pa.RecordBatch]:
                yield pa.record_batch({"id": [2]})
                raise OSError(28, "No space left on device")

            return pa.RecordBatchReader.from_batches(self.schema, rows())

    with pytest.raises(StorageError, match=r"Tables/clean/cycle can't be written: .*free space on that disk"):
        lakehouse.publish(CYCLE, Broken(), COMMIT)
    assert lakehouse.read(CYCLE).to_pylist() == [{"id": 1}]


def test_earlier_versions_are_kept_for_days_and_then_their_files_are_removed(lakehouse: Lakehouse) -> None:
    for number in range(21):
        if number == 15:
            age(lakehouse, store.KEPT_DAYS + 1)
        lakehouse.publish(CYCLE, Rows(pa.table({"id": [number]})), COMMIT)
    files = {file.name for file in Path(lakehouse.path(CYCLE)).glob("*.parquet")}
    assert len(files) == 7  # of the versions 14 (which held until 15 came) to 20
    assert DeltaTable(lakehouse.path(CYCLE), version=14).to_pyarrow_table().to_pylist() == [{"id": 14}]
    assert lakehouse.read(CYCLE).to_pylist() == [{"id": 20}]
    assert lakehouse.version(CYCLE) == 20
    assert not lakehouse.publish(CYCLE, Rows(pa.table({"id": [20]})), COMMIT).changed


def test_what_can_not_be_tidied_is_told_and_keeps_nothing_from_being_published(lakehouse: Lakehouse) -> None:
    for number in range(10):
        lakehouse.publish(CYCLE, Rows(pa.table({"id": [number]})), COMMIT)
    (Path(lakehouse.path(CYCLE)) / "loop").symlink_to("loop")  # no walk through the folder ends well
    published = lakehouse.publish(CYCLE, Rows(pa.table({"id": [10]})), COMMIT)
    assert (published.version, published.rows, published.changed) == (10, 1, True)
    assert "Tables/clean/cycle can't be cleaned" in str(published.untidy)
    assert lakehouse.publish(CYCLE, Rows(pa.table({"id": [11]})), COMMIT).untidy is None  # until the next time


def age(lakehouse: Lakehouse, days: int) -> None:
    """Let what the table's log tells have happened days earlier."""
    for file in (Path(lakehouse.path(CYCLE)) / "_delta_log").glob("*.json"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for action in (action for line in lines for action in line.values() if isinstance(action, dict)):
            for name in ("timestamp", "deletionTimestamp", "modificationTime"):
                if isinstance(action.get(name), int):
                    action[name] -= days * 86_400_000
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for file in Path(lakehouse.path(CYCLE)).glob("*.parquet"):
        os.utime(file, (time.time() - days * 86_400,) * 2)


def test_writers_take_turns(lakehouse: Lakehouse) -> None:
    def write(number: int) -> None:
        for step in range(3):
            lakehouse.publish(CYCLE, Rows(pa.table({"id": [number], "step": [step]})), COMMIT)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lakehouse.version(CYCLE) == 11
    assert lakehouse.read(CYCLE)["step"].to_pylist() == [2]


def test_conflicts_with_another_machine_are_retried(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []
    monkeypatch.setattr(store.time, "sleep", attempts.append)

    def conflict() -> None:
        raise store.CommitFailedError("another commit came first")

    with pytest.raises(StorageError, match="another commit came first"):
        lakehouse._commit(CYCLE, conflict)
    assert len(attempts) == store.ATTEMPTS - 1
    assert sum(attempts) < 5


@pytest.mark.parametrize("where", ["lake", "lake/acme.Lakehouse/Tables", "lake/acme.Lakehouse/Tables/clean/cycle"])
def test_a_file_in_the_way_is_named(lakehouse: Lakehouse, tmp_path: Path, where: str) -> None:
    (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / where).touch()
    with pytest.raises(StorageError, match=r"can't be (written|read): .*a file stands where a folder must be"):
        lakehouse.publish(CYCLE, Rows(pa.table({"a": [1]})), COMMIT)
    assert (tmp_path / where).is_file()


LIMITED = """
import resource, sys
import pyarrow as pa
from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from tests.lakehouse.rows import Rows
lakehouse, ref, commit = Lakehouse(sys.argv[1], "acme"), TableRef("clean", "cycle"), CommitInfo("r", "1")
lakehouse.publish(ref, Rows(pa.table({"id": [-1]})), commit)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    lakehouse.publish(ref, Rows(pa.table({"id": range(2_000_000)})), commit)
except StorageError as error:
    print(error)
print(lakehouse.version(ref), lakehouse.read(ref).num_rows)
"""


def test_a_write_cut_short_is_no_version(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    message, state = done.stdout.strip().splitlines()
    assert message.endswith("raise the file size limit (ulimit -f)")
    assert state == "0 1"


def test_a_full_disk_is_told_and_leaves_the_last_version(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    try:
        lakehouse = Lakehouse(str(tmp_path), "acme")
        lakehouse.publish(CYCLE, Rows(pa.table({"id": [-1]})), COMMIT)
        with pytest.raises(StorageError, match=r"Tables/clean/cycle can't be written: .*free space on that disk"):
            lakehouse.publish(CYCLE, Rows(pa.table({"id": range(2_000_000)})), COMMIT)
        assert lakehouse.read(CYCLE).to_pylist() == [{"id": -1}]
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(StorageError, match="read-only"):
            lakehouse.publish(CYCLE, Rows(pa.table({"id": [1]})), COMMIT)
        assert lakehouse.read(CYCLE).num_rows == 1
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


STREAMED = """
import resource, sys
import pyarrow as pa
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
lakehouse, ref = Lakehouse(sys.argv[1], "acme"), TableRef("clean", "cycle")
schema = pa.schema([("id", pa.int64()), ("name", pa.string()), ("value", pa.float64())])
def rows(count):
    for start in range(0, count, 50_000):
        ids = pa.array(range(start, start + 50_000))
        names = pa.compute.binary_join_element_wise(ids.cast(pa.string()), "of a row with a long text", " ")
        yield pa.record_batch([ids, names, ids.cast(pa.float64())], schema=schema)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with Engine.start("sail", 256) as engine, Staging(lakehouse, "run", engine) as staging:
    def publish(count):
        staged = staging.stage_arrow(ref, rows(count), schema)
        return lakehouse.publish(ref, staged, CommitInfo("run", "1")).rows
    publish(50_000)
    before = peak()
    assert publish(2_000_000) == 2_000_000
    print(peak() - before)
"""


def test_two_million_rows_stream_in_flat_memory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", STREAMED, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    grown = float(done.stdout)
    assert grown < 300, f"peak memory grew by {grown} MiB"


LEFT = """
import sys
import pyarrow as pa
from deltalake import write_deltalake
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef

lakehouse, ref = Lakehouse(sys.argv[1], "small"), TableRef("extract", "orders")
for number in range(30):
    write_deltalake(lakehouse.path(ref), pa.table({"id": range(number * 5000, (number + 1) * 5000), "t": ["x" * 50] * 5000}), mode="append")
for _ in range(4):
    for batch in lakehouse.batches(ref):
        break
sys.exit(7)
"""


def test_a_process_ends_though_a_stream_was_left(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LEFT, str(tmp_path)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 7, done.stderr
