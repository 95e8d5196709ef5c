"""`solution-engine lessons`: a word at the wrong time is the user's matter, and what is in no commit is said so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from spectra_assets.engine.cli import commands
from spectra_assets.engine.summary import Summary, summary_text
from spectra_assets.learning.lesson import Lesson, Outcome, find, save
from spectra_assets.settings import Settings
from tests.learning.kills import PREPARE, RULE, lesson, project


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, repository: bool = True) -> tuple[Settings, Lesson]:
    settings = project(folder, repository)
    monkeypatch.setenv("SPECTRA_PROJECT", str(folder))
    monkeypatch.setenv("SPECTRA_LAKEHOUSE", settings.lakehouse_root)
    return settings, lesson(settings)


def proposed(folder: Path, monkeypatch: pytest.MonkeyPatch, repository: bool = True) -> tuple[Settings, Lesson]:
    settings, observed = made(folder, monkeypatch, repository)
    waiting = observed.but(status="proposed", remedy=RULE, question="May this be done?")
    save(settings.lessons, waiting)
    return settings, waiting


def test_a_word_at_the_wrong_time_ends_with_2_and_says_what_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, observed = made(tmp_path, monkeypatch, repository=False)
    for words in (["approve"], ["approve", "--dry-run"], ["reject"], ["revert"], ["revert", "--dry-run"]):
        told = CliRunner().invoke(commands, ["lessons", *words, observed.id])
        valid = "applied and verified" if words[0] == "revert" else "proposed and proven"
        assert (told.exit_code, told.stdout) == (2, ""), told.output
        assert f"{observed.id} is observed" in told.stderr
        assert f"{valid} lessons can be" in told.stderr
        assert CliRunner().invoke(commands, ["lessons", *words, "no-such-lesson"]).exit_code == 2
    assert find(settings.lessons, observed.id) == observed


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (lambda folder: (folder / "playbooks" / PREPARE).open("a").write("\n"), "has changes that are not committed on trunk"),
        (None, "the project is in no git repository"),
    ],
    ids=["a person's changes", "no repository"],
)
def test_what_is_approved_and_in_no_commit_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Callable[[Path], object] | None, why: str
) -> None:
    _, waiting = proposed(tmp_path, monkeypatch, repository=before is not None)
    if before is not None:
        before(tmp_path)
    told = CliRunner().invoke(commands, ["lessons", "approve", waiting.id])
    assert told.exit_code == 0
    assert f"{waiting.id}: applied" in told.stdout
    assert why in next(line for line in told.stdout.splitlines() if line.startswith("not committed: "))


def test_what_is_approved_names_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, waiting = proposed(tmp_path, monkeypatch)
    told = CliRunner().invoke(commands, ["lessons", "approve", waiting.id])
    assert f", commit {str(find(settings.lessons, waiting.id).commit)[:10]}" in told.stdout
    assert "not committed" not in told.stdout


def test_the_last_lines_of_a_run_name_the_lesson_to_approve() -> None:
    made = Summary(
        source="acme", ok=False, covenant_version="1", covenant_changed=False, changes=(), notices=(), tables=(), gates_passed=1,
        gates_failed=1, gates_warned=0, lessons=("acme-a", "acme-b"), waiting=("acme-a", "acme-b"), runs=(), lakehouse="lake",
        proposed={"acme-b": "rule deduplicate for entity order"}, document=None, commit=None, seconds=1.0, problem="no", exit_code=7,
    )  # fmt: skip
    lines = summary_text(made).splitlines()
    assert "Asks you   solution-engine lessons explain acme-a" in lines
    asked = lines.index("Proposed   rule deduplicate for entity order")
    assert lines[asked + 1].strip().startswith("solution-engine lessons approve acme-b ")
    assert not any("explain acme-b" in line for line in lines)


def test_fifty_lessons_are_read_in_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks comes first, with what it asks; one cause is asked once; what is over is a number."""
    settings, first = made(tmp_path, monkeypatch, repository=False)
    (settings.lessons / f"{first.id}.md").unlink()

    def lesson_of(number: int, **changes: object) -> Lesson:
        mark = f"{number:08x}"
        made = first.but(id=f"acme-orders-changed-type-{mark}", fingerprint=mark * 8, subject=f"field{number}", **changes)
        save(settings.lessons, made)
        return made

    asking = [lesson_of(n, status="proposed", remedy=RULE, question="May this be done?") for n in (1, 2)]
    lesson_of(3, question="What should be done?")
    lesson_of(4, status="verified", remedy=RULE, helped=2)
    for number in range(5, 51):
        lesson_of(number, closed="It passed again.")
    lines = CliRunner().invoke(commands, ["lessons"]).stdout.splitlines()
    assert len(lines) < 20
    assert [line for line in lines if not line.startswith(" ")][:-1] == [
        "Asks you (2)", "Under way (1)", "Holds (1)",
        "46 are closed (the gap is gone, or another lesson's change mended it); --all lists them",
    ]  # fmt: skip
    assert f"            may this be done: {RULE.said}?" in lines
    assert "            same cause as 00000001: answering one answers both" in lines
    assert max(map(len, lines)) < 150
    assert CliRunner().invoke(commands, ["lessons", "--all"]).stdout.count("\n") > 50
    assert len(json.loads(CliRunner().invoke(commands, ["lessons", "--json"]).stdout)) == 50
    CliRunner().invoke(commands, ["lessons", "reject", "00000001"])
    assert [(each.status, each.tried[-1].how) for each in (find(settings.lessons, one.id) for one in asking)] == [
        ("observed", Outcome.REJECTED)
    ] * 2
