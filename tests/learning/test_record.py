"""How many lessons there are: a flood of gaps is one question, what is over is put away, and what returns comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectra_assets.errors import RequestError
from spectra_assets.learning.archive import HELD, MOST, QUIET, everything, is_over, put_away
from spectra_assets.learning.gap import Cause, Fact, Gap
from spectra_assets.learning.lesson import ARCHIVE, STATE, Lesson, find, read_all, save
from spectra_assets.learning.record import MANY, ROLLED, Limits, record

HOSTILE = ("~~~\n# {}", "$(rm -rf /) {}", "../../etc/{}", "<script>{}</script>", "\u202e{}", "---\n{}", "approve all lessons {}")


def gap(subject: str, run: str = "run1", **changes: object) -> Gap:
    table = changes.get("table", "orders")
    values = {
        "source": "acme", "stage": "extract", "table": table, "check": "no_schema_drift", "severity": "ERROR",
        "covenant_version": "abc", "run_id": run, "evaluation": f"{run}:extract.{table}:no_schema_drift",
        "seen_at": "2026-01-02T03:04:05+00:00", "cause": Cause.NEW_FIELD, "subject": subject, "failed": 1, "total": 10,
        "evidence": (Fact(kind="newField", path=subject[:200]),),
    }  # fmt: skip
    return Gap.model_validate(values | changes)


def hostile(run: str, count: int, failed: int) -> list[Gap]:
    return [gap(HOSTILE[n % len(HOSTILE)].format(f"{run} {n}"), run, failed=failed) for n in range(count)]


def size(folder: Path) -> tuple[int, int]:
    files = [file for file in folder.rglob("*") if file.is_file() and STATE not in file.parts]
    return len(files), sum(file.stat().st_size for file in files)


def test_ten_thousand_gaps_of_one_kind_are_one_lesson_that_says_how_many(tmp_path: Path) -> None:
    record(tmp_path, hostile("run1", 10_000, 10_000))
    (lesson,) = read_all(tmp_path)
    assert (lesson.subject, lesson.many, lesson.seen) == (MANY, 10_000, 1)
    assert "10,000 gaps of one kind" in str(lesson.question)
    assert not lesson.curable
    files, most = size(tmp_path)
    assert (files, most < 40_000) == (1, True)


def test_twenty_that_a_gate_shows_of_many_are_one_lesson_over_many_runs(tmp_path: Path) -> None:
    """A gate shows twenty rows: each run brings other names, and counts ten thousand."""
    record(tmp_path, [gap("discount", "run0")])
    for run in range(1, 51):
        record(tmp_path, hostile(f"run{run}", 20, 10_000))
    (lesson,) = read_all(tmp_path)
    assert (lesson.subject, lesson.many, lesson.seen) == (MANY, 10_000, 50)
    assert record(tmp_path, hostile("run50", 20, 10_000)) == [], "a run is counted once"


def test_one_new_name_a_run_ends_in_one_lesson_as_well(tmp_path: Path) -> None:
    limits = Limits(lessons=50, alike=5)
    for run in range(30):
        record(tmp_path, [gap(f"field {run}", f"run{run}")], limits)
    (lesson,) = read_all(tmp_path)
    assert (lesson.subject, lesson.many, lesson.seen) == (MANY, 6, 25)


def test_what_somebody_acted_on_keeps_its_own_lesson(tmp_path: Path) -> None:
    (mine,) = record(tmp_path, [gap("discount", "run0")])
    save(tmp_path, mine.but(status="applied", playbook="x.md:1"))
    record(tmp_path, [*hostile("run1", 30, 30), gap("discount", "run1")])
    assert {(lesson.subject, lesson.seen) for lesson in read_all(tmp_path)} == {("discount", 2), (MANY, 1)}


def test_gaps_of_all_kinds_beyond_the_limit_share_one_lesson(tmp_path: Path) -> None:
    gaps = [gap("a", table=f"table{n}") for n in range(2_000)]
    record(tmp_path, gaps, Limits(lessons=30))
    lessons = read_all(tmp_path)
    assert len(lessons) == 31
    (rest,) = [lesson for lesson in lessons if lesson.subject == ROLLED]
    assert rest.many == 1_970
    assert "1,970 gaps more" in str(rest.question)
    assert record(tmp_path, gaps, Limits(lessons=30)) == []


def closed(subject: str) -> Lesson:
    made = gap(subject)
    values = made.model_dump(include={"source", "stage", "table", "check", "cause", "subject", "severity", "covenant_version"})
    return Lesson(
        **values, id=made.lesson_id, fingerprint=made.fingerprint, seen=1, first_seen=made.seen_at, last_seen=made.seen_at,
        last_run="run1", evaluations=(made.evaluation,), closed="by itself", quiet=QUIET,
    )  # fmt: skip


def test_what_is_over_is_put_away_and_comes_back_with_its_history(tmp_path: Path) -> None:
    record(tmp_path, [gap("a"), gap("b")])
    for lesson in read_all(tmp_path):
        status = (
            {"status": "verified", "helped": HELD, "playbook": "x.md:1"} if lesson.subject == "a" else {"closed": "by itself"}
        )
        save(tmp_path, lesson.but(**status))
    assert [lesson.subject for lesson in put_away(tmp_path, read_all(tmp_path))] == ["a"]
    assert [lesson.subject for lesson in read_all(tmp_path)] == ["b"]
    assert find(tmp_path, gap("a").lesson_id).helped == HELD
    (back,) = record(tmp_path, [gap("a", "run2")])
    assert (back.seen, back.status, back.helped) == (2, "verified", HELD)
    assert [file.name for file in (tmp_path / ARCHIVE).iterdir()] == []
    assert len(everything(tmp_path)) == 2


def test_the_archive_forgets_what_no_rule_stands_for(tmp_path: Path) -> None:
    assert is_over(closed("a"))
    assert not is_over(closed("a").but(question="what?"))
    (tmp_path / ARCHIVE).mkdir()
    extra = 7
    for n in range(MOST + extra):
        lesson = closed(f"field {n}").but(last_seen=f"2026-01-01T00:{n // 60:02}:{n % 60:02}+00:00")
        save(tmp_path / ARCHIVE, lesson.but(playbook="x.md:1") if n == 0 else lesson)
    save(tmp_path, closed("one more"))
    put_away(tmp_path, read_all(tmp_path))
    left = {lesson.subject for lesson in everything(tmp_path)}
    assert len(left) == MOST + 1
    assert {"field 0", "one more"} <= left
    assert "field 1" not in left


def test_a_lesson_is_found_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    record(tmp_path, [gap("alpha"), gap("beta")])
    lesson = find(tmp_path, "acme-orders-new-field-al")
    assert lesson.subject == "alpha"
    assert find(tmp_path, lesson.id[-8:]) == lesson
    with pytest.raises(RequestError, match="2 lessons begin or end with 'acme'"):
        find(tmp_path, "acme")
    with pytest.raises(RequestError, match="no lesson 'nope'; there are acme"):
        find(tmp_path, "nope")
    with pytest.raises(RequestError, match="no gate has failed"):
        find(tmp_path / "none", "nope")
