"""One lesson for one cause: gates that show the same are named in it, and nothing that waits is told twice."""

from __future__ import annotations

from pathlib import Path

from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.lesson import find, read_all, save
from spectra_assets.learning.merge import merge
from spectra_assets.learning.prose import text_of
from spectra_assets.learning.record import record
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from tests.learning.test_record import gap


def forbidden(run: str) -> list[Gap]:
    """A closed list, as Source and Extract show it."""
    cause = {"cause": Cause.ENDPOINT_FORBIDDEN, "severity": "ERROR"}
    probe = {"stage": "source", "table": "portfolio", "check": "hierarchy_proven", "entity": "order", "evaluation": f"{run}:p"}
    return [
        gap("order", run, **cause, **probe),
        gap("skipped", run, **cause, check="extract_complete", evaluation=f"{run}:e"),
    ]


def test_what_two_gates_show_of_one_cause_is_one_lesson_that_names_both(tmp_path: Path) -> None:
    for lesson in record(tmp_path, forbidden("run1")):
        save(tmp_path, lesson.but(question="May it be left out?"))
    assert len(read_all(tmp_path)) == 2, "each gate's gap is looked at before one word is asked"
    assert len(merge(tmp_path, "acme")) == 1
    (lesson,) = read_all(tmp_path)
    assert (lesson.check, lesson.also) == ("hierarchy_proven", (forbidden("run1")[1].echo,))
    assert "`extract_complete` on `extract.orders`" in text_of(lesson)
    record(tmp_path, forbidden("run2"))
    (lesson,) = read_all(tmp_path)
    assert (lesson.seen, lesson.check) == (2, "hierarchy_proven"), "a run counts once"
    record(tmp_path, forbidden("run3")[1:])
    record(tmp_path, forbidden("run3")[1:])
    (lesson,) = read_all(tmp_path)
    assert (lesson.seen, lesson.subject) == (3, "order"), "either gate tells it"
    save(tmp_path, lesson.but(closed="the API is as it was"))
    record(tmp_path, forbidden("run4")[1:])
    assert {each.check for each in read_all(tmp_path)} == {"hierarchy_proven", "extract_complete"}, "what is over tells nothing"


def test_two_remedies_that_wait_are_two_lessons(tmp_path: Path) -> None:
    waits = [
        Remedy(kind=RemedyKind.PAGING, edits=(AddRule(file="x", rule={"kind": "paging", "size": size}),), why="a test")
        for size in (1, 2, 2)
    ]
    gaps = [*forbidden("run1"), gap("pages", "run1", cause=Cause.ENDPOINT_FORBIDDEN, evaluation="run1:q")]
    for lesson, remedy in zip(record(tmp_path, gaps), waits, strict=True):
        save(tmp_path, lesson.but(status="proposed", remedy=remedy, question="May it?"))
    assert len(merge(tmp_path, "acme")) == 1
    assert {each.remedy.said for each in read_all(tmp_path) if each.remedy} == {waits[0].said, waits[1].said}


def test_a_question_about_what_a_remedy_follows_is_told_by_that_one(tmp_path: Path) -> None:
    edit = AddRule(file="x", rule={"kind": "alias", "scope": {"field": "note"}, "also": ["remark"]})
    remedy = Remedy(kind=RemedyKind.FOLLOW_RENAME, edits=(edit,), why="a test")
    gaps = [gap("note", cause=Cause.MISSING_FIELD), gap("remark"), gap("colour")]
    gone, new, other = record(tmp_path, gaps)
    applied = {"status": "applied", "remedy": remedy, "playbook": "x:1"}
    save(tmp_path, gone.but(**applied, applied_at="2026-01-02T03:05:00+00:00"))
    for lesson in (new, other):
        save(tmp_path, lesson.but(question="What should be done?"))
    assert merge(tmp_path, "acme") == {new.id}
    assert [[echo.subject for echo in each.also] for each in (find(tmp_path, gone.id), find(tmp_path, other.id))] == [
        ["remark"],
        [],
    ]
    record(tmp_path, [gap("remark", "run2", seen_at="2026-01-02T03:06:00+00:00")])
    assert find(tmp_path, new.id).seen == 1, "what it does not mend after all is a lesson again"
    save(tmp_path, find(tmp_path, new.id).but(question="What should be done?"))
    assert merge(tmp_path, "acme") == set(), "it came after the remedy"
