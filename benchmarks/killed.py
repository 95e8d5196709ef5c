"""SIGKILL at random moments of learning, approving, judging and taking back: `python -m benchmarks.killed [GIT] [PLAIN]`.

A real pipeline with a real gap: its processes are killed GIT times (20) in a git repository, PLAIN times (5) outside of one, in turn while
they look for a remedy and apply it, while a person approves, while a run is judged, and while a person takes it back. The next pass
must finish or take back: lesson, playbook, covenant and commit agree, the tree is clean, nothing is left lying about.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.learning.apply import rule_id
from spectra_assets.learning.journal import JOURNAL
from spectra_assets.learning.lesson import Lesson, read_all
from spectra_assets.settings import Settings
from tests.learning.bench.bench import Project
from tests.learning.bench.cases import renamed, rows
from tests.learning.bench.worlds import Market
from tests.learning.kills import git

_PASS = """
import dagster as dg
from spectra_assets.graph.learning import look
from spectra_assets.graph.sensor import learn
from spectra_assets.settings import load
print("ready", flush=True)
with dg.DagsterInstance.get() as instance:
    seen = learn(instance)
look(load(), seen)
"""
_WORD = """
import sys
from spectra_assets.learning import person
from spectra_assets.settings import load
print("ready", flush=True)
getattr(person, sys.argv[1])(load(), sys.argv[2])
"""


def process(program: str, *arguments: str, after: float | None = None, learning: str = "apply") -> float:
    """Run a program to its end, or kill it so many seconds after it was ready; how long it ran."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "SPECTRA_LEARNING": learning},
        start_new_session=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    begun = time.monotonic()
    if after is not None:
        time.sleep(after)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    elif child.wait():
        raise AssertionError(f"it ended with {child.returncode}: {arguments or 'a pass'}")
    return time.monotonic() - begun


