"""The loop: runs → gaps → lessons → remedies, proven and applied → the next run says whether they hold. Free of Dagster.

Every pass begins by finishing what a killed one left, works on what it is given, and leaves lessons, playbooks and covenants
whole at any moment. It is safe to run again: what was counted is not counted twice, what was tried is not tried again.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spectra_assets.covenant.files import covenant_file, covenant_files, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import SpectraError
from spectra_assets.learning import apply
from spectra_assets.learning.expected import expected
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Evaluation
from spectra_assets.learning.lesson import (
    MOST_RETURNS,
    Lesson,
    Tried,
    locked,
    read_all,
    record,
    save,
    times,
)
from spectra_assets.learning.lesson import read as read_lesson
from spectra_assets.learning.proof import Proof, prove
from spectra_assets.learning.remedy import propose
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.standard import generalise
from spectra_assets.learning.verify import Seen, passed_again, verdict_of
from spectra_assets.settings import Settings

Say = Callable[[str], None]

CANON = ("prepare.schema", "prepare.coverage")
"""Tables of Source and Prepare that are made again where a remedy is about the canon alone: the API is not asked for them."""

_OF_CANON = frozenset(
    (RemedyKind.ADD_FIELD, RemedyKind.WIDEN_TYPE, RemedyKind.DATE_FORMAT, RemedyKind.FOLLOW_RENAME, RemedyKind.MARK_NULLABLE,
     RemedyKind.PRIMARY_KEY, RemedyKind.DEDUPLICATE, RemedyKind.RECORDS, RemedyKind.PAGING, RemedyKind.ADD_GATE,
     RemedyKind.ADD_STEP, RemedyKind.LABEL_VALUE, RemedyKind.ORDER_PARENT, RemedyKind.REPLACE_ENDPOINT)
)  # fmt: skip

MOST_PER_PASS = 10
"""Lessons for which one pass looks for a remedy; the others wait for the next one."""

_MOST_PROOFS = 3
"""Proofs of one remedy that may fail before it is not tried any more: other recordings may show more."""

_UNPROVEN = "not proven"


@dataclass
class Learned:
    """What a pass came to. `applied` and `taken_back` changed playbooks and covenants: what they touch is to be made again."""

    changed: dict[str, Lesson] = field(default_factory=dict)
    applied: list[Lesson] = field(default_factory=list)
    taken_back: list[Lesson] = field(default_factory=list)

    def note(self, lesson: Lesson) -> Lesson:
        """Remember a lesson that changed."""
        self.changed[lesson.id] = lesson
        return lesson


def learn(
    settings: Settings, evaluations: Iterable[Evaluation], say: Say = lambda _: None, covenant: Covenant | None = None
) -> Learned:
    """One pass over what gates said, failed and passed, of one or several runs, oldest first.

    `covenant` is the one that ran, if it is not the file's. Raises DocumentError for a malformed lesson, playbook or covenant,
    StorageError.
    """
    learned = observe(settings, evaluations, say)
    if settings.learning != "off":
        heal(settings, learned, say, covenant)
    return learned


def observe(settings: Settings, evaluations: Iterable[Evaluation], say: Say = lambda _: None) -> Learned:
    """Write down what the runs showed, and say of each applied lesson whether it held; one that did not is taken back."""
    learned = Learned()
    with locked(settings.lessons):
        apply.finish(settings)
    for run in _runs(settings, evaluations):
        with locked(settings.lessons):
            before = read_all(settings.lessons)
        judged = [(lesson, found) for lesson in before if (found := verdict_of(lesson, run, before)) is not None]
        for lesson in record(settings.lessons, run.gaps):
            learned.note(lesson)
        with locked(settings.lessons):
            for lesson, (verdict, why) in judged:
                _judge(settings, learned, _latest(settings, lesson), verdict, why, run, say)
            for lesson in before:
                if (closing := passed_again(lesson, run)) is not None:
                    _close(settings, learned, _latest(settings, lesson), closing)
    if any(lesson.status == "verified" and lesson.helped == 1 for lesson in learned.changed.values()):
        for lesson in generalise(settings):
            learned.note(lesson)
            say(f"lesson {lesson.id}: held for several sources, so it is a standard now: {lesson.standard}")
    return learned


def heal(settings: Settings, learned: Learned, say: Say = lambda _: None, covenant: Covenant | None = None) -> None:
    """Look for a remedy for the lessons that changed, prove it, and apply the first that holds."""
    lessons = [lesson for lesson in learned.changed.values() if lesson.open][:MOST_PER_PASS]
    # all are proven under the covenant that ran: one remedy's covenant may hold by the way what another gap is about
    ran = {source: _covenant(settings, source) for source in {lesson.source for lesson in lessons}}
    for lesson in lessons:
        mine = covenant if covenant is not None and covenant.source == lesson.source else ran[lesson.source]
        if mine is not None:
            _seek(settings, learned, lesson, mine, say)


def made_again(learned: Learned) -> tuple[str, ...]:
    """Stages, or tables, of Source and Prepare that must be made again before the rest, after what was learned."""
    changed = [*learned.applied, *learned.taken_back]
    kinds = {lesson.remedy.kind for lesson in learned.applied if lesson.remedy}
    if not changed:
        return ()
    return CANON if not learned.taken_back and kinds <= _OF_CANON else ("source", "prepare")


def approve(settings: Settings, lesson: Lesson, say: Say = lambda _: None) -> Lesson:
    """Apply the proposed remedy because a person says so. Raises SpectraError if there is none."""
    if lesson.remedy is None or lesson.status not in ("proposed", "proven"):
        raise SpectraError(
            f"{lesson.id} is {lesson.status} and proposes nothing; see `solution-engine lessons explain {lesson.id}`"
        )
    with locked(settings.lessons):
        made = apply.apply(settings, lesson, lesson.remedy)
    say(f"applied: {made.remedy.said if made.remedy else ''}")
    return made


def dry_run(settings: Settings, lesson: Lesson) -> str:
    """What applying the lesson's remedy would change, as a unified diff. Raises SpectraError if there is none."""
    if lesson.remedy is None:
        raise SpectraError(f"{lesson.id} is {lesson.status} and proposes nothing")
    lines: list[str] = []
    for file, (before, after) in apply.difference(settings, lesson, lesson.remedy).items():
        name = file.relative_to(settings.project).as_posix() if file.is_relative_to(settings.project) else str(file)
        lines += difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines)


