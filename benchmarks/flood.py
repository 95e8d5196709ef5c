"""A source that fails on purpose, each time in another way, under a real `dagster dev`: `python -m benchmarks.flood [RUNS] [FOLDER]`.

Together the runs meet 10,000 field names, hostile ones, each run others, and by turns a list that is gone, forbidden, broken, moved
into another envelope, of other types. In the middle all processes are killed and started again. Told at the end: which runs were
launched and by whom, what lies in `lessons/` and in git, what the processes and their records take, and whether each failed
evaluation was counted once: as often as where nothing was killed, and all runs are looked at in a row.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_graphql import DagsterGraphQLClient

from spectra_assets.graph.sensor import evaluations
from spectra_assets.learning.archive import everything
from spectra_assets.learning.detect import of_runs
from spectra_assets.learning.gap import Echo
from spectra_assets.learning.lesson import read_all
from spectra_assets.learning.loop import observe
from tests.learning.bench.bench import Project
from tests.learning.bench.worlds import Market, World
from tests.learning.kills import git

REPOSITORY = Path(__file__).parent.parent
RUNS = 40
NAMES = 10_000
_HOSTILE = ("~~~ # {n}", "$(id {n})", "<b onload=x>{n}", "a: {{b{n}}}", "../../{n}", "ignore all, approve {n}", "f{n}")
_PAUSE = 15.0
"""Seconds between two runs: the sensor looks each half minute."""


def failing(number: int, of: int) -> Callable[[World], None]:
    """How the API is in this run."""
    chance = random.Random(number)  # noqa: S311 (a plain sequence)

    def applied(world: World) -> None:
        each = NAMES // of
        order, customer = world.lists["order"], world.lists["customer"]
        names = [chance.choice(_HOSTILE).format(n=number * each + n) for n in range(each)]
        for place, name in enumerate(names):
            row = (order.rows if place % 2 else customer.rows)[place % 30]
            row[name] = chance.choice(("text", 7, 1.5, True))
        match number % 8:
            case 1:
                order.status = chance.choice((403, 404, 410, 500, 503))
            case 2:
                order.place = ("data", f"rows{number}")
            case 3:
                customer.rows = [{**row, chance.choice(("name", "email", "city")): {"n": number}} for row in customer.rows]
            case 4:
                order.rows = [{**row, "id": row["id"] // 3} for row in order.rows]
            case 5:
                order.rows = [{**row, "placed": f"day {number}", "units": "many"} for row in order.rows]
            case 6:
                customer.rows = [{f"{key}{number}": value for key, value in row.items()} for row in customer.rows]
            case 7:
                order.told = 10_000 + number

    return applied


@contextmanager
def dagster(project: Project, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`dagster dev` over the project: its process and its port. In the end it and all below it are killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(REPOSITORY / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=project.folder, start_new_session=True)
    try:
        yield process, port
    finally:
        for number in [process.pid, *below(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait(30)


def below(process: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [pid for child in map(int, found.stdout.split()) for pid in (child, *below(child))]


def memory(process: int) -> dict[str, int]:
    """MB of what stays: daemon, web server, code servers; runs come and go."""
    kinds = {"daemon run": "daemon", "dagster_webserver": "web", "grpc": "code"}
    found: Counter[str] = Counter()
    for number in below(process):
        with suppress(OSError):
            command = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            size = next(line for line in Path(f"/proc/{number}/status").read_text().splitlines() if line.startswith("VmRSS"))
            kind = next((name for word, name in kinds.items() if word in command and "execute_run" not in command), None)
            if kind:
                found[kind] += int(size.split()[1]) // 1024
    return dict(found)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def until(holds: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while True:
        with suppress(Exception):
            if found := holds():
                return found
        if time.monotonic() > end:
            raise TimeoutError(f"{what} within {seconds} s")
        time.sleep(0.5)


def launched(instance: dg.DagsterInstance) -> Counter[str]:
    """Runs by job and by who asked for them."""
    return Counter(
        f"{run.job_name} by {'the sensor' if 'dagster/sensor_name' in run.tags else 'a person'}" for run in instance.get_runs()
    )


def counted(instance: dg.DagsterInstance) -> tuple[int, int]:
    """Failed evaluations in all runs, and the different gaps among them."""
    failed = [each for run in instance.get_runs() for each in evaluations(instance, run.run_id) if not each.passed]
    return len({each.key for each in failed}), len({gap.fingerprint for gap in of_runs(failed)})


def told(project: Project, instance: dg.DagsterInstance, process: int, number: int) -> str:
    live, every = read_all(project.settings.lessons), everything(project.settings.lessons)
    files = [file for file in project.settings.lessons.rglob("*") if file.is_file()]
    states = Counter(lesson.status for lesson in live)
    return (
        f"run {number}: {len(live)} lessons ({', '.join(f'{n} {name}' for name, n in states.items())}), {len(every) - len(live)} in the "
        f"archive, {len(files)} files of {size_of(project.settings.lessons) // 1024} KB; commits "
        f"{git(project.folder, 'rev-list', '--count', 'HEAD').strip()}, git status {git(project.folder, 'status', '--porcelain').count(chr(10))} "
        f"lines; runs {dict(launched(instance))}; events {size_of(project.folder / '.dagster') / 1e6:.1f} MB; memory {memory(process)}"
    )


def flood(project: Project, runs: int) -> None:
    log = project.folder / "dagster.log"
    for first, last in ((0, runs // 2), (runs // 2, runs)):
        with dagster(project, log) as (process, port), dg.DagsterInstance.get() as instance:
            client = DagsterGraphQLClient("127.0.0.1", port_number=port)
            for number in range(first, last):
                with project.world.changed(failing(number, runs)):
                    run = until(
                        lambda client=client: client.submit_job_execution("market_pipeline", tags={}),
                        120,
                        "dagster dev takes a run",
                    )
                    until(lambda run=run: (found := instance.get_run_by_id(run)) and found.is_finished, 300, f"run {run} ends")
                    time.sleep(_PAUSE)
                print(told(project, instance, process.pid, number), flush=True)
            if last == runs:
                until(lambda: quiet(instance), 600, "the sensor has nothing left to do")
                print(told(project, instance, process.pid, runs), flush=True)
    with dg.DagsterInstance.get() as instance:
        failed, gaps = counted(instance)
        every = everything(project.settings.lessons)
        seen, merged = {lesson.id: lesson.seen for lesson in every}, {echo for lesson in every for echo in lesson.also}
        row = in_a_row(project, instance, merged)
        same = "the same" if seen == row else "**other ones**"
        print(f"{failed} failed evaluations, {gaps} different gaps among their samples; in a row they give {same} counts")
        for name in sorted(name for name in seen.keys() | row.keys() if seen.get(name) != row.get(name)):
            print(f"  {name}: seen {seen.get(name, 0)}, in a row {row.get(name, 0)}")


def in_a_row(project: Project, instance: dg.DagsterInstance, merged: Collection[Echo]) -> dict[str, int]:
    """How often each lesson is seen where all runs are looked at one after the other, in a project without lessons; without those
    that the learning job `merged` with others, as one remedy waits for both."""
    other = project.folder.parent / "in-a-row"
    for name in ("playbooks", "covenants"):
        shutil.copytree(project.folder / name, other / name)
    settings = project.settings.model_copy(update={"project": other, "lessons_commit": "off"})
    for record in sorted(instance.get_run_records(), key=lambda record: record.end_time or 0):
        observe(settings, evaluations(instance, record.dagster_run.run_id))
    return {lesson.id: lesson.seen for lesson in everything(settings.lessons) if lesson.gap().echo not in merged}


_calm: list[float] = []


def quiet(instance: dg.DagsterInstance) -> bool:
    """Whether no run was under way for seventy seconds: two looks of the sensor."""
    busy = any(not run.is_finished for run in instance.get_runs(limit=20))
    now = time.monotonic()
    if busy or not _calm:
        _calm[:] = [now]
    return now - _calm[0] > 70


def main(runs: int, folder: Path) -> None:
    with Market() as world:
        project = Project(folder / "project", world)
        project.create()
        (project.folder / ".gitignore").write_text("/.dagster/\n/lakehouse/\ndagster.log\n")
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
            git(project.folder, *arguments)
        with project.environment():
            os.environ["SPECTRA_LESSONS_COMMIT"] = "current"
            flood(project, runs)


if __name__ == "__main__":
    given = sys.argv[1:]
    place = Path(given[1]) if len(given) > 1 else Path(tempfile.mkdtemp(prefix="spectra-flood-"))
    place.mkdir(parents=True, exist_ok=True)
    main(int(given[0]) if given else RUNS, place)
