"""A run whose process is killed is told as failed by whoever looks next; one that lives is left alone."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from spectra_assets.graph import presence
from spectra_assets.graph.presence import bury, present
from spectra_assets.graph.resources import ProjectResource


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield instance


def started(instance: dg.DagsterInstance) -> str:
    run = instance.add_run(dg.DagsterRun(job_name="acme_pipeline", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED))
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value


def test_a_killed_run_failed_and_a_living_one_goes_on(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_YOUNG", 0.0)
    killed, unknown = started(instance), started(instance)
    lock = presence._file(instance, killed)
    if (child := os.fork()) == 0:
        with present(instance, killed):
            signal.pause()
        os._exit(0)
    while not lock.exists() or bury(instance):
        time.sleep(0.01)
    assert status(instance, killed) == "STARTED"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert bury(instance) == [killed]
    assert (status(instance, killed), status(instance, unknown), lock.exists()) == ("FAILURE", "STARTED", False)
    assert bury(instance) == []


def test_a_run_holds_its_lock_from_its_first_step_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "playbooks").mkdir()
    monkeypatch.setenv("SPECTRA_PROJECT", str(tmp_path))
    seen: list[bool] = []

    @dg.asset(resource_defs={"project": ProjectResource()})
    def table(context: dg.AssetExecutionContext) -> None:
        seen.append(presence._file(context.instance, context.run_id).exists())

    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        ended = dg.materialize([table], instance=instance)
        assert (seen, presence._file(instance, ended.run_id).exists()) == ([True], False)
