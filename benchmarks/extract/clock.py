"""The machine's clock jumps between runs and within a run: every table must be the truth all the same, and no run may wait for long.

    apt-get download libfaketime && dpkg -x libfaketime_*.deb faketime
    python -m benchmarks.extract.clock faketime/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1

Each run is a process of its own whose wall clock libfaketime sets (the monotonic clock goes on, as it does when a real clock is set).
Rows are changed, added and deleted between the runs; all but the sweeps ask for what changed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.extract.small import URL
from tests.stages.changing import Changing, ChangingApi, Row

LONGEST = 120.0
"""Seconds that a run may take."""

RUNS: tuple[tuple[str, str, str | None], ...] = (
    ("as it is", "+0", None),
    ("an hour back", "-1h", None),
    ("a year back", "-365d", None),
    ("as it is again", "+0", None),
    ("ten years ahead", "+3650d", None),
    ("as it is once more", "+0", None),
    ("back by a day within the run", "+0", "-1d"),
    ("ahead by a year within the run", "+0", "+365d"),
    ("before 1980", "-20000d", None),
    ("as it is in the end", "+0", None),
)
"""(what happens to the clock, offset at the beginning, offset from the third page on)."""


def child(folder: Path, run: str) -> None:
    """One run of both tables."""
    from spectra_assets.lakehouse.engine import shared
    from spectra_assets.settings import load

    made = Changing(folder, shared(load({})), records="items")
    delivery = made.both(run)
    merge = delivery.draft.evidence.get("merge")
    print(json.dumps({"found": made.found(), "status": delivery.outcome.status, "asked": "changes" if merge else "everything"}))


def change(api: ChangingApi, chance: random.Random, number: int) -> None:
    """Rows change, come and go, as a source's do: the time of change goes by the source's clock, which is right."""
    hour = 1_000.0 + number
    for row in chance.sample(api.rows, 5):
        row.name, row.updated = f"changed {number}", hour
    group = chance.choice(api.groups)
    api.rows.append(Row(group * 1000 + 500 + number, group, f"new {number}", hour))
    api.rows.remove(chance.choice(api.rows))


def main() -> None:
    """Print one JSON object for each run. Exits with 1 if a table was not the truth, or a run waited."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("library", type=Path, help="libfaketime.so.1")
    options.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        child(Path(given.child[0]), given.child[1])
        return
    if not given.library.is_file():
        options.error(f"there is no {given.library}")
    api, chance = ChangingApi(total=True), random.Random(7)  # noqa: S311  (the same changes each time)
    api.fill(35)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        offset = Path(name) / "offset"
        for number, (what, begin, later) in enumerate(RUNS):
            change(api, chance, number)
            offset.write_text(begin)
            pages = iter(range(10_000))
            api.between = lambda _, pages=pages, later=later: later and next(pages) == 2 and offset.write_text(later)  # type: ignore[misc]
            told, seconds = _run(given.library, Path(name) / "lakehouse", f"run{number}", api.url, offset)
            right = [tuple(row) for row in told.pop("found", [])] == api.truth()
            wrong += not right or seconds > LONGEST
            print(json.dumps({"clock": what, **told, "table is the truth": right, "seconds": round(seconds, 1)}))
    api.close()
    sys.exit(bool(wrong))


def _run(library: Path, folder: Path, run: str, url: str, offset: Path) -> tuple[dict[str, Any], float]:
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    begun = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.extract.clock", str(library), "--child", str(folder), run]
    done = subprocess.run(
        command, env={**os.environ, **faked, URL: url}, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    seconds = time.monotonic() - begun
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:300]}, seconds
    return json.loads(done.stdout.splitlines()[-1]), seconds


if __name__ == "__main__":
    main()
