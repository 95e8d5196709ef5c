"""Git and the lessons it holds: a decision is a commit, a count is none, and the work tree is clean after each pass."""

from __future__ import annotations

import shutil
from pathlib import Path
from shlex import quote

import pytest

from spectra_assets.learning import apply
from spectra_assets.learning.archive import HELD
from spectra_assets.learning.books import balance
from spectra_assets.learning.gap import Gap
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import Lesson, find, parse, read, removed, save, show, state_of
from spectra_assets.learning.loop import observe
from spectra_assets.learning.merge import merge
from spectra_assets.learning.person import revert
from spectra_assets.learning.record import Limits, record, withdraw
from spectra_assets.settings import Settings
from tests.learning.kills import git, killed, project
from tests.learning.test_loop import remedy, run
from tests.learning.test_merge import forbidden
from tests.learning.test_record import gap

LATER = 3650


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a repository that is clean, with a lesson that was applied."""
    settings = project(tmp_path_factory.mktemp("template"))
    git(settings.project, "add", "-A")
    git(settings.project, "commit", "-q", "-m", "theirs")
    (lesson,) = observe(settings, [run(1, "discount")]).changed.values()
    with settled(settings):
        apply.apply(settings, lesson, remedy("discount"))
    balance(settings)
    return settings.project


@pytest.fixture
def settings(template: Path, tmp_path: Path) -> Settings:
    shutil.copytree(template, tmp_path / "project", symlinks=True)
    return Settings(project=tmp_path / "project", lakehouse_root=str(tmp_path / "lakehouse"))


def applied(settings: Settings) -> Lesson:
    (file,) = settings.lessons.glob("*.md")
    return read(file)


def dirty(settings: Settings) -> list[str]:
    return git(settings.project, "status", "--porcelain").splitlines()


def subjects(settings: Settings) -> list[str]:
    return git(settings.project, "log", "--format=%s").splitlines()


def held(settings: Settings, lesson: Lesson) -> Lesson:
    """The lesson as git holds it."""
    name = f"lessons/{lesson.id}.md"
    return parse(git(settings.project, "show", f"HEAD:{name}"), settings.project / name)


def test_what_is_applied_leaves_a_clean_work_tree_and_names_its_commit(settings: Settings) -> None:
    lesson = applied(settings)
    assert dirty(settings) == []
    assert (lesson.status, lesson.commit) == ("applied", git(settings.project, "rev-parse", "HEAD").strip())
    assert str(lesson.commit) in show(settings.lessons, lesson.id)


def test_what_holds_is_committed_once_and_then_only_counted_until_it_is_put_away(settings: Settings) -> None:
    lesson = applied(settings)
    for number in range(2, 1 + HELD):
        observe(settings, [run(number, version="2", later=LATER)])
        assert dirty(settings) == []
    now = find(settings.lessons, lesson.id)
    assert (now.helped, held(settings, lesson).helped) == (HELD - 1, 1)
    assert subjects(settings)[:2] == [f"Lesson {lesson.id}: verified", f"Lesson {lesson.id}: rule field"]
    observe(settings, [run(9, version="2", later=LATER)])
    assert dirty(settings) == []
    assert subjects(settings)[0] == "Archive closed lessons"
    assert find(settings.lessons, lesson.id).helped == HELD
    names = git(settings.project, "ls-tree", "-r", "--name-only", "HEAD", "lessons").split()
    assert names == [f"lessons/archive/{lesson.id}.md"]
    assert not state_of(settings.lessons / f"{lesson.id}.md").exists()


def test_what_stays_open_grows_no_branch_however_often_it_is_seen(settings: Settings) -> None:
    lesson = applied(settings)
    observe(settings, [run(2, "discount", version="2", later=LATER)])
    assert subjects(settings)[0] == f"Lesson {lesson.id} taken back: ineffective"
    before = subjects(settings)
    for number in range(3, 8):
        observe(settings, [run(number, *(["discount"] if number % 2 else []), version="2", later=LATER)])
        assert dirty(settings) == []
    assert subjects(settings) == before
    assert find(settings.lessons, lesson.id).seen == 5


def test_a_text_from_elsewhere_counts_more_than_what_was_counted_here(settings: Settings) -> None:
    """Another machine's lesson comes by `git pull`, or a person goes back to an older one."""
    lesson = applied(settings)
    for number in (2, 3):
        observe(settings, [run(number, version="2", later=LATER)])
    assert find(settings.lessons, lesson.id).helped == 2
    git(settings.project, "reset", "-q", "--hard", "HEAD~1")
    assert find(settings.lessons, lesson.id).helped == 0
    state_of(settings.lessons / f"{lesson.id}.md").write_text("{")
    assert find(settings.lessons, lesson.id).status == "applied", "spoilt counts are counted again"


