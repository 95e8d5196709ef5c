"""What a second extraction costs when nothing changed and the API has ETags, or takes a time of change (`--cursor`): CPU seconds
beside those of the first.

    python -m benchmarks.extract.unchanged --items 100000 [--cursor]

The API answers from a process of its own. Starting Python and the engine is not counted; making, judging and publishing are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.extract.small import BY_TIME, GROUPS, ITEMS, URL, Extracts, SmallApi, pipeline
from spectra_assets.lakehouse.engine import shared
from spectra_assets.settings import load

GROUPS_OF = 10
PAGE = 1000


def _serve(told: Connection, items: int, cursor: bool) -> None:
    with SmallApi(GROUPS_OF, items // GROUPS_OF, tag=not cursor, text=1000, timed=cursor) as api:
        told.send(api.url)
        told.recv()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--cursor", action="store_true")
    given = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, given.items, given.cursor), daemon=True)
    server.start()
    os.environ[URL] = ours.recv()
    with tempfile.TemporaryDirectory(prefix="unchanged") as folder:
        covenant = pipeline(page=PAGE, incremental=BY_TIME if given.cursor else None)
        made = Extracts(Path(folder), shared(load({})), covenant=covenant)
        made.deliver(GROUPS)
        made.engine.session.range(10).count()
        facts = []
        for run in ("first", "second", "third"):
            cpu, wall = time.process_time(), time.monotonic()
            delivery = made.deliver(ITEMS, run)
            assert delivery.outcome is not None
            facts.append(
                {
                    "run": run,
                    "status": delivery.outcome.status,
                    "rows": delivery.outcome.rows_out,
                    "cpu": round(time.process_time() - cpu, 2),
                    "wall": round(time.monotonic() - wall, 2),
                    **delivery.draft.evidence["tape"],
                }
            )
        raw = sum(file.stat().st_size for file in made.lakehouse.files("raw").rglob("*.zst"))
        times = float(facts[0]["cpu"]) / max(float(facts[-1]["cpu"]), 0.01)
        print(json.dumps({"runs": facts, "raw MB": round(raw / 1e6, 1), "times cheaper": round(times, 1)}, indent=1))
    server.kill()


if __name__ == "__main__":
    main()
