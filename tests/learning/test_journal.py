"""Files and their commit change together or not at all, whatever is killed, refused, or lies about in the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from shlex import quote

import pytest

from spectra_assets.errors import DocumentError, StorageError
from spectra_assets.learning import apply, journal
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import Lesson, read
from spectra_assets.learning.loop import observe
from spectra_assets.settings import Settings
from tests.learning.kills import PREPARE, RULE, documents, git, lesson, project, trial


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a repository, where somebody has staged one file and changed another."""
    return project(tmp_path_factory.mktemp("template")).project


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Settings:
    shutil.copytree(template, tmp_path / "project", symlinks=True)
    return Settings(project=tmp_path / "project", lakehouse_root=str(tmp_path / "lakehouse"))


def applied(settings: Settings) -> Lesson:
    observed = lesson(settings)
    with settled(settings):
        return apply.apply(settings, observed, RULE)


def commits(settings: Settings, ref: str = "HEAD") -> int:
    return int(git(settings.project, "rev-list", "--count", ref))


@pytest.mark.parametrize("back", [False, True], ids=["applying", "taking back"])
def test_killed_at_any_change_the_next_pass_finishes_or_nothing_happened(template: Path, tmp_path: Path, back: bool) -> None:
    at, died = 0, True
    while died:
        at += 1
        died, found = trial(template, tmp_path / "trial", back, at, changes_only=True)
        assert found == [], f"killed at step {at}"
    assert at > 10, "the steps are counted"


def test_killed_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    plain = project(tmp_path / "template", repository=False)
    for at in range(1, 5):
        died, found = trial(plain.project, tmp_path / "trial", False, at)
        assert (died, found) == (True, [])


def test_one_commit_holds_playbook_and_lesson_and_nobody_elses_work(repository: Settings) -> None:
    folder = repository.project
    made = applied(repository)
    shown = git(folder, "show", "--name-only", "--format=%an%n%s", "HEAD").splitlines()
    assert shown[:2] == ["SPECTRA learning loop", f"Lesson {made.id}: rule type"]
    assert sorted(filter(None, shown[2:])) == [f"lessons/{made.id}.md", f"playbooks/{PREPARE}"]
    assert git(folder, "rev-parse", "HEAD").strip() == made.commit
    status = git(folder, "status", "--porcelain").splitlines()
    assert "A  staged.txt" in status
    assert " M notes.txt" in status
    with settled(repository):
        apply.take_back(repository, made, "ineffective", "it came back")
    assert commits(repository) == 3
    assert git(folder, "diff", "HEAD~2", "HEAD", "--", "playbooks") == ""


def test_a_branch_of_its_own_leaves_the_current_one_alone_and_grows(repository: Settings) -> None:
    own = repository.model_copy(update={"lessons_commit": "branch:lessons/acme"})
    made = applied(own)
    assert commits(own, "trunk") == 1
    assert git(own.project, "rev-parse", "lessons/acme").strip() == made.commit
    assert made.id in git(own.project, "show", f"lessons/acme:playbooks/{PREPARE}")
    with settled(own):
        back = apply.take_back(own, made, "ineffective", "it came back")
    assert (back.uncommitted, commits(own, "lessons/acme")) == (None, 3)
    git(own.project, "stash", "-q", "--include-untracked")
    git(own.project, "merge", "-q", "--no-edit", "lessons/acme")
    with settled(own):
        again = apply.apply(own, back, RULE)
    assert git(own.project, "rev-parse", "lessons/acme~1").strip() == git(own.project, "rev-parse", "trunk").strip(), (
        "merged: from there"
    )
    assert again.uncommitted is None


def test_a_branch_with_another_text_or_in_another_work_tree_is_left_alone(repository: Settings) -> None:
    own = repository.model_copy(update={"lessons_commit": "branch:learned"})
    git(own.project, "worktree", "add", "-q", "-b", "learned", str(own.project.parent / "other"))
    made = applied(own)
    assert made.uncommitted == "learned is checked out in another work tree"
    assert commits(own, "learned") == 1


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda folder: (folder / "playbooks" / PREPARE).open("a").write("\n"), "has changes that are not committed on trunk"),
        (lambda folder: git(folder, "checkout", "-q", "--detach"), "is on no branch"),
        (lambda folder: _hook(folder, "pre-commit", "echo no lessons here >&2; exit 1"), "the hook pre-commit refuses the commit: no lessons"),
        (lambda folder: _hook(folder, "commit-msg", "grep -q JIRA $1 || { echo no ticket; exit 1; }"), "commit-msg refuses the commit: no ticket"),
        (lambda folder: _hook(folder, "reference-transaction", "exit 1"), "git update-ref failed"),
        (lambda folder: (folder / ".git" / "info" / "exclude").write_text("lessons/"), None),
    ],
    ids=["a person's changes", "detached", "pre-commit", "commit-msg", "reference-transaction", "ignored lessons"],
)  # fmt: skip
def test_what_can_not_be_committed_is_applied_and_says_so(repository: Settings, prepare: object, why: str | None) -> None:
    folder = repository.project
    prepare(folder)  # type: ignore[operator]
    made = applied(repository)
    assert made.status == "applied"
    assert made.id in (folder / "playbooks" / PREPARE).read_text()
    assert (made.commit is None) == (why is not None)
    assert (why or "None") in str(made.uncommitted)
    assert commits(repository) == 1 + (why is None)
    status = git(folder, "status", "--porcelain").splitlines()
    assert {"A  staged.txt", " M notes.txt"} <= set(status)
    assert len(git(folder, "worktree", "list").splitlines()) == 1
    assert not (repository.lessons / journal.JOURNAL).exists()


