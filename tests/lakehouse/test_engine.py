from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.connect import SparkConnectException

from spectra_assets.errors import ConfigurationError
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.retry import asked_again
from spectra_assets.settings import Settings


def test_sessions_are_in_utc(engine: Engine) -> None:
    assert engine.session.conf.get("spark.sql.session.timeZone") == "UTC"
    assert engine.running


@pytest.mark.parametrize("folder", ["plain", "with space", "über", "100%", "a#b"])
def test_delta_and_parquet_are_read_by_path(engine: Engine, tmp_path: Path, folder: str) -> None:
    path = str(tmp_path / folder / "t")
    write_deltalake(path, pa.table({"a": [1, 2]}))
    assert engine.read(path).count() == 2
    write_deltalake(path, pa.table({"a": [3]}), mode="append")
    assert engine.read(path).count() == 3
    engine.read(path).write.parquet(str(tmp_path / folder / "p"))
    assert engine.read_parquet(str(tmp_path / folder / "p")).count() == 3


def test_a_dead_remote_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match=f"no Spark Connect server answers at 127.0.0.1:{port}"):
        Engine.start(f"sc://127.0.0.1:{port}")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("kind", ["spark", "sc://", "http://x:1", "sc://host:notaport"])
def test_an_unknown_engine_names_the_valid_ones(kind: str) -> None:
    with pytest.raises(ConfigurationError, match="valid are sail and sc://host:port"):
        Engine.start(kind)


def test_what_takes_too_long_is_given_up_and_the_engine_goes_on(engine: Engine) -> None:
    endless = engine.session.range(10**15).filter("md5(cast(id as string)) = 'x'")
    with pytest.raises(PySparkException), engine.given_up_at(time.monotonic() + 0.2):
        endless.count()
    assert engine.session.range(3).count() == 3
    with engine.given_up_at(time.monotonic() + 3600):
        assert engine.session.range(3).count() == 3


def test_a_remote_engine_is_used_and_left_running(engine: Engine) -> None:
    with Engine.start(engine.address) as remote:
        assert remote.session.range(3).count() == 3
    assert not remote.running
    assert engine.session.range(3).count() == 3


class Garbling(grpc.GenericRpcHandler):
    """Passes every call on to the engine at `address`, and makes the first answers to some calls unreadable."""

    def __init__(self, address: str, *calls: str) -> None:
        self._channel = grpc.insecure_channel(address.removeprefix("sc://"))
        self._left = dict.fromkeys(calls, 2)
        self.garbled: list[str] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = str(handler_call_details.method)
        name = method.rpartition("/")[2]

        def garble(answer: bytes) -> bytes:
            if not self._left.get(name):
                return answer
            self._left[name] -= 1
            self.garbled.append(name)
            return b"\xff" * max(len(answer), 8)

        if name in ("ExecutePlan", "ReattachExecute"):
            return grpc.unary_stream_rpc_method_handler(
                lambda request, _: (garble(each) for each in self._channel.unary_stream(method)(request))
            )
        return grpc.unary_unary_rpc_method_handler(lambda request, _: garble(self._channel.unary_unary(method)(request)))


@contextmanager
def garbled(engine: Engine, *calls: str) -> Iterator[tuple[str, Garbling]]:
    between = grpc.server(ThreadPoolExecutor(4))
    garbling = Garbling(engine.address, *calls)
    between.add_generic_rpc_handlers((garbling,))
    port = between.add_insecure_port("127.0.0.1:0")
    between.start()
    try:
        yield f"sc://127.0.0.1:{port}", garbling
    finally:
        between.stop(None)


def test_an_answer_that_cannot_be_read_is_asked_for_again(engine: Engine) -> None:
    with garbled(engine, "Config", "AnalyzePlan") as (address, garbling), Engine.start(address) as remote:
        assert remote.session.conf.get("spark.sql.session.timeZone") == "UTC"
        frame = remote.session.range(3)
        assert frame.columns == ["id"]
        assert frame.toArrow().column("id").to_pylist() == [0, 1, 2]
        assert garbling.garbled == ["Config", "Config", "AnalyzePlan", "AnalyzePlan"]