def explained(lesson: Lesson) -> list[str]:
    """The lesson as a person is told it: what was seen, what was tried, what to do."""
    about = f" about {lesson.subject!r}" if lesson.subject else ""
    lines = [
        f"{lesson.id}: {lesson.status}",
        f"Seen       {lesson.check} on {lesson.source}/{lesson.stage}/{lesson.table}: {lesson.cause.replace('_', ' ')}{about}",
        f"           {times(lesson.seen)}, last {lesson.last_seen} in run {lesson.last_run}",
        f"Said       {lesson.message}",
    ]
    for fact in lesson.evidence:
        told = ", ".join(f"{name} {value}" for name, value in fact.model_dump(exclude_none=True).items())
        lines.append(f"Evidence   {told}")
    if lesson.remedy is not None:
        lines += [f"Remedy     {lesson.remedy.said}", f"Because    {lesson.remedy.why}"]
    lines += [f"Tried      {each.remedy}: {each.outcome}" for each in lesson.tried]
    if lesson.closed:
        lines.append(f"Closed     {lesson.closed}")
    if lesson.question:
        lines.append(f"Question   {lesson.question}")
    if lesson.remedy is not None and lesson.status in ("proposed", "proven"):
        lines.append(f"Answer     solution-engine lessons approve {lesson.id} (--dry-run shows it), or … reject {lesson.id}")
    elif lesson.status in ("applied", "verified"):
        lines.append(f"Undo       solution-engine lessons revert {lesson.id}")
    elif lesson.question:
        lines.append(
            "Answer     mend the source, or write a rule into a playbook (playbooks/STRUCTURE.md), then run the pipeline again"
        )
    return lines