def test_what_a_person_writes_stages_or_removes_is_left_alone(settings: Settings) -> None:
    lesson = applied(settings)
    file = settings.lessons / f"{lesson.id}.md"
    file.write_text(f"{file.read_text()}\nWe talked to the vendor about it.\n")
    balance(settings)
    assert dirty(settings) == [f" M lessons/{lesson.id}.md"]
    git(settings.project, "add", "lessons")
    balance(settings)
    assert dirty(settings) == [f"M  lessons/{lesson.id}.md"]
    git(settings.project, "reset", "-q", "--hard")
    file.unlink()
    balance(settings)
    assert dirty(settings) == [f" D lessons/{lesson.id}.md"]


def asking(settings: Settings, gaps: list[Gap]) -> None:
    """What these gaps say is asked, as a pass over them does, and git knows of it."""
    with settled(settings):
        for lesson in record(settings.lessons, gaps):
            save(settings.lessons, lesson.but(question="What should be done?"))
    balance(settings)


@pytest.mark.parametrize("how", ["merged", "crowd", "withdrawn"])
def test_what_the_machine_removes_is_gone_from_git_as_well(settings: Settings, how: str) -> None:
    """It was taken for removed by a person: the tree stayed dirty for ever, and a checkout brought the question back."""
    first, second = forbidden("run1")
    asking(settings, [second])
    held = f"lessons/{second.lesson_id}.md"
    assert dirty(settings) == []
    assert held in git(settings.project, "ls-files", "lessons")
    with settled(settings):
        if how == "merged":
            for lesson in record(settings.lessons, [first]):
                save(settings.lessons, lesson.but(question="What should be done?"))
            assert merge(settings.lessons, second.source) == {second.lesson_id}
        elif how == "crowd":
            alike = {"cause": second.cause, "check": second.check}
            record(settings.lessons, [gap(f"field{number}", "run2", **alike) for number in range(9)], Limits(alike=3))
        else:
            assert withdraw(settings.lessons, second.source, "run1") == {second.lesson_id}
    assert not (settings.project / held).exists()
    assert not state_of(settings.project / held).exists()
    balance(settings)
    assert dirty(settings) == []
    assert held not in git(settings.project, "ls-files", "lessons")
    commits = len(subjects(settings))
    balance(settings)
    assert len(subjects(settings)) == commits
    assert removed(settings.lessons) == set()


def test_what_can_not_be_committed_now_is_committed_later(settings: Settings) -> None:
    lesson = applied(settings)
    git(settings.project, "checkout", "-q", "--detach")
    observe(settings, [run(2, version="2", later=LATER)])
    assert dirty(settings) == [f" M lessons/{lesson.id}.md"]
    git(settings.project, "checkout", "-q", "trunk")
    observe(settings, ())
    assert dirty(settings) == []
    assert held(settings, lesson).status == "verified"


def test_a_hook_that_refuses_is_asked_once(settings: Settings) -> None:
    lesson = applied(settings)
    asked = settings.project.parent / "asked"
    hook = settings.project / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\necho x >> {quote(str(asked))}; echo not today >&2; exit 1\n")
    hook.chmod(0o755)
    for number in (2, 3, 4):
        observe(settings, [run(number, version="2", later=LATER)])
    assert "not today" in str(find(settings.lessons, lesson.id).uncommitted)
    assert find(settings.lessons, lesson.id).helped == 3
    assert len(asked.read_text().split()) == 3, "a commit is tried three times, for another may come between, and never again"
    git(settings.project, "commit", "-q", "--no-verify", "-am", "by hand")
    observe(settings, [run(5, version="2", later=LATER)])
    assert dirty(settings) == []
    assert find(settings.lessons, lesson.id).helped == 4


def test_without_git_the_file_itself_counts(tmp_path: Path) -> None:
    settings = project(tmp_path, repository=False)
    for number in (1, 2, 3):
        observe(settings, [run(number, "discount")])
    assert applied(settings).seen == 3
    assert not list(settings.lessons.rglob("*.json"))


def test_taken_back_by_a_person_is_one_commit_and_clean(settings: Settings) -> None:
    made = revert(settings, applied(settings).id)
    assert (made.status, dirty(settings)) == ("reverted", [])
    assert subjects(settings)[0] == f"Lesson {made.id} taken back: reverted"


def test_killed_while_it_balances_the_next_pass_ends_it(template: Path, tmp_path: Path) -> None:
    at, died = 0, True
    while died:
        at += 1
        folder = tmp_path / "trial"
        shutil.copytree(template, folder, symlinks=True)
        mine = Settings(project=folder, lakehouse_root=str(tmp_path / "lakehouse"))
        save(mine.lessons, applied(mine).but(status="verified", helped=1))
        died = killed(lambda mine=mine: balance(mine), at, changes_only=True)
        observe(mine, ())
        assert (dirty(mine), held(mine, applied(mine)).status, len(subjects(mine))) == ([], "verified", 4), f"killed at step {at}"
        shutil.rmtree(folder)
    assert at > 5