def test_rows_that_cannot_be_read_are_an_error(engine: Engine) -> None:
    with (
        garbled(engine, "ExecutePlan") as (address, _),
        Engine.start(address) as remote,
        pytest.raises(SparkConnectException, match="deserializing"),
    ):
        remote.session.range(3).toArrow()


def test_rows_that_cannot_be_read_are_asked_for_again_by_what_reads_alone(engine: Engine) -> None:
    with garbled(engine, "ExecutePlan") as (address, garbling), Engine.start(address) as remote:
        rows = asked_again(lambda: remote.session.range(3).toArrow())
        assert rows.column("id").to_pylist() == [0, 1, 2]
        assert garbling.garbled == ["ExecutePlan", "ExecutePlan"]
    with pytest.raises(ZeroDivisionError):
        asked_again(lambda: 1 // 0)


SHARED = """
import sys, os
from pathlib import Path
from spectra_assets.lakehouse import engine as engines
from spectra_assets.settings import Settings
settings = Settings(project=Path("."), lakehouse_root=".", engine_memory=64)
first = engines.shared(settings)
assert engines.shared(settings) is first
assert os.environ["SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE"] == str(64 * 2**20)
assert int(os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"]) > 7 * 86_400, "a list may be read for longer than Sail keeps a session"
folder = first._folder
first.session.stop()
second = engines.shared(settings)
assert second is not first and not first.running and not folder.exists()
third = engines.shared(settings.model_copy(update={"engine_memory": 128}))
assert not second.running and third.session.range(5).count() == 5
frame = third.session.range(3_000_000).selectExpr("id", "cast(id * 7919 % 1000003 as string) k")
assert frame.orderBy("k").agg({"id": "sum"}).collect()[0][0] == sum(range(3_000_000))
print(third._folder)
"""


def test_the_shared_engine_is_one_is_restarted_and_ends_with_its_process() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SAIL_", "RUST_LOG"))}
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()


LEFT = """
import os, signal, sys
from pathlib import Path
from spectra_assets.lakehouse.engine import Engine
engine = Engine.start(memory_mb=64)
print(engine._folder, flush=True)
os.utime(engine._folder, (0, 0))
if sys.argv[1] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
engine.stop()
"""


def test_what_killed_processes_left_goes_and_what_living_ones_hold_stays(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}

    def begun(how: str) -> tuple[subprocess.Popen[str], Path]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([sys.executable, "-c", LEFT, how], text=True, env=env, **pipes)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    living, held = begun("lives")
    killed, left = begun("dies")
    killed.communicate()
    unknown = tmp_path / "spectra-engine-of-nobody"  # whether it is in use can't be told
    unknown.mkdir()
    os.utime(unknown, (0, 0))
    assert left.exists()
    last, own = begun("lives")
    assert {file.name for file in tmp_path.glob("spectra-engine-*")} == {held.name, own.name, unknown.name}
    for process in (living, last):
        process.communicate("")
        assert process.returncode == 0
    assert [file.name for file in tmp_path.glob("spectra-*")] == [unknown.name]


def test_an_engine_that_does_not_start_leaves_nothing(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "SAIL_EXECUTION__BATCH_SIZE": "many"}
    start = "from spectra_assets.lakehouse.engine import Engine; Engine.start()"
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, env=env, check=False)
    assert "BATCH_SIZE" in done.stderr
    assert not list(tmp_path.glob("spectra-*"))


def test_a_forked_child_does_not_take_its_parents_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(project=Path(), lakehouse_root="", engine_memory=engine.memory_mb)
    monkeypatch.setattr(engines, "_shared", engine)
    assert engines.shared(settings) is engine
    monkeypatch.setattr(engine, "_pid", -1)
    assert not engine.running
    engine.stop()
    monkeypatch.undo()
    assert engine.running
