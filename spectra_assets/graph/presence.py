"""Which runs are really under way: a run's process holds a lock for as long as it lives, and no longer.

Dagster alone notices a run whose process was killed by its time limit, hours later; until then all that waits for the run would
wait with it: learning, and the runs by which a healed pipeline catches up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

_ROOM = "running"
_YOUNG = 10.0
"""Seconds of a lock's age below which its process may be about to take it."""

_GONE = (
    "Its process is gone: it was killed, or the machine went down. What it had published stays; the next run goes on from there."
)
_STATES = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@contextmanager
def present(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the run's lock."""
    file = _file(instance, run_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file, thread_local=False)
    lock.acquire(timeout=_YOUNG)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # first, so that nobody finds it free while the run is about to end
        lock.release()


def bury(instance: dg.DagsterInstance) -> list[str]:
    """Tell Dagster of runs whose process is gone: they failed. Their ids. Of a run that holds no lock here nothing is known."""
    gone = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_STATES)):
        if _is_gone(_file(instance, run.run_id)):
            instance.report_run_failed(run, _GONE)
            _file(instance, run.run_id).unlink(missing_ok=True)
            gone.append(run.run_id)
    return gone


def _is_gone(file: Path) -> bool:
    try:
        if time.time() - file.stat().st_mtime < _YOUNG:
            return False
        with FileLock(file, timeout=0):
            return file.exists()
    except (FileNotFoundError, Timeout):
        return False


def _file(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / _ROOM / f"{run_id}.lock"
