"""The goals for Extract, each beside what this machine makes of it: one command, some ten minutes with nothing else running.

    python -m benchmarks.extract.goals [--peers <folder>] [--many 1000000] [--few 100000]

Programs are those of speed.py, second runs those of unchanged.py. One run of each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.extract import speed

OURS = ("spectra-extract", "spectra-clean")
BOTH = "Extract + Clean"


class Goal(NamedTuple):
    """`least`: the goal is reached from there on up; else from there on down."""

    what: str
    goal: float
    found: float
    told: str
    least: bool = True

    def __str__(self) -> str:
        met = self.found >= self.goal if self.least else self.found <= self.goal
        return f"| {self.what} | {self.goal:g} | {self.found:.2f} | {'yes' if met else 'no'} | {self.told} |"


def main() -> None:
    """Measure and print, a line as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=100_000)
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir(), "speed-peers"))
    given = parser.parse_args()
    print("| what | goal | measured | reached | |\n|---|---|---|---|---|")
    for goal in goals(given):
        print(goal, flush=True)


def goals(given: argparse.Namespace) -> Iterator[Goal]:
    """Each as soon as it was measured."""
    many = measure(given, given.many, (*OURS, "dlt-arrow", "limit-raw"))
    few = measure(given, given.few, OURS)
    peer, limit = many["dlt-arrow"]["cpu"], many["limit-raw"]["cpu"]
    for program, name, times in zip(OURS, ("Extract", BOTH), (5, 3), strict=True):
        cpu, peak = many[program]["cpu"], many[program]["peak"]
        told = f"{cpu:.1f} CPU s of {peer:.1f}; the limit program, which checks nothing, {limit:.1f}"
        yield Goal(f"{name}, {given.many:,}: times cheaper than dlt with Arrow pages", times, peer / cpu, told)
        yield Goal(f"{name}, {given.many:,}: peak MB", 600, peak, f"dlt {many['dlt-arrow']['peak']:.0f} MB", least=False)
        grown = f"{few[program]['peak']:.0f} MB at {given.few:,}"
        yield Goal(f"{name}: times the memory at {given.few:,}", 1.2, peak / few[program]["peak"], grown, least=False)
    for latency in (20, 100):
        for in_flight in (16, 64):
            fact = measure(given, given.few, OURS[:1], latency, in_flight)[OURS[0]]
            floor = fact["requests"] * latency / 1000 / in_flight
            told = f"{fact['reading']:.1f} s of {floor:.1f} for {fact['requests']:,} requests"
            yield Goal(f"{latency} ms, {in_flight} in flight: share of concurrency ÷ latency", 0.9, floor / fact["reading"], told)
    for items in (given.many, given.few):
        for name, more in (("ETags", []), ("a time of change", ["--cursor"])):
            command = [sys.executable, "-m", "benchmarks.extract.unchanged", "--items", str(items), *more]
            said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
            first, *_, last = (run["cpu"] for run in said["runs"])
            yield Goal(f"{items:,} unchanged, by {name}: times cheaper", 20, said["times cheaper"], f"{first} and {last} CPU s")


def measure(
    given: argparse.Namespace, items: int, programs: tuple[str, ...], latency: float = 0, in_flight: int = 16
) -> dict[str, dict[str, Any]]:
    """What speed.py makes of these programs, in one run."""
    facts = {"items": items, "only": list(programs), "latency": latency, "in_flight": in_flight, "repeat": 1}
    return speed.measure(argparse.Namespace(**facts, peers=given.peers, folder=Path(tempfile.gettempdir())))


if __name__ == "__main__":
    main()
