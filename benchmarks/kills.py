"""Real commands of the learning loop, killed at random moments: `python -m benchmarks.kills [--only WORD] [--rounds N] [FOLDER]`.

Three kinds, each in a repository and without one: `lessons approve`, the daemon's learning job as it is launched (`dagster job
execute`), and a whole `run` while it learns. Each process and all below it get SIGKILL once they have used a random amount of CPU
time since they began, or since they began to learn; each second one a random moment after it began to write. Then the next tick of the sensor, or the same command, must leave everything
whole: all of a lesson or nothing of it, nobody's litter, a clean tree, a repository that git finds sound.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.draft import is_draft
from spectra_assets.graph.learning import look
from spectra_assets.graph.sensor import learn
from spectra_assets.learning.apply import rule_id
from spectra_assets.learning.journal import JOURNAL
from spectra_assets.learning.lesson import read_all
from spectra_assets.learning.loop import observe
from tests.conformance.pipeline import new_project, rows_of
from tests.learning.bench.bench import Project
from tests.learning.bench.worlds import Market, World
from tests.learning.kills import git

BIN = Path(sys.executable).parent
FEW = "- {id: few-records, kind: setting, scope: {source: market}, name: sample_records, value: 10}"
_TICK = os.sysconf("SC_CLK_TCK")


_LONGEST = 500
"""Seconds on the clock for one command."""

_IMPORTS = 0.35
"""Share of a command's time in which it does nothing yet."""

_WRITES = 0.5
"""Seconds in which a remedy is written and committed, on a busy machine."""


@dataclass(frozen=True)
class Strike:
    """When a process is killed: after so many seconds of CPU, or so many on the clock after it began to write (`journal`)."""

    after: float
    journal: bool = False


@dataclass(frozen=True)
class Kind:
    """A command, what befalls the API before it, and the line of its output from which on it is killed. `again`: what follows is
    the same command; else the sensor's next tick and its job."""

    name: str
    change: Callable[[World], None]
    command: Callable[[Project], Sequence[str]]
    from_line: str = ""
    again: bool = False


def emptied(world: World) -> None:
    world.lists["order"].rows = []


def unseen(world: World) -> None:
    """A field that no sample shows."""
    world.lists["order"].rows = [
        {**row, "giftWrap": True} if 40 <= n < 50 else row for n, row in enumerate(world.lists["order"].rows)
    ]


KINDS = (
    Kind(
        "approve",
        emptied,
        lambda project: [str(BIN / "solution-engine"), "lessons", "approve", project.lessons[0].id],
    ),
    Kind("job", unseen, lambda _: [str(BIN / "dagster"), "job", "execute", "-m", "spectra_assets.definitions", "-j", "learn"]),
    Kind(
        "run",
        unseen,
        lambda project: [str(BIN / "solution-engine"), "run", f"create SPECTRA pipeline for {project.source}"],
        "Learn  ",
        again=True,
    ),
)


# ---------------------------------------------------------------- processes


def used(process: int) -> float:
    """Seconds of CPU that it, all below it, and those of these that ended, used."""
    found, waiting = 0.0, [process]
    while waiting:
        number = waiting.pop()
        with suppress(OSError, IndexError):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            found += sum(map(int, fields[11:15])) / _TICK
            tasks = Path(f"/proc/{number}/task").glob("*/children")
            waiting += [int(child) for task in tasks for child in task.read_text().split()]
    return found


def carried_out(project: Project, kind: Kind, strike: Strike | None) -> tuple[bool, float]:
    """The command, killed where `strike` says: whether it was, and the seconds of CPU that it used from its line on."""
    log, journal = project.folder / "dagster.log", project.settings.lessons / JOURNAL
    with log.open("wb") as out:
        process = subprocess.Popen(
            kind.command(project), stdout=out, stderr=subprocess.STDOUT, cwd=project.folder, start_new_session=True
        )
        since, last, begun = None, 0.0, time.monotonic()
        while process.poll() is None:
            last = used(process.pid)
            if since is None and kind.from_line in log.read_text(errors="replace"):
                since = last if kind.from_line else 0.0
            if strike is not None and strike.journal:
                due = journal.exists()
                time.sleep(strike.after if due else 0.0)
            else:
                due = strike is not None and since is not None and last - since >= strike.after
            if due or time.monotonic() - begun > _LONGEST:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if not due:
                    raise TimeoutError(f"{kind.name} does not end: {log.read_text(errors='replace')[-2000:]}")
                return True, last
            time.sleep(0.001 if strike is not None and strike.journal else 0.02)
    return False, last - (since or 0.0)


# ---------------------------------------------------------------- what must be whole


