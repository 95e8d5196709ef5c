"""A remedy applied and taken back: playbook, lesson and commit together, whatever is killed and whatever else lies about."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from spectra_assets.learning import apply, journal
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.lesson import Lesson, read
from spectra_assets.learning.record import record
from spectra_assets.learning.remedy.model import AddGate, AddRule, AddStep, Remedy, RemedyKind
from spectra_assets.settings import Settings

REPOSITORY = Path(__file__).parent.parent.parent
PREPARE = "fabric/pipeline/pipeline.001-prepare-stage-orchestration.md"
CLEAN = "fabric/pipeline/pipeline.003-clean-stage-orchestration.md"

RULE = Remedy(
    kind=RemedyKind.WIDEN_TYPE,
    edits=(
        AddRule(
            file=PREPARE,
            rule={"kind": "type", "scope": {"source": "acme", "entity": "order", "field": "a: {b}"}, "data_type": "text"},
        ),
    ),
    why="it is text now",
)
GATE = Remedy(
    kind=RemedyKind.ADD_GATE,
    edits=(AddGate(file=CLEAN, gate="grain_unique", tables=("clean.order",), text="no two rows share the grain."),),
    why="it was missing",
)
STEP = Remedy(
    kind=RemedyKind.ADD_STEP,
    edits=(
        AddStep(
            file=CLEAN, title="Trim again", prose="- # Once more.", action="clean.trim_text", makes=("clean.*",),
            before="clean.cast_types",
        ),
    ),
    why="it was missing",
)  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    """A project without pipelines, in no repository."""
    shutil.copytree(REPOSITORY / "playbooks", tmp_path / "playbooks")
    for name in ("covenants", "lessons"):
        (tmp_path / name).mkdir()
    return Settings(project=tmp_path, lakehouse_root=str(tmp_path / "lakehouse"))


@pytest.fixture
def repository(project: Settings) -> Settings:
    """The same as a repository with everything committed."""
    git(project.project, "init", "-q", "-b", "trunk")
    git(project.project, "add", "-A")
    git(project.project, "commit", "-q", "-m", "all")
    return project


def lesson(settings: Settings) -> Lesson:
    gap = Gap(
        source="acme", stage="extract", table="orders", check="no_schema_drift", severity="ERROR", covenant_version="1",
        run_id="run1", evaluation="run1:x", seen_at="2026-01-01T00:00:00+00:00", cause=Cause.CHANGED_TYPE, subject="a: {b}",
        entity="order", message="it is text",
    )  # fmt: skip
    (made,) = record(settings.lessons, [gap])
    return made


def documents(settings: Settings) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(settings.playbooks.rglob("*.md"))}


@pytest.mark.parametrize("remedy", [RULE, GATE, STEP], ids=lambda remedy: remedy.kind.value)
def test_a_remedy_changes_one_place_and_is_taken_back_to_the_byte(project: Settings, remedy: Remedy) -> None:
    before = documents(project)
    applied = apply.apply(project, lesson(project), remedy)
    after = documents(project)
    (changed,) = [name for name in after if after[name] != before[name]]
    assert remedy.edits[0].file.endswith(changed)
    name, line = str(applied.playbook).rsplit(":", 1)
    assert applied.id in (project.playbooks / name).read_text().splitlines()[int(line) - 1]
    assert read(project.lessons / f"{applied.id}.md") == applied
    assert applied.status == "applied"
    back = apply.take_back(project, applied, "reverted", "a test")
    assert documents(project) == before
    assert (back.status, back.remedy, [each.outcome for each in back.tried]) == ("reverted", None, ["a test"])


def test_one_commit_holds_playbook_and_lesson_and_nobody_elses_work(repository: Settings) -> None:
    folder = repository.project
    standards = folder / "playbooks" / "STANDARDS.md"
    standards.write_text(standards.read_text() + "\n")
    (folder / "covenants" / "staged.txt").write_text("mine")
    git(folder, "add", "covenants/staged.txt")
    made = apply.apply(repository, lesson(repository), RULE)
    shown = git(folder, "show", "--name-only", "--format=%an%n%s", "HEAD").splitlines()
    assert shown[0] == "SPECTRA learning loop"
    assert made.id in shown[1]
    assert sorted(filter(None, shown[2:])) == [f"lessons/{made.id}.md", f"playbooks/{PREPARE}"]
    assert git(folder, "rev-parse", "HEAD").startswith(str(made.commit))
    status = git(folder, "status", "--porcelain").splitlines()
    assert "A  covenants/staged.txt" in status
    assert " M playbooks/STANDARDS.md" in status
    apply.take_back(repository, made, "ineffective", "it came back")
    assert git(folder, "rev-list", "--count", "HEAD").strip() == "3"
    assert git(folder, "diff", "HEAD~2", "HEAD", "--", "playbooks") == ""


def test_a_branch_of_its_own_leaves_the_current_one_alone(repository: Settings) -> None:
    own = repository.model_copy(update={"lessons_commit": "branch:lessons/acme"})
    made = apply.apply(own, lesson(own), RULE)
    assert git(own.project, "rev-list", "--count", "trunk").strip() == "1"
    assert git(own.project, "rev-parse", "lessons/acme").strip() == made.commit
    assert made.id in git(own.project, "show", f"lessons/acme:playbooks/{PREPARE}")


def test_a_playbook_with_somebodys_changes_is_not_committed(repository: Settings) -> None:
    file = repository.playbooks / PREPARE
    file.write_text(file.read_text().replace("None yet.", "None as yet."))
    made = apply.apply(repository, lesson(repository), RULE)
    assert made.commit is None
    assert git(repository.project, "rev-list", "--count", "HEAD").strip() == "1"
    assert made.id in file.read_text()


def _killed(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], None]:
    """The process dies at the so-manieth file that is written."""
    real, count = journal.write_file, 0

    def write(file: Path, text: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise KeyboardInterrupt
        real(file, text)

    monkeypatch.setattr(journal, "write_file", write)
    return lambda: monkeypatch.setattr(journal, "write_file", real)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_at_any_write_the_next_pass_finishes_or_nothing_happened(
    repository: Settings, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    observed = lesson(repository)
    before = documents(repository)
    revive = _killed(monkeypatch, at)
    with pytest.raises(KeyboardInterrupt):
        apply.apply(repository, observed, RULE)
    revive()
    finished = journal.finish(repository)
    now = read(repository.lessons / f"{observed.id}.md")
    if at == 1:  # the journal itself
        assert (finished, documents(repository), now.status) == (None, before, "observed")
    else:
        assert now.status == "applied"
        assert documents(repository) != before
        assert int(git(repository.project, "rev-list", "--count", "HEAD")) == 2
    assert not (repository.lessons / journal.JOURNAL).exists()
    assert journal.finish(repository) is None


def test_a_file_that_a_person_changed_meanwhile_takes_the_rest_back(project: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    observed = lesson(project)
    revive = _killed(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        apply.apply(project, observed, RULE)
    revive()
    (project.lessons / f"{observed.id}.md").write_text("a person's own words")
    before = (REPOSITORY / "playbooks" / PREPARE).read_bytes()
    assert journal.finish(project) is None
    assert (project.playbooks / PREPARE).read_bytes() == before
    assert (project.lessons / f"{observed.id}.md").read_text() == "a person's own words"


def test_a_journal_reaches_nothing_outside_of_the_documents(project: Settings, tmp_path: Path) -> None:
    from spectra_assets.errors import DocumentError

    (project.lessons / journal.JOURNAL).write_text(
        '{"lesson": "x", "message": "m", "commit": false, "files": {"../outside": [null, "owned"]}}'
    )
    with pytest.raises(DocumentError, match="outside"):
        journal.finish(project)
    assert not (tmp_path.parent / "outside").exists()
