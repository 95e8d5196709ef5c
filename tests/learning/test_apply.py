"""A remedy applied and taken back: one place of one playbook, and nothing left of it afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectra_assets.learning import apply
from spectra_assets.learning.lesson import Outcome, Tried, read
from spectra_assets.learning.remedy.model import AddGate, AddRule, AddStep, Remedy, RemedyKind
from spectra_assets.settings import Settings
from tests.learning.kills import bare, lesson

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


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    """A project without pipelines, in no repository."""
    return bare(tmp_path)


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


def test_what_a_person_removed_already_is_taken_back_all_the_same(project: Settings) -> None:
    before = documents(project)
    applied = apply.apply(project, lesson(project), RULE)
    (project.playbooks / PREPARE).write_bytes(before[Path(PREPARE).name])
    back = apply.take_back(project, applied, "reverted", "a test")
    assert documents(project) == before
    assert (back.status, back.playbook) == ("reverted", None)


def test_what_a_person_rejected_is_never_forgotten() -> None:
    no = Tried(how=Outcome.REJECTED, remedy="rule type", outcome="no")
    tried = (no, *(Tried(how=Outcome.UNPROVEN, remedy=f"rule {n}", outcome="not proven") for n in range(30)))
    kept = apply.kept(tried)
    assert len(kept) == 20
    assert (kept[0], kept[-1]) == (no, tried[-1])


def test_a_commit_says_nothing_in_a_sources_words(project: Settings) -> None:
    """A message such as `fixes #12` would close an issue where it is pushed to."""
    rule = {"kind": "field", "scope": {"source": "acme", "entity": "order", "field": "fixes #12 @all"}, "data_type": "text"}
    remedy = Remedy(kind=RemedyKind.ADD_FIELD, edits=(AddRule(file=PREPARE, rule=rule),), why="it came")
    assert apply.words(remedy) == "rule field"