class Trials:
    """States of one project, each a folder, and what is done in copies of them."""

    def __init__(self, folder: Path, world: Market, repository: bool) -> None:
        self.folder, self.world, self.repository = folder, world, repository
        self.begin = {"learn": "gap", "approve": "proven", "verify": "judged", "revert": "verified"}
        self.seconds: dict[str, float] = {}

    def states(self) -> None:
        """Make each state from the one before, and measure how long that takes when nobody kills it."""
        project = Project(self.folder / "gap", self.world)
        project.create()
        (project.folder / ".gitignore").write_text("/.dagster/\n/lakehouse/\n")
        if self.repository:
            for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
                git(project.folder, *arguments)
        rows("order", renamed("note", "remark"))(self.world)
        with self.at(project.folder):
            project.run()
        self.next("gap", "applied", "learn", lambda: process(_PASS))
        self.next("gap", "proven", "", lambda: process(_PASS, learning="propose"))
        lesson = self.lesson(self.folder / "proven")
        self.next("proven", "approved", "approve", lambda: process(_WORD, "approve", lesson.id))

        def run_again() -> float:
            Project(self.folder / "judged", self.world).run()
            return 0.0

        self.next("applied", "judged", "", run_again)
        self.next("judged", "verified", "verify", lambda: process(_PASS))
        self.next("verified", "reverted", "revert", lambda: process(_WORD, "revert", lesson.id))

    def next(self, before: str, after: str, step: str, work) -> None:  # type: ignore[no-untyped-def]
        shutil.copytree(self.folder / before, self.folder / after, symlinks=True)
        with self.at(self.folder / after):
            took = work()
        if step:
            self.seconds[step] = took
        print(f"  {before} → {after}: {self.lesson(self.folder / after).status}", flush=True)

    def at(self, folder: Path):  # type: ignore[no-untyped-def]
        return _Surroundings(Project(folder, self.world), "current" if self.repository else "off")

    def lesson(self, folder: Path) -> Lesson:
        """The one lesson about the renamed field."""
        mine = [each for each in read_all(folder / "lessons") if each.stage == "extract"]
        if len(mine) != 1:
            raise AssertionError(f"{len(mine)} lessons: {[each.id for each in mine]}")
        return mine[0]

    def trial(self, step: str, chance: random.Random) -> list[str]:
        """Kill the step once; what is not whole after the next pass."""
        folder = self.folder / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder / self.begin[step], folder, symlinks=True)
        after = chance.random() * self.seconds[step]
        commits = self.commits(folder)
        with self.at(folder):
            if step in ("approve", "revert"):
                process(_WORD, step, self.lesson(folder).id, after=after)
            else:
                process(_PASS, after=after)
            there = (folder / "lessons" / JOURNAL).exists()
            process(_PASS, learning="propose" if step == "approve" else "apply")
        lesson = self.lesson(folder)
        made = self.commits(folder) - commits
        print(
            f"  {step} killed after {after:.2f} of {self.seconds[step]:.2f} s{', mid-change' if there else ''}: {lesson.status}, {made} commits"
        )
        return [*self.faults(folder, lesson), *self.not_reached(step, lesson)]

    def commits(self, folder: Path) -> int:
        return int(git(folder, "rev-list", "--count", "HEAD")) if self.repository else 0

    def not_reached(self, step: str, lesson: Lesson) -> list[str]:
        """What the step and the next pass should have come to."""
        wanted: Mapping[str, tuple[str, ...]] = {
            "learn": ("applied",),
            "approve": ("proven", "applied"),
            "verify": ("verified",),
            "revert": ("verified", "reverted"),
        }
        found = [] if lesson.status in wanted[step] else [f"the lesson is {lesson.status} after {step}"]
        return found + ([f"helped {lesson.helped} times"] if step == "verify" and lesson.helped != 1 else [])

    def faults(self, folder: Path, lesson: Lesson) -> list[str]:
        """What does not agree."""
        settings = Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))
        stands = lesson.status in ("applied", "verified")
        text = "".join(file.read_text() for file in settings.playbooks.rglob("*.md"))
        covenant = covenant_file(settings.covenants, "market")
        told = [raw for column in read(covenant).table("clean.order").schema_ for raw in column.source]
        found = []
        if (rule_id(lesson.id) in text) != stands:
            found.append(f"the lesson is {lesson.status}, the playbook says otherwise")
        if stands and not {"note", "remark"} <= set(told):
            found.append("the covenant does not follow the rule")
        if stands and read(covenant).version != lesson.applied_version:
            found.append(f"the covenant is {read(covenant).version}, the lesson knows {lesson.applied_version}")
        if (settings.lessons / JOURNAL).exists():
            found.append("the journal is still there")
        found += [
            f"left behind: {file}"
            for file in folder.rglob(".*.[0-9]*")
            if ".git/" not in str(file) and "lakehouse" not in str(file)
        ]
        if self.repository:
            if dirty := git(folder, "status", "--porcelain"):
                found.append(f"git status: {dirty}")
            if git(folder, "fsck", "--no-dangling", "--no-progress").strip():
                found.append("git fsck complains")
            if stands and not git(folder, "branch", "--contains", lesson.commit or "none").strip():
                found.append("no branch holds its commit")
        return found


class _Surroundings:
    """The environment of a project whose lessons are committed."""

    def __init__(self, project: Project, commit: str) -> None:
        self.environment = project.environment()
        self.commit = commit

    def __enter__(self) -> None:
        self.environment.__enter__()
        os.environ["SPECTRA_LESSONS_COMMIT"] = self.commit

    def __exit__(self, *error: object) -> None:
        self.environment.__exit__(*error)


def main(repository: int, plain: int) -> int:
    """So many kills with and without git; how many left something that is not whole."""
    bad, chance = 0, random.Random()  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="spectra-killed-") as name:
        for count, in_git in ((repository, True), (plain, False)):
            place = Path(name) / str(in_git)
            with Market() as world:
                trials = Trials(place, world, in_git)
                trials.states() if count else None
                for number in range(count):
                    found = trials.trial(("learn", "approve", "verify", "revert")[number % 4], chance)
                    bad += bool(found)
                    print(*(f"    NOT WHOLE: {fault}" for fault in found), sep="\n", end="\n" if found else "", flush=True)
    print(f"{repository + plain} kills, {bad} not whole")
    return bad


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    sys.exit(bool(main(*given) if len(given) == 2 else main(20, 5)))