def reject(settings: Settings, lesson: Lesson) -> Lesson:
    """Never propose this remedy again."""
    if lesson.remedy is None or lesson.status not in ("proposed", "proven"):
        raise SpectraError(f"{lesson.id} is {lesson.status} and proposes nothing that could be rejected")
    tried = (*lesson.tried, Tried(remedy=lesson.remedy.said[:2000], outcome="a person rejected it"))
    with locked(settings.lessons):
        made = lesson.but(status="observed", remedy=None, tried=tried[-20:], question=_question(lesson, tried))
        save(settings.lessons, made)
    return made


def revert(settings: Settings, lesson: Lesson) -> Lesson:
    """Take an applied remedy back because a person says so."""
    if lesson.remedy is None or lesson.status not in ("applied", "verified"):
        raise SpectraError(f"{lesson.id} is {lesson.status}: there is nothing to take back")
    with locked(settings.lessons):
        return apply.take_back(settings, lesson, "reverted", "a person took it back")


# ---------------------------------------------------------------- one lesson


def _judge(settings: Settings, learned: Learned, lesson: Lesson, verdict: str, why: str, run: Seen, say: Say) -> None:
    if verdict == "held":
        made = lesson.but(status="verified", helped=lesson.helped + 1)
        save(settings.lessons, made)
        learned.note(made)
        say(f"lesson {lesson.id}: verified, {why}")
        return
    status = "ineffective" if verdict == "returned" else "reverted"
    counted = lesson.but(
        returned=lesson.returned + (verdict == "returned"), harmed=lesson.harmed + (verdict == "harmed"), status=lesson.status
    )
    made = apply.take_back(settings, counted, status, why)
    if made.returned >= MOST_RETURNS:
        made = made.but(question=_question(made, made.tried))
        save(settings.lessons, made)
    learned.note(made)
    learned.taken_back.append(made)
    say(f"lesson {lesson.id}: {status}, taken back: {why}")


def _close(settings: Settings, learned: Learned, lesson: Lesson, why: str) -> None:
    if lesson.open or lesson.status == "proposed":
        made = lesson.but(status="observed" if lesson.remedy else lesson.status, remedy=None, closed=why[:500], question=None)
        save(settings.lessons, made)
        learned.note(made)


def _seek(settings: Settings, learned: Learned, lesson: Lesson, covenant: Covenant, say: Say) -> None:
    """The first remedy that is proven is applied; one that only a person may apply is proposed; else a question remains."""
    if lesson.returned >= MOST_RETURNS:
        _ask(settings, learned, lesson, lesson.tried)
        return
    gap = lesson.gap()
    tried = list(lesson.tried)
    waiting: Remedy | None = None
    for remedy in propose(gap, Facts(settings, covenant)):
        if _settled(remedy, tried):
            continue
        if remedy.needs_person is not None:
            waiting = waiting or remedy
            continue
        proof, error = _proof(settings, covenant, lesson, remedy)
        if error:
            say(f"lesson {lesson.id}: {remedy.said}: could not be proven: {error}")
            continue
        if not proof.holds:
            tried.append(Tried(remedy=remedy.said[:2000], outcome=_told(proof)[:1000]))
            say(f"lesson {lesson.id}: {remedy.said}: not proven, {_told(proof)}")
            continue
        _use(settings, learned, lesson.but(tried=tuple(tried)[-20:]), remedy, say)
        return
    if waiting is not None:
        made = lesson.but(status="proposed", remedy=waiting, tried=tuple(tried)[-20:], question=_question(lesson, tried, waiting))
        with locked(settings.lessons):
            save(settings.lessons, made)
        learned.note(made)
        say(f"lesson {lesson.id}: {waiting.said} waits for a person: {waiting.needs_person}")
        return
    _ask(settings, learned, lesson, tried)


