"""Runs of a pipeline in this process, recorded in the instance that the UI shows."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from filelock import FileLock

from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import StorageError
from spectra_assets.graph.assets import BACKFILL, PROVEN, REPLAY, TRUST, asset_key
from spectra_assets.graph.build import definitions, job_name
from spectra_assets.graph.progress import Watcher, watched_by
from spectra_assets.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_INSTANCE = """\
# What `solution-engine` and `make dev` set; yours to change.
storage:
  custom:  # Dagster's SQLite files with connections that are kept; without this entry Dagster reads the same files, slower
    module: spectra_assets.graph.storage
    class: PooledSqliteStorage
    config:
      base_dir:
        env: DAGSTER_HOME
telemetry:
  enabled: false
nux:
  enabled: false
run_monitoring:  # for runs of which nothing else tells that they are over; one that was killed here is noticed at the next look
  enabled: true
  max_runtime_seconds: 604800
"""


@dataclass(frozen=True)
class RunResult:
    """How one run ended."""

    run_id: str
    success: bool


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME, set to `.dagster/` of the project where it is not set, with a `dagster.yaml` if there is none.

    Raises StorageError if it can't be written.
    """
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(settings.project / ".dagster")))
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".spectra.lock").touch()
    except OSError as error:
        told = f"Dagster's records can't be kept in {home}: {error.strerror}"
        raise StorageError(f"{told}; set DAGSTER_HOME to a folder that can be written") from None
    with FileLock(home / ".spectra.lock", timeout=60):  # two processes that open a fresh home at once can spoil it
        if not (home / "dagster.yaml").exists():
            (home / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
        if not (home / "history").exists():
            with dg.DagsterInstance.get():
                pass
    return home


def run(
    covenant: Covenant,
    tables: Collection[str],
    settings: Settings,
    watcher: Watcher,
    replay: str | None = None,
    backfill: Mapping[str, Sequence[str]] | None = None,
    trusts: bool = False,
) -> RunResult:
    """Materialise these tables (`stage.table`) in one run; `watcher` hears of each. Failures are in the result, not raised.

    `replay` says from what they are made again: with `raw`, Extract reads the raw pages and asks no API. `backfill` gives Extract
    tables and the parents whose lists are read again, all if none is named. `trusts`: see stages/trust.py.
    """
    dagster_home(settings)
    loaded = definitions([covenant], settings)
    job = loaded.resolve_job_def(job_name(covenant.source))
    with dg.DagsterInstance.get() as instance, watched_by(watcher):
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[asset_key(covenant, name) for name in tables],
            raise_on_error=False,
            run_config=_QUIET,
            tags=({REPLAY: replay} if replay else {})
            | ({BACKFILL: json.dumps(backfill)} if backfill else {})
            | ({TRUST: PROVEN} if trusts else {}),
        )
    return RunResult(result.run_id, result.success)
