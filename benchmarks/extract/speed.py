"""Extract side by side with other programs, in one run: CPU seconds of the whole process tree, wall seconds, peak memory.

    python -m benchmarks.extract.speed --items 100000                    every program, three times, medians
    python -m benchmarks.extract.speed --items 1000000 --repeat 1 --only spectra-extract,spectra-clean,dlt-arrow
    python -m benchmarks.extract.speed --items 100000 --latency 20 --in-flight 64 --only spectra-extract

The server (rendered.py) runs in a process of its own; its ceiling is the row `server`: the same requests by http.client over one
connection, bodies thrown away. Peers (peers.py) run in an environment of their own, made by pip in a temporary folder, or the one
given with --peers. Start and imports of each program count.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.extract.ours import REPOSITORY, URL
from benchmarks.extract.rendered import PAGE, folder_size, serve, sizes

PEERS = ("dlt", "dlt-arrow", "pandas", "limit-raw", "limit-typed")
PROGRAMS = ("server", "spectra-extract", "spectra-clean", *PEERS)
NEEDED = ("dlt[deltalake]", "requests", "pandas", "pyarrow", "msgspec")


def environment(folder: Path) -> Path:
    """The Python of an environment with the peers, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *NEEDED], check=True)
    return python


def measured(command: list[str], variables: dict[str, str]) -> dict[str, Any]:
    """Run a program to its end. `cpu`: seconds of it and all its children; `peak`: MB of the largest of these processes."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as problems:
        process = subprocess.Popen(command, stdout=out, stderr=problems, cwd=REPOSITORY, env={**inherited, **variables})
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        problems.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: {problems.read().decode()[-3000:]}")
        said = out.read().decode().strip()
    return {
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "wall": round(wall, 2),
        "peak": round(used.ru_maxrss / 1024),
        "said": said,
    }


def run(program: str, url: str, python: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One program, once, into a folder that goes again."""
    with tempfile.TemporaryDirectory(prefix="speed-", dir=given.folder) as place:
        folder = Path(place)
        if program == "server":
            return ceiling(url, given.items)
        if program in PEERS:
            # -P: the modules beside it are none of the peers' (one is called queue)
            fact = measured([str(python), "-P", str(Path(__file__).with_name("peers.py")), program, url, str(folder)], {})
        else:
            shutil.copytree(given.plan, folder, dirs_exist_ok=True)
            variables = {URL: url, "SPECTRA_IN_FLIGHT": str(given.in_flight), "PYTHONPATH": str(REPOSITORY)}
            command = [sys.executable, "-m", "benchmarks.extract.ours", program.removeprefix("spectra-"), str(folder)]
            fact = measured(command, variables)
            fact["tables"] = json.loads(fact["said"].splitlines()[-1])
            executions = next(each for each in fact["tables"] if each["table"] == "extract.executions")
            fact |= {"reading": executions["wall"], "requests": executions["requests"]}
        return {**fact, "disk": round(folder_size(folder) / 1e6)}


def ceiling(url: str, items: int) -> dict[str, Any]:
    """All pages of executions by one bare connection: what server and socket alone take."""
    begun, used, size = time.monotonic(), time.process_time(), 0
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    for phase in range(1, sizes(items)["phase"] + 1):
        for offset in range(0, 1000, PAGE):
            connection.request("GET", f"/phases/{phase}/executions?offset={offset}&size={PAGE}")
            size += len(connection.getresponse().read())
    wall = time.monotonic() - begun
    return {"cpu": round(time.process_time() - used, 2), "wall": round(wall, 2), "peak": 0, "disk": 0, "MB": round(size / 1e6)}


def compare(given: argparse.Namespace, pipe: Connection, url: str) -> dict[str, dict[str, Any]]:
    """Every program `repeat` times, taking turns; medians. `reading`: wall seconds of the table of executions alone."""
    python = environment(given.peers) if set(given.only) & set(PEERS) else Path(sys.executable)
    facts: dict[str, list[dict[str, Any]]] = {program: [] for program in given.only}
    for _ in range(given.repeat):
        for program in given.only:
            pipe.send(given.latency / 1000)
            before = pipe.recv()
            fact = run(program, url, python, given)
            pipe.send(given.latency / 1000)
            fact["server"] = round(pipe.recv() - before, 2)
            facts[program].append(fact)
            print(json.dumps({"program": program, **{k: v for k, v in fact.items() if k != "said"}}), file=sys.stderr, flush=True)
    middle: dict[str, dict[str, Any]] = {}
    for program, runs in facts.items():
        middle[program] = {
            name: statistics.median(each[name] for each in runs)
            for name in ("cpu", "wall", "peak", "disk", "server", "reading", "requests")
            if name in runs[0]
        }
    return middle


def measure(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """`compare`, with a server and a plan made for it. `given` is what the command line gives."""
    with tempfile.TemporaryDirectory(prefix="speed-plan-", dir=given.folder) as place:
        given.plan = Path(place) / "plan"
        given.plan.mkdir()
        given.peers = given.peers or Path(place) / "peers"
        pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, given.items), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{pipe.recv()}"
        try:
            measured(
                [sys.executable, "-m", "benchmarks.extract.ours", "plan", str(given.plan)],
                {URL: url, "PYTHONPATH": str(REPOSITORY)},
            )
            return compare(given, pipe, url)
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0, help="milliseconds")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PROGRAMS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--peers", type=Path, help="environment with the peers; made there if it is none")
    given = parser.parse_args()
    middle = measure(given)
    print(
        f"{given.items:,} executions, {given.latency:g} ms latency, median of {given.repeat}; CPU s, wall s, peak MB, disk MB, server CPU s"
    )
    for program, fact in middle.items():
        print(
            f"  {program:<16} {fact['cpu']:>8.1f} {fact['wall']:>8.1f} {fact['peak']:>6.0f} {fact['disk']:>6.0f} {fact['server']:>6.1f}"
        )


if __name__ == "__main__":
    main()