def _use(settings: Settings, learned: Learned, lesson: Lesson, remedy: Remedy, say: Say) -> None:
    with locked(settings.lessons):
        if settings.learning == "propose":
            made = lesson.but(status="proven", remedy=remedy, question=None)
            save(settings.lessons, made)
            say(f"lesson {lesson.id}: {remedy.said} is proven; apply it with `solution-engine lessons approve {lesson.id}`")
        else:
            made = apply.apply(settings, lesson, remedy)
            learned.applied.append(made)
            say(f"lesson {lesson.id}: proven and applied: {remedy.said}")
    learned.note(made)


def _ask(settings: Settings, learned: Learned, lesson: Lesson, tried: Sequence[Tried]) -> None:
    made = lesson.but(tried=tuple(tried)[-20:], question=_question(lesson, tried))
    if made != lesson:
        with locked(settings.lessons):
            save(settings.lessons, made)
        learned.note(made)


def _proof(settings: Settings, covenant: Covenant, lesson: Lesson, remedy: Remedy) -> tuple[Proof, str]:
    """The proof of one remedy, and what kept it from being made, for example a recording that is not there any more."""
    others = [read(file) for file in covenant_files(settings.covenants) if file.stem != lesson.source]
    try:
        return prove(settings, covenant, lesson.gap(), remedy, others), ""
    except SpectraError as error:
        return Proof(reproduced=False, repaired=False), f"{type(error).__name__}: {error}"[:500]


def _settled(remedy: Remedy, tried: Sequence[Tried]) -> bool:
    """Whether a remedy is not to be tried again: it was used and did not help, a person rejected it, or proofs failed often."""
    outcomes = [each.outcome for each in tried if each.remedy == remedy.said[:2000]]
    return len(outcomes) >= _MOST_PROOFS or any(not outcome.startswith(_UNPROVEN) for outcome in outcomes)


def _told(proof: Proof) -> str:
    parts = [] if proof.reproduced else ["the recording does not show the gap"]
    parts += [] if proof.repaired else ["it does not repair it"]
    parts += [f"breaks {each}" for each in proof.regressions]
    return f"{_UNPROVEN}: {'; '.join([*parts, *proof.notes])}"[:1000]


def _question(lesson: Lesson, tried: Sequence[Tried], waiting: Remedy | None = None) -> str:
    """What a person is asked, with what was tried."""
    about = f" about {lesson.subject}" if lesson.subject else ""
    words = lesson.cause.replace("_", " ")
    if waiting is not None:
        return f"May this be done: {waiting.said}? {waiting.needs_person}"[:2000]
    back = f" It came back {lesson.returned} times." if lesson.returned else ""
    done = f" Tried: {'; '.join(f'{each.remedy}: {each.outcome}' for each in tried)}." if tried else ""
    return f"{lesson.full_table} shows {words}{about}, and no remedy for it is proven.{back} What should be done?{done}"[:2000]


# ---------------------------------------------------------------- what is at hand


def _runs(settings: Settings, evaluations: Iterable[Evaluation]) -> list[Seen]:
    """The runs of one source each, in the order in which they were seen first, with what they show beside their gates."""
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for evaluation in evaluations:
        found.setdefault((evaluation.run_id, evaluation.source), []).append(evaluation)
    return [Seen.of(run_id, [*mine, *expected(settings, source, run_id, mine)]) for (run_id, source), mine in found.items()]


def _latest(settings: Settings, lesson: Lesson) -> Lesson:
    return read_lesson(settings.lessons / f"{lesson.id}.md")


def _covenant(settings: Settings, source: str) -> Covenant | None:
    file: Path = covenant_file(settings.covenants, source)
    return read(file) if file.is_file() else None
