"""A process of the loop that dies by SIGKILL at a step of its choice: before a file or a branch changes, or after a git command.

`python -m tests.learning.kills [ROUNDS]` kills at every step of applying and of taking back, then ROUNDS times at random moments,
each fifth time outside of a repository.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spectra_assets.learning import apply
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.journal import JOURNAL, settled
from spectra_assets.learning.lesson import Lesson, read
from spectra_assets.learning.loop import observe
from spectra_assets.learning.record import record
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.settings import Settings

REPOSITORY = Path(__file__).parent.parent.parent
PREPARE = "fabric/pipeline/pipeline.001-prepare-stage-orchestration.md"
SCOPE = {"source": "acme", "entity": "order", "field": "a: {b}"}
RULE = Remedy(
    kind=RemedyKind.WIDEN_TYPE,
    edits=(AddRule(file=PREPARE, rule={"kind": "type", "scope": SCOPE, "data_type": "text"}),),
    why="it is text now",
)
CHANGES = ("commit-tree", "update-ref", "update-index", "write-tree")


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def lesson(settings: Settings) -> Lesson:
    """A lesson that was just observed."""
    gap = Gap(
        source="acme", stage="extract", table="orders", check="no_schema_drift", severity="ERROR", covenant_version="1",
        run_id="run1", evaluation="run1:x", seen_at="2026-01-01T00:00:00+00:00", cause=Cause.CHANGED_TYPE, subject="a: {b}",
        entity="order", message="it is text",
    )  # fmt: skip
    (made,) = record(settings.lessons, [gap])
    return made


def bare(folder: Path) -> Settings:
    """A project without pipelines, in no repository."""
    shutil.copytree(REPOSITORY / "playbooks", folder / "playbooks")
    for name in ("covenants", "lessons"):
        (folder / name).mkdir()
    return Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))


def project(folder: Path, repository: bool = True) -> Settings:
    """A project without pipelines, with another person's staged and unstaged work in its repository."""
    settings = bare(folder)
    (folder / "notes.txt").write_text("one")
    if repository:
        git(folder, "init", "-q", "-b", "trunk")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "all")
        (folder / "notes.txt").write_text("two")
        (folder / "staged.txt").write_text("mine")
        git(folder, "add", "staged.txt")
    return settings


def killed(work: Callable[[], Any], at: int | None = None, after: float | None = None, changes_only: bool = False) -> bool:
    """Do the work in a child that dies at its so-manieth step, or after so many seconds; whether it died."""
    child = os.fork()
    if child == 0:
        try:
            _die_at(at, changes_only)
            work()
        except BaseException:  # noqa: BLE001 (a child has nobody to tell)
            os._exit(1)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise AssertionError("the work failed by itself")
    return os.WIFSIGNALED(status)


def _die_at(at: int | None, changes_only: bool) -> None:
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    rename, remove, link, run = Path.replace, Path.unlink, Path.hardlink_to, subprocess.run

    def renamed(self: Path, target: Any) -> Any:
        step()
        return rename(self, target)

    def removed(self: Path, missing_ok: bool = False) -> None:
        if self.exists():
            step()
        remove(self, missing_ok)

    def linked(self: Path, target: Any) -> None:
        link(self, target)
        step()

    def ran(command: Any, *more: Any, **named: Any) -> Any:
        done = run(command, *more, **named)
        if not changes_only or any(word in CHANGES for word in command[:4]):
            step()
        return done

    Path.replace, Path.unlink, Path.hardlink_to, subprocess.run = renamed, removed, linked, ran  # type: ignore[assignment,method-assign]


def applied(settings: Settings, observed: Lesson) -> None:
    with settled(settings):
        apply.apply(settings, observed, RULE)


def taken_back(settings: Settings, made: Lesson) -> None:
    with settled(settings):
        apply.take_back(settings, made, "ineffective", "it came back")


def faults(settings: Settings, before: Lesson, texts: dict[str, bytes], commits: int, now_is: str) -> list[str]:
    """What is not whole after the next pass: nothing at all was done, or everything; nobody else's work was touched."""
    observe(settings, ())
    found = []
    folder, lesson_now = settings.project, read(settings.lessons / f"{before.id}.md")
    done = lesson_now.status == now_is
    if not done and lesson_now != before:
        found.append(f"the lesson is {lesson_now.status}, neither as before nor {now_is}")
    if (documents(settings) != texts) != done:
        found.append("lesson and playbook do not agree")
    litter = [
        file.name for file in folder.rglob(".*") if file.is_file() and ".git/" not in str(file) and file.name != ".gitignore"
    ]
    if litter or (settings.lessons / JOURNAL).exists():
        found.append(f"left behind: {litter}")
    if (folder / ".git").is_dir():
        made = int(git(folder, "rev-list", "--count", "HEAD")) - commits
        if made != done:
            found.append(f"{made} commits were made")
        if done and now_is == "applied" and not git(folder, "rev-parse", "HEAD").startswith(lesson_now.commit or "none"):
            found.append("the lesson does not name its commit")
        status = set(git(folder, "status", "--porcelain").splitlines())
        untold = {f"?? lessons/{before.id}.md", "?? lessons/"} if not done and now_is == "applied" else set()
        if status - untold != {"A  staged.txt", " M notes.txt"}:
            found.append(f"git status is {sorted(status)}")
        if git(folder, "fsck", "--no-dangling", "--no-progress").strip():
            found.append("git fsck complains")
    return found


def documents(settings: Settings) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(settings.playbooks.rglob("*.md"))}


def trial(
    template: Path, folder: Path, back: bool, at: int | None, after: float | None = None, changes_only: bool = False
) -> tuple[bool, list[str]]:
    """One copy of the project `template`, killed while it applies or takes back: whether it was, and what is not whole after it."""
    shutil.copytree(template, folder, symlinks=True)
    settings = Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))
    before = lesson(settings)
    if back:
        with settled(settings):
            before = apply.apply(settings, before, RULE)
    texts = documents(settings)
    commits = int(git(folder, "rev-list", "--count", "HEAD")) if (folder / ".git").is_dir() else 0
    work = taken_back if back else applied
    died = killed(lambda: work(settings, before), at, after, changes_only)
    found = faults(settings, before, texts, commits, "ineffective" if back else "applied")
    shutil.rmtree(folder)
    return died, found


def main(rounds: int) -> int:
    """Every step, then random moments; what is not whole is printed."""
    bad = 0
    with tempfile.TemporaryDirectory(prefix="spectra-kills-") as name:
        place = Path(name)
        for repository in (True, False):
            template = place / f"template-{repository}"
            template.mkdir()
            project(template, repository)
            for back in (False, True):
                at, died = 0, True
                while died:
                    at += 1
                    died, found = trial(template, place / "trial", back, at)
                    bad += bool(found)
                    print(*(f"step {at}, {back=}, {repository=}: {each}" for each in found), sep="\n", end="\n" if found else "")
                print(f"{repository=} {back=}: {at - 1} steps")
        for each in range(rounds):
            back = bool(each % 2)
            repository = each % 5 > 0
            died, found = trial(place / f"template-{repository}", place / "trial", back, None, random.random() * 0.6)  # noqa: S311
            bad += bool(found)
            print(*(f"round {each}, {back=}, {repository=}: {fault}" for fault in found), sep="\n", end="\n" if found else "")
    print(f"{bad} of them not whole")
    return bad


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)))
