"""The whole pipeline against a stand-in in a process of its own: wall time, CPU seconds per stage, peak memory.

    python -m benchmarks.pipeline --executions 2000 --repeat 3
    python -m benchmarks.pipeline --executions 100000

Beside it, in the same run, the limit of Extract: the very requests that it sent, sent again by the bare HTTP client of Python
over one connection, bodies thrown away.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).parent.parent
VARIABLES = ("ZEPHYR_BASE_URL", "ZEPHYR_API_TOKEN")


@contextmanager
def standin(executions: int) -> Iterator[dict[str, str]]:
    """A stand-in in its own process: the variables that point to it."""
    command = [sys.executable, "-m", "spectra_assets.engine.cli", "serve-standin", "--executions", str(executions), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout is not None
    try:
        served = json.loads(process.stdout.readline())
        yield dict(zip(VARIABLES, (served["base_url"], served["token"]), strict=True))
    finally:
        process.terminate()
        process.wait()


def measured_run(executions: int) -> dict[str, Any]:
    """One pipeline from nothing, in a process of its own; what that process measured of itself."""
    folder = Path(tempfile.mkdtemp(prefix="spectra-bench-"))
    try:
        shutil.copytree(REPOSITORY / "playbooks", folder / "playbooks")
        (folder / "covenants").mkdir()
        (folder / "lessons").mkdir()
        with standin(executions) as variables:
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("SPECTRA_")},
                **variables,
                "SPECTRA_PROJECT": str(folder),
                "DAGSTER_HOME": str(folder / ".dagster"),
            }
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.pipeline", "--inside"],
                cwd=REPOSITORY,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(done.stderr[-4000:])
            answer = dict(json.loads(done.stdout.splitlines()[-1]))
            answer["bare_requests"] = bare_requests(variables, answer.pop("requests"))
        return answer
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bare_requests(variables: dict[str, str], targets: list[str]) -> dict[str, float]:
    """The limit of Extract: the same GETs by http.client over one connection."""
    parts = urlsplit(variables["ZEPHYR_BASE_URL"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    headers = {"Authorization": f"Bearer {variables['ZEPHYR_API_TOKEN']}"}
    begun, cpu, size = time.perf_counter(), time.process_time(), 0
    for target in targets:
        connection.request("GET", target, headers=headers)
        size += len(connection.getresponse().read())
    return {
        "requests": len(targets),
        "megabytes": round(size / 1e6, 1),
        "wall": round(time.perf_counter() - begun, 1),
        "cpu": round(time.process_time() - cpu, 1),
    }


def inside() -> None:
    """Run in the measured process: the sentence, and what it cost."""
    begun = time.perf_counter()
    from spectra_assets.engine.console import Console
    from spectra_assets.engine.run import run_sentence
    from spectra_assets.lakehouse.store import Lakehouse
    from spectra_assets.names import TableRef
    from spectra_assets.settings import load

    class Meter(Console):
        """Adds each table's CPU seconds to its stage: tables are made one after the other."""

        def started(self, table: Any) -> None:
            self.begun = _cpu()
            super().started(table)

        def finished(self, outcome: Any, results: Any, error: Any) -> None:
            stage = outcome.table.split(".", 1)[0]
            cost[stage] = cost.get(stage, 0.0) + _cpu() - self.begun
            wall[stage] = wall.get(stage, 0.0) + (outcome.finished_at - outcome.started_at).total_seconds()
            super().finished(outcome, results, error)

    cost: dict[str, float] = {}
    wall: dict[str, float] = {}
    summary = run_sentence("create SPECTRA pipeline for zephyr", load(), Meter(quiet=True))
    if not summary.ok:
        raise SystemExit(summary.problem)
    rows = Lakehouse(load().lakehouse_root, "zephyr").read(TableRef("log", "requests")).to_pylist()
    total = _cpu()
    print(
        json.dumps(
            {
                "wall": round(time.perf_counter() - begun, 1),
                "cpu": round(total, 1),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "cpu_per_stage": {stage: round(seconds, 1) for stage, seconds in cost.items()},
                "wall_per_stage": {stage: round(seconds, 1) for stage, seconds in wall.items()},
                "cpu_outside_tables": round(total - sum(cost.values()), 1),
                "requests": [_target(row) for row in rows if row["table"].startswith("extract.")],
            }
        )
    )


def _target(row: dict[str, Any]) -> str:
    import re

    base = "/flex/services/rest/latest"
    path = re.sub(r"\{[^}]+\}", str(row["parent"]), row["path"])
    if path.startswith("/v4/"):
        base, path = "/flex/services/rest", path
    return base + path + (f"?{row['query']}" if row["query"] else "")


def _cpu() -> float:
    used = os.times()
    return used.user + used.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside()
        return
    runs = []
    for _ in range(arguments.repeat):
        runs.append(measured_run(arguments.executions))
        print(json.dumps(runs[-1]), file=sys.stderr)
    middle = {name: statistics.median(run[name] for run in runs) for name in ("wall", "cpu", "peak_mb")}
    print(
        f"{arguments.executions:,} executions, median of {len(runs)}: {middle['wall']} s wall, {middle['cpu']} CPU s, peak {middle['peak_mb']:.0f} MB"
    )
    last = runs[-1]
    for stage, seconds in last["cpu_per_stage"].items():
        print(f"  {stage:<10} {seconds:>6} CPU s  {last['wall_per_stage'][stage]:>6} s wall")
    print(f"  {'between':<10} {last['cpu_outside_tables']:>6} CPU s  (start, planning, Dagster's records)")
    bare = last["bare_requests"]
    print(
        f"  limit of Extract: the same {bare['requests']:,.0f} requests ({bare['megabytes']} MB), bare: {bare['wall']} s wall, "
        f"{bare['cpu']} CPU s; Extract needs {last['wall_per_stage']['extract'] / max(bare['wall'], 0.1):.1f} times the wall time"
    )


if __name__ == "__main__":
    main()