def test_author_and_message_are_those_of_the_settings(repository: Settings) -> None:
    _hook(repository.project, "commit-msg", "grep -q '^DATA-12 ' $1 || exit 1")
    own = repository.model_copy(update={"lessons_author": "Data Bot <bot@example.org>", "lessons_message": "DATA-12 {message}"})
    made = applied(own)
    shown = git(own.project, "show", "--no-patch", "--format=%an <%ae>%n%s", "HEAD").splitlines()
    assert shown == ["Data Bot <bot@example.org>", f"DATA-12 Lesson {made.id}: rule type"]


def test_a_hook_that_agrees_sees_just_the_commit(repository: Settings) -> None:
    told = repository.project.parent / "told"
    place = quote(str(told))
    _hook(repository.project, "pre-commit", f"git diff --cached --name-only > {place}; git status --porcelain >> {place}")
    made = applied(repository)
    assert made.commit is not None
    names = {f"lessons/{made.id}.md", f"playbooks/{PREPARE}"}
    assert {line.split()[-1] for line in told.read_text().splitlines()} == names


def test_a_commit_is_signed_where_the_repository_demands_it(repository: Settings) -> None:
    signer = repository.project.parent / "signer"
    signer.write_text("#!/bin/sh\ncat > /dev/null\necho a signature\necho '[GNUPG:] SIG_CREATED ' >&2\n")
    signer.chmod(0o755)
    for name, value in (("commit.gpgsign", "yes"), ("gpg.program", str(signer)), ("user.signingkey", "ours")):
        git(repository.project, "config", name, value)
    made = applied(repository)
    assert "gpgsig a signature" in git(repository.project, "cat-file", "commit", str(made.commit))


def test_what_cannot_be_signed_is_not_committed_and_says_why(repository: Settings) -> None:
    for name, value in (("commit.gpgsign", "true"), ("gpg.program", "/nowhere/gpg")):
        git(repository.project, "config", name, value)
    made = applied(repository)
    assert (made.status, made.commit) == ("applied", None)
    assert "sign" in str(made.uncommitted)


def _hook(folder: Path, name: str, script: str) -> None:
    file = folder / ".git" / "hooks" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_in_the_middle_of_a_merge_nothing_is_changed(repository: Settings) -> None:
    folder = repository.project
    git(folder, "checkout", "-q", "-b", "side")
    git(folder, "commit", "-q", "-a", "-m", "side")
    git(folder, "checkout", "-q", "trunk")
    (folder / "notes.txt").write_text("three")
    git(folder, "commit", "-q", "-a", "-m", "three")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "-q", "side")
    before, status = documents(repository), git(folder, "status", "--porcelain", "-uno")
    with pytest.raises(StorageError, match="in the middle of a merge"):
        applied(repository)
    assert documents(repository) == before
    assert git(folder, "status", "--porcelain", "-uno") == status
    assert not (repository.lessons / journal.JOURNAL).exists()


def test_a_file_that_can_not_be_written_takes_the_rest_back(repository: Settings) -> None:
    """The lesson's own file, the last one, is in the way of itself: the playbook before it becomes what it was."""
    before, observed = documents(repository), lesson(repository)
    (repository.lessons / f"{observed.id}.md").unlink()
    (repository.lessons / f"{observed.id}.md").mkdir()
    with settled(repository), pytest.raises(StorageError, match="can't write"):
        apply.apply(repository, observed, RULE)
    assert documents(repository) == before
    assert not (repository.lessons / journal.JOURNAL).exists()
    assert commits(repository) == 1


def test_while_the_index_is_locked_the_journal_waits_and_the_next_pass_ends_it(repository: Settings) -> None:
    lock = repository.project / ".git" / "index.lock"
    lock.touch()
    made = applied(repository)
    assert (made.status, commits(repository)) == ("applied", 2)
    with settled(repository), pytest.raises(StorageError, match="index is locked"):
        apply.take_back(repository, made, "ineffective", "it came back")
    lock.unlink()
    observe(repository, ())
    assert git(repository.project, "rev-parse", "HEAD").strip() == read(repository.lessons / f"{made.id}.md").commit
    assert git(repository.project, "diff", "--cached", "--name-only").split() == ["staged.txt"]


def test_a_file_that_a_person_changed_meanwhile_takes_the_rest_back(
    repository: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed, before = lesson(repository), documents(repository)
    real, count = journal.write_file, 0

    def write(file: Path, text: str) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        real(file, text)

    monkeypatch.setattr(journal, "write_file", write)
    with settled(repository), pytest.raises(KeyboardInterrupt):
        apply.apply(repository, observed, RULE)
    monkeypatch.undo()
    assert documents(repository) != before
    (repository.lessons / f"{observed.id}.md").write_text("a person's own words")
    with settled(repository):
        pass
    assert documents(repository) == before
    assert (repository.lessons / f"{observed.id}.md").read_text() == "a person's own words"


def test_a_journal_reaches_nothing_outside_of_the_documents(repository: Settings) -> None:
    lesson(repository)
    (repository.lessons / journal.JOURNAL).write_text(
        '{"lesson": "x", "message": "m", "commit": false, "files": {"../outside": [null, "owned"]}}'
    )
    with pytest.raises(DocumentError, match="outside"):
        observe(repository, ())
    assert not (repository.project.parent / "outside").exists()
