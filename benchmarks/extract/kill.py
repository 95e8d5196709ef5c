"""Extractions killed at random moments, each continued by the next run, compared with one that nobody disturbed.

    python -m benchmarks.extract.kill --kills 50

The API answers from a process of its own; each extraction is a process that is killed (SIGKILL) at a random moment between its
start and the end an undisturbed one would have. After the last kill a run goes on to its end. The figures: whether the final
table is the same, row by row, and how many pages were fetched more than once, per kill (at most those in flight may be).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.extract.small import GROUPS, ITEMS, URL, Extracts, SmallApi
from spectra_assets.lakehouse.raw import Attempts
from spectra_assets.settings import load

IN_FLIGHT = 8
VOLATILE = ("requestId", "seenAt")
_SPAWN = multiprocessing.get_context("spawn")
_FORK = multiprocessing.get_context("fork")


def measure(kills: int, seed: int, groups: int, items: int, folder: Path) -> dict[str, Any]:
    """Kill `kills` extractions of groups × items rows; the facts as JSON values."""
    chance = random.Random(seed)  # noqa: S311  (moments of a test)
    ours, theirs = _SPAWN.Pipe()
    server = _SPAWN.Process(target=_serve, args=(theirs, groups, items), daemon=True)
    server.start()
    os.environ[URL] = ours.recv()
    whole = _run(folder / "whole")
    seconds = _timed(whole)
    undisturbed, wanted = _asked(), _content(folder / "whole")
    moments, twice, most, rounds = [], 0, 0, 0
    ours.send("forget")
    ours.recv()
    while len(moments) < kills:
        rounds += 1
        target = folder / f"killed{rounds}"
        _killed_until_done(target, seconds, chance, kills, moments)
        asked = _asked()
        repeated = sum(count - undisturbed[address] for address, count in asked.items())
        died = len([moment for moment in moments if moment[0] == rounds])
        twice, most = twice + max(repeated, 0), max(most, -(-repeated // max(died, 1)))
        if _content(target) != wanted:
            raise SystemExit(f"after {died} kills in round {rounds} the table differs from that of an undisturbed run")
        ours.send("forget")
        ours.recv()
    server.kill()
    return {
        "kills": len(moments),
        "rounds": rounds,
        "seconds": round(seconds, 2),
        "rows": groups * items,
        "requests": sum(undisturbed.values()),
        "fetched again": twice,
        "fetched again per kill": round(twice / max(len(moments), 1), 2),
        "most per kill in a round": most,
        "in flight": IN_FLIGHT,
        "table, as undisturbed": wanted,
    }


def _killed_until_done(target: Path, seconds: float, chance: random.Random, kills: int, moments: list[tuple[int, float]]) -> None:
    """Kill runs of one lakehouse until enough were, or one came to its end before its moment; then let one end."""
    number = int(target.name.removeprefix("killed"))
    in_round = 0
    while len(moments) < kills and in_round < 10:
        run = _run(target)
        moment = chance.uniform(0, seconds)
        ended = run.done.poll(moment)
        if ended:
            run.process.join()
            return
        run.process.kill()
        run.process.join()
        moments.append((number, moment))
        in_round += 1
    _timed(_run(target))


class _Run:
    """A process that extracts; `done` has something to receive when it has come to its end."""

    def __init__(self, process: Any, done: Connection) -> None:
        self.process = process
        self.done = done


def _run(target: Path) -> _Run:
    """Started, and at the point where the items' extraction begins."""
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=_extract, args=(target, theirs))
    process.start()
    theirs.close()
    if ours.recv() != "begins":
        raise SystemExit("the extraction did not begin")
    return _Run(process, ours)


def _timed(run: _Run) -> float:
    begun = time.monotonic()
    if run.done.recv() != "done":
        raise SystemExit("the extraction failed")
    run.process.join()
    return time.monotonic() - begun


def _extract(target: Path, told: Connection) -> None:
    """In a process of its own."""
    from spectra_assets.lakehouse.engine import shared

    made = Extracts(target, shared(load({})), IN_FLIGHT)
    run = f"{os.getpid()}run"
    if not made.lakehouse.exists(made.covenant.table(GROUPS).ref):
        made.deliver(GROUPS, run)
    told.send("begins")
    made.deliver(ITEMS, run)
    told.send("done")


def _content(target: Path) -> str:
    """What tells the final table from another. In a process of its own: one that has read Delta can't be forked."""
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=_digest, args=(target, theirs))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    return str(found)


def _digest(target: Path, told: Connection) -> None:
    from spectra_assets.lakehouse.store import Lakehouse
    from spectra_assets.names import TableRef

    lakehouse = Lakehouse(str(target), "small")
    states = [manifest.state for _, manifest in Attempts(lakehouse, "item").all()]
    if states != ["complete"]:
        raise SystemExit(f"the attempts of {target} are {states}")
    rows = lakehouse.read(TableRef.parse(ITEMS)).sort_by("sequence").to_pylist()
    texts = [json.dumps({name: value for name, value in row.items() if name not in VOLATILE}) for row in rows]
    told.send(f"{len(texts)} rows, {sha256(chr(10).join(texts).encode()).hexdigest()}")


def _serve(told: Connection, groups: int, items: int) -> None:
    with SmallApi(groups, items, tag=False, latency=0.01) as api:
        told.send(api.url)
        while told.recv() == "forget":
            api.forget()
            told.send("forgotten")


def _asked() -> Counter[str]:
    with urlopen(f"{os.environ[URL]}/__asked") as answer:  # noqa: S310  (loopback)
        return Counter({address: count for address, count in json.load(answer).items() if "/items" in address})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--items", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill") as folder:
        print(json.dumps(measure(given.kills, given.seed, given.groups, given.items, Path(folder)), indent=1))


if __name__ == "__main__":
    main()