def unwhole(project: Project, commits: int, taken_over: bool = False) -> list[str]:
    """What is left half done, where the branch had so many commits of lessons' remedies before. With `taken_over` a whole run may
    have followed what the data gained: that is in its covenant, which a person commits, as is its document."""
    found = []
    folder, settings = project.folder, project.settings
    playbooks = "".join(file.read_text(encoding="utf-8") for file in settings.playbooks.rglob("*.md"))
    covenant = read(covenant_file(settings.covenants, project.source))
    brought = 0
    for lesson in read_all(settings.lessons):
        stands = lesson.status in ("applied", "verified")
        brought += stands
        if (f"{rule_id(lesson.id)}\n" in playbooks) != stands:
            found.append(f"{lesson.id} is {lesson.status}, and its rule {'is not there' if stands else 'is there'}")
        if lesson.status == "applied" and lesson.applied_version != covenant.version:
            found.append(f"the covenant is {covenant.version}, and {lesson.id} made {lesson.applied_version}")
    rooms = (settings.playbooks, settings.covenants, settings.lessons)
    mine = [room for room in rooms if not (taken_over and room == settings.covenants)]
    litter = [file.name for room in rooms for file in room.rglob("*") if file.is_file() and is_draft(file)]
    litter += [JOURNAL] if (settings.lessons / JOURNAL).exists() else []
    found += [f"left behind: {', '.join(litter)}"] if litter else []
    if (folder / ".git").is_dir():
        made = remedies(folder) - commits
        found += [f"{made} commits for {brought} remedies"] if made != brought else []
        told = git(folder, "status", "--porcelain", *(room.name for room in mine))
        dirty = [line for line in told.splitlines() if not line.startswith("?? lessons/")]
        found += [f"the tree is not clean: {dirty}"] if dirty else []
        found += ["git fsck complains"] if git(folder, "fsck", "--no-dangling", "--no-progress").strip() else []
    return found


def remedies(folder: Path) -> int:
    """Commits that brought a remedy."""
    lines = git(folder, "log", "--format=%s").splitlines() if (folder / ".git").is_dir() else []
    return sum(line.startswith("Lesson ") and ": rule " in line for line in lines)


def trial(kind: Kind, project: Project, strike: Strike) -> tuple[str, list[str]]:
    """One kill, and what follows: where the lesson stood right after it, and what is not whole then."""
    commits = remedies(project.folder)
    died, _ = carried_out(project, kind, strike)
    if not kind.again:
        observe(project.settings, ())  # what each tick begins with
    told = "/".join(sorted(lesson.status for lesson in project.lessons)) or "no lesson"
    found = [] if kind.again else unwhole(project, commits)
    if kind.name == "job":
        look(project.settings, [])
        found += unwhole(project, commits)
    elif died:
        carried_out(project, kind, None)  # `approve` says so if it is done already
        found += unwhole(project, commits, kind.again)
    wanted = "verified" if kind.again else "applied"
    open_ = [lesson for lesson in project.lessons if lesson.status != wanted and not (kind.again and lesson.closed)]
    found += [f"then {lesson.id} is {lesson.status}" for lesson in open_]
    if kind.again and sum(row["giftWrap"] is True for row in rows_of(project.lakehouse, "clean.order")) != 10:
        found.append("clean.order is not as the API is")
    return told if died else f"{told}, ended before", found


@contextmanager
def prepared(kind: Kind, folder: Path) -> Iterator[Project]:
    """A project as it is before the command, with its API running."""
    with Market() as world:
        project = Project(folder, world)
        new_project(folder)
        standards = folder / "playbooks" / "STANDARDS.md"
        standards.write_text(f"{standards.read_text().rstrip()}\n\n```yaml\n{FEW}\n```\n")
        (folder / ".gitignore").write_text("/.dagster/\n/lakehouse/\n/dagster.log\n")
        project.create(new=False)
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
            git(folder, *arguments)
        with project.environment(), world.changed(kind.change):
            os.environ["SPECTRA_LESSONS_COMMIT"] = "current"
            if kind.name != "run":
                project.run()
                with dg.DagsterInstance.get() as instance:
                    seen = learn(instance)
            if kind.name == "approve":
                look(project.settings, seen)
            yield project


def copied(project: Project, folder: Path, repository: bool = True) -> Project:
    """The project elsewhere, with its repository and the records of its runs."""
    shutil.copytree(project.folder, folder, symlinks=True, ignore=None if repository else shutil.ignore_patterns(".git"))
    os.environ |= {
        "SPECTRA_PROJECT": str(folder),
        "SPECTRA_LAKEHOUSE": str(folder / "lakehouse"),
        "DAGSTER_HOME": str(folder / ".dagster"),
    }
    return Project(folder, project.world)


def main() -> int:
    """Every kind that was asked for; 1 if a kill left something half done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="kinds whose name holds one of these texts, parted by |")
    parser.add_argument("--rounds", type=int, default=10, help="kills of each kind; each third one outside of a repository")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("folder", nargs="?", type=Path, help="where the projects lie; a temporary one, removed in the end")
    options = parser.parse_args()
    chance, bad = random.Random(options.seed), 0  # noqa: S311 (a plain sequence)
    with tempfile.TemporaryDirectory(prefix="spectra-kills-") as temporary:
        place = options.folder or Path(temporary)
        for kind in (each for each in KINDS if any(part in each.name for part in options.only.split("|"))):
            with prepared(kind, place / kind.name) as project:
                _, whole = carried_out(copied(project, place / "whole"), kind, None)
                print(f"{kind.name}: {whole:.1f} CPU s where nobody kills it", flush=True)
                for number in range(options.rounds):
                    least = 0.0 if kind.from_line else _IMPORTS * whole
                    writing = number % 2 == 1
                    strike = Strike(chance.uniform(0, _WRITES) if writing else chance.uniform(least, whole), writing)
                    told, found = trial(kind, copied(project, place / "trial", number % 3 < 2), strike)
                    bad += bool(found)
                    moment = f"{strike.after:.2f} s after it began to write" if writing else f"after {strike.after:.1f} CPU s"
                    print(f"  {number + 1}: {moment}, {told}: {'; '.join(found) or 'whole'}", flush=True)
                    shutil.rmtree(place / "trial")
                shutil.rmtree(place / "whole")
    print(f"{bad} not whole")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
