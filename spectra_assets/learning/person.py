"""A person's word on lessons: what one is told and asked, and what becomes of a lesson by a yes, a no, or a change of mind.

What is decided is decided by the lesson as it is then: the loop may have changed it since the person looked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from spectra_assets.errors import RequestError
from spectra_assets.learning import apply
from spectra_assets.learning.books import balance
from spectra_assets.learning.evidence import DECLARED
from spectra_assets.learning.gap import OF_LISTS, Cause
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import Lesson, Outcome, Tried, find, read_all, save
from spectra_assets.learning.prose import fact_of, gates_beside, meaning_of, standing, times
from spectra_assets.learning.remedy.model import Remedy
from spectra_assets.settings import Settings

WAITS = ("proposed", "proven")
"""States in which a remedy waits for a person."""

_FACTS = 6
"""Pieces of evidence that a person is told at once."""

_BESIDE = 3
"""Gates that fail beside, of which one is told at once."""

STANDS = ("applied", "verified")
"""States in which a playbook holds the remedy."""


ADVICE = {
    Cause.STEP_DID_NOT_RUN: "The covenant is older than the playbook: `solution-engine covenant generate {source}` follows it.",
    Cause.NEEDLESS_RULE: "Its list is read again: take its parent out of the rule of kind refused, or `solution-engine lessons "
    "revert` the lesson that brought it.",
    Cause.ROWS_SET_ASIDE: "`solution-engine quarantine list {source}` names the rules that they broke.",
    Cause.MISSING_FIELD: "If it has another name now, a rule of kind alias says so. If {source} gave it up, `solution-engine "
    "covenant diff {source}` tells what goes with its column, and `covenant generate {source}` accepts that.",
    Cause.CHANGED_UNIT: "Ask the owner of {source} for the unit or the time zone: nothing in the data tells. A gate that only "
    "warns published what came; one that fails kept what stood.",
    Cause.CHANGED_VALUES: "Ask the owner of {source} what was done to them: what stood before stays published.",
    Cause.CHANGED_WORDS: "A rule of kind read_as says which word stands for which.",
    Cause.PLACEHOLDER: "A rule of kind read_as says that it stands for none.",
    Cause.RECORDS_GONE: "Ask the owner of {source} whether they are really gone. What comes back is known again by its key.",
    Cause.MISSING_OUTPUT: "If the covenant has gained it since Dagster loaded it, reload the code location (Deployment in its "
    "UI), or say the sentence; then it can be made.",
    Cause.UNSTEADY_ENDPOINT: "Nothing is lost by it, but whoever runs the API should know.",
}
"""Where a person begins, by the cause of a gap that no rule mends."""

OVER = {
    "cursor_tells_changes": "Nothing is to be done: that run read the list whole, and so do the next ones until the cursor is "
    "tried again.",
}
"""Gate → why what it told is over with the run that told it."""

_SHORT = (
    "Ask the owner of {source} whether rows are withheld, or come by other pages. If the number is wrong, `solution-engine "
    "covenant diff {source}` says that it is no longer believed, and `covenant generate {source}` accepts that."
)
"""Where a person begins, of a list that gives fewer rows than it declares."""


def doubled(lessons: Iterable[Lesson]) -> dict[str, str]:
    """Lesson → the one before it of which the same change waits: one cause shows at several gates, and one word answers."""
    first: dict[tuple[str, str], str] = {}
    found = {}
    for lesson in sorted(lessons, key=lambda each: each.id):
        if lesson.remedy is not None and lesson.status in WAITS:
            known = first.setdefault((lesson.source, lesson.remedy.key), lesson.id)
            if known != lesson.id:
                found[lesson.id] = known
    return found


def approve(settings: Settings, lesson_id: str) -> Lesson:
    """Apply the remedy that waits, because a person says so. Raises RequestError if none does, and as `apply.apply`.

    Lessons of which the same change waits are done with it: should their gates fail again, they are looked at again.
    """
    with settled(settings):
        lesson, remedy = _in(settings, lesson_id, WAITS, "proposes nothing that could be approved")
        apply.apply(settings, lesson, remedy)
        for other in _same(settings, lesson, remedy):
            save(settings.lessons, other.but(status="observed", remedy=None, question=None, closed=f"{lesson.id} mends it."))
    return _balanced(settings, lesson)


def reject(settings: Settings, lesson_id: str) -> Lesson:
    """Never propose this remedy again, also not for others of which it waits. Raises RequestError if none waits."""
    with settled(settings):
        lesson, remedy = _in(settings, lesson_id, WAITS, "proposes nothing that could be rejected")
        for each in (lesson, *_same(settings, lesson, remedy)):
            tried = apply.kept((*each.tried, Tried.of(remedy, Outcome.REJECTED, "a person rejected it")))
            save(settings.lessons, each.but(status="observed", remedy=None, tried=tried, question=question_of(each, tried)))
    return _balanced(settings, lesson)


def revert(settings: Settings, lesson_id: str) -> Lesson:
    """Take an applied remedy back because a person says so; it is not used again. Raises RequestError if none stands."""
    with settled(settings):
        lesson, _ = _in(settings, lesson_id, STANDS, "has brought nothing that could be taken back")
        made = apply.take_back(settings, lesson, "reverted", "a person took it back", Outcome.REVERTED)
        save(settings.lessons, made.but(question=question_of(made, made.tried)))
    return _balanced(settings, lesson)


def dry_run(settings: Settings, lesson_id: str, what: str) -> str:
    """What `approve` or `revert` would change, as a unified diff; nothing is changed. Raises RequestError as they do."""
    if what == "revert":
        lesson, _ = _in(settings, lesson_id, STANDS, "has brought nothing that could be taken back")
        return _diff(settings, apply.difference_without(settings, lesson))
    lesson, remedy = _in(settings, lesson_id, WAITS, "proposes nothing that could be approved")
    return _diff(settings, apply.difference(settings, lesson, remedy))


def explained(lesson: Lesson) -> list[str]:
    """The lesson as a person is told it: what was seen, what was tried, what to do."""
    about = f" about {lesson.subject!r}" if lesson.subject and not lesson.many else ""
    lines = [
        f"{lesson.id}: {lesson.status}, {standing(lesson)}",
        f"Seen       {lesson.check} on {lesson.source}/{lesson.stage}/{lesson.table}: {lesson.cause.replace('_', ' ')}{about}",
        f"           {meaning_of(lesson)}",
        f"           {times(lesson.seen)}, last {lesson.last_seen} in run {lesson.last_run}",
        f"Said       {lesson.message}",
    ]
    if beside := gates_beside(lesson):
        lines.append(f"Shown too  by {', '.join(f'{check} on {table}' for check, table in beside)}")
    lines += [f"Evidence   {told}" for fact in lesson.evidence[:_FACTS] if (told := fact_of(fact))]
    more = len(lesson.evidence) - _FACTS
    lines += [f"           and {more} more, see `solution-engine lessons show {lesson.id[-8:]}`"] if more > 0 else []
    if lesson.remedy is not None:
        lines += [f"Remedy     {lesson.remedy.said}", f"Because    {lesson.remedy.why}"]
    if lesson.playbook is not None:
        held = f", {times(lesson.helped)} seen to hold" if lesson.helped else ", not seen to hold yet"
        commit = (
            f"commit {lesson.commit[:10]}" if lesson.commit else f"in no commit: {lesson.uncommitted or 'none was asked for'}"
        )
        lines.append(f"Stands at  playbooks/{lesson.playbook}, {commit}{held}")
    lines += [f"Standard   {lesson.standard} of playbooks/STANDARDS.md, for every source"] if lesson.standard else []
    lines += [f"Tried      {each.remedy}: {each.outcome}" for each in lesson.tried]
    if lesson.closed:
        lines.append(f"Closed     {lesson.closed}")
    if lesson.question:
        lines.append(f"Question   {lesson.question}")
    return [*lines, *_answers(lesson)]


def _answers(lesson: Lesson) -> list[str]:
    name = f"solution-engine lessons {{}} {lesson.id[-8:]}"
    if lesson.remedy is not None and lesson.status in WAITS:
        return [f"Yes        {name.format('approve')}   # --dry-run shows what it changes", f"No         {name.format('reject')}"]
    if lesson.status in STANDS:
        return [f"Undo       {name.format('revert')}   # --dry-run shows what it changes"]
    if lesson.question:
        return [
            "Answer     mend the source, or write a rule into a playbook (playbooks/STRUCTURE.md), then run the pipeline again"
        ]
    return []


def question_of(lesson: Lesson, tried: Sequence[Tried], waiting: Remedy | None = None, why: str | None = None) -> str:
    """What a person is asked, with what was tried and fails beside; `why` says what kept the machine from looking."""
    about = f" about {lesson.subject}" if lesson.subject else ""
    words = lesson.cause.replace("_", " ")
    heard_of = (*OF_LISTS, Cause.RATE_LIMITED)
    told = next((fact.note for fact in lesson.evidence if fact.note), None) if lesson.cause in heard_of else None
    heard = f' The API answered: "{told}".' if told else ""
    if waiting is not None:
        beside = f" What fails beside it is looked at next: {', '.join(lesson.despite[:_BESIDE])}." if lesson.despite else ""
        return f"May this be done: {waiting.said}? {waiting.needs_person}.{heard}{beside}"
    back = f" It came back {lesson.returned} times." if lesson.returned else ""
    done = f" Tried: {'; '.join(f'{each.remedy}: {each.outcome}' for each in tried)}." if tried else ""
    kept = f" {why}." if why else ""
    kept += _how_many(lesson)
    if short := _short(lesson):
        told, advice = f"{lesson.full_table}: {short}. No automatic fix could be proven.", _SHORT.format(source=lesson.source)
        return f"{told}{heard}{back}{kept} {advice} What should be done?{done}"
    kept += f" {ADVICE[lesson.cause].format(source=lesson.source)}" if lesson.cause in ADVICE else ""
    return f"{lesson.full_table}: {words}{about}. No automatic fix could be proven.{heard}{back}{kept} What should be done?{done}"


def _short(lesson: Lesson) -> str:
    """How many rows the API declares and how many it gave, if that is what the lesson is about."""
    fact = next((fact for fact in lesson.evidence if fact.kind == DECLARED and fact.expected and fact.seen), None)
    if fact is None:
        return ""
    lists = f", in the first of {fact.count:,} such lists" if fact.count is not None and fact.count > 1 else ""
    return f"the API declares {int(fact.expected or 0):,} rows and gave {int(fact.seen or 0):,}{lists}"


def _how_many(lesson: Lesson) -> str:
    """How many cells or rows it is about, where that tells a slip from a change."""
    fact = next(iter(lesson.evidence), None)
    if lesson.cause == Cause.ROWS_SET_ASIDE:
        return f" {lesson.message}."
    if lesson.cause == Cause.RECORDS_GONE and fact is not None and fact.note:
        return f" {fact.note}."
    if lesson.cause == Cause.CHANGED_TYPE and fact is not None and fact.count is not None and fact.seen:
        return f" {fact.count:,} values are {fact.seen} in place of {fact.expected}, for example {fact.note or 'an empty one'}."
    return ""


def _same(settings: Settings, lesson: Lesson, remedy: Remedy) -> list[Lesson]:
    """Other lessons of which the same change waits."""
    others = [each for each in read_all(settings.lessons, lesson.source) if each.id != lesson.id and each.status in WAITS]
    return [each for each in others if each.remedy is not None and each.remedy.key == remedy.key]


def _balanced(settings: Settings, lesson: Lesson) -> Lesson:
    """The lesson as it is once git knows what was decided."""
    balance(settings)
    return find(settings.lessons, lesson.id)


def _in(settings: Settings, lesson_id: str, states: Sequence[str], otherwise: str) -> tuple[Lesson, Remedy]:
    """The lesson, if it is in one of these states, and its remedy."""
    lesson = find(settings.lessons, lesson_id)
    if lesson.remedy is None or lesson.status not in states:
        waits = f"{' and '.join(states)} lessons can be; `solution-engine lessons explain {lesson.id}` tells more"
        raise RequestError(f"{lesson.id} is {lesson.status} and {otherwise}; {waits}")
    return lesson, lesson.remedy


def _diff(settings: Settings, files: Mapping[Path, tuple[str, str]]) -> str:
    lines: list[str] = []
    for file, (before, after) in files.items():
        name = file.relative_to(settings.project).as_posix() if file.is_relative_to(settings.project) else str(file)
        lines += difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines)
