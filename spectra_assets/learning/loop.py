"""The loop: runs → gaps → lessons → remedies, proven and applied → the next run says whether they hold. Free of Dagster.

Every pass begins by finishing what a killed one left, works on what it is given, and leaves lessons, playbooks and covenants
whole at any moment. It is safe to run again: what was counted is not counted twice, what was tried is not tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from spectra_assets.errors import DocumentError, SpectraError
from spectra_assets.learning import apply
from spectra_assets.learning.archive import archived, put_away
from spectra_assets.learning.books import balance
from spectra_assets.learning.expected import expected
from spectra_assets.learning.gap import Evaluation
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import MOST_RETURNS, Lesson, place, read_all, save
from spectra_assets.learning.lesson import read as read_lesson
from spectra_assets.learning.person import question_of
from spectra_assets.learning.prose import times
from spectra_assets.learning.record import Limits, record
from spectra_assets.learning.remedy.model import TOLD_BY_CANON
from spectra_assets.learning.standard import generalise
from spectra_assets.learning.verify import Seen, gone, is_quiet, passed_again, verdict_of
from spectra_assets.settings import Settings
from spectra_assets.stages.design import playbooks_of, written

Say = Callable[[str], None]

CANON = ("prepare.schema", "prepare.coverage")
"""Tables of Source and Prepare that are made again where a remedy is about the canon alone: the API is not asked for them."""


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


def observe(settings: Settings, evaluations: Iterable[Evaluation], say: Say = lambda _: None) -> Learned:
    """Write down what the runs showed, and say of each applied lesson whether it held; one that did not is taken back."""
    learned = Learned()
    with settled(settings):
        pass  # what a killed pass left is finished, whether or not there is anything new
    for run in _runs(settings, evaluations):
        with settled(settings):
            _observe(settings, learned, run, say)
    if any(lesson.status == "verified" and lesson.helped == 1 for lesson in learned.changed.values()):
        for lesson in generalise(settings):
            learned.note(lesson)
            say(f"lesson {lesson.id}: held for several sources, so it is a standard now: {lesson.standard}")
    balance(settings)
    return learned


def made_again(learned: Learned) -> tuple[str, ...]:
    """Stages, or tables, of Source and Prepare that must be made again before the rest, after what was learned."""
    changed = [*learned.applied, *learned.taken_back]
    kinds = {lesson.remedy.kind for lesson in learned.applied if lesson.remedy}
    if not changed:
        return ()
    return CANON if not learned.taken_back and kinds <= TOLD_BY_CANON else ("source", "prepare")


# ---------------------------------------------------------------- one run


def _observe(settings: Settings, learned: Learned, run: Seen, say: Say) -> None:
    """What one run says of the lessons there are, and the new ones. The caller holds the lessons' lock."""
    folder = settings.lessons
    source = run.evaluations[0].source
    live = read_all(folder, source)
    before = [*live, *archived(folder, {gap.lesson_id for gap in run.gaps})]
    judged = [(lesson, found) for lesson in before if (found := verdict_of(lesson, run, before)) is not None]
    for lesson in record(folder, run.gaps, _limits(settings, source) if run.gaps else Limits()):
        learned.note(lesson)
    for lesson, (verdict, why) in judged:
        _judge(settings, learned, latest(settings, lesson), verdict, why, run, say)
    tables = _tables(settings, live, run)
    for lesson in live:
        closing = passed_again(lesson, run, before) or (gone(lesson, tables, run) if tables else None)
        if closing is not None:
            _close(settings, learned, latest(settings, lesson), closing, run)
        elif is_quiet(lesson, run):
            save(folder, lesson.but(quiet=lesson.quiet + 1, judged_run=run.run_id, judged_at=_at(run)))
    put_away(folder, read_all(folder, source))


def _tables(settings: Settings, lessons: Iterable[Lesson], run: Seen) -> set[str]:
    """The tables that the source's covenant makes; empty where nothing asks for them."""
    seen = {f"{each.stage}.{each.table}" for each in run.evaluations}
    if all(lesson.full_table in seen for lesson in lessons):
        return set()
    covenant = written(settings, run.evaluations[0].source)
    return {table.table for table in covenant.tables()} if covenant is not None else set()


def _at(run: Seen) -> str:
    return max(evaluation.seen_at for evaluation in run.evaluations)


def _limits(settings: Settings, source: str) -> Limits:
    """How many lessons the source may have; a playbook that can't be read keeps nothing from being written down."""
    try:
        playbooks = playbooks_of(settings)
    except DocumentError:
        return Limits()
    return Limits(*(int(playbooks.setting(name, source)) for name in ("lessons_per_source", "lessons_alike")))


# ---------------------------------------------------------------- one lesson


def _judge(settings: Settings, learned: Learned, lesson: Lesson | None, verdict: str, why: str, run: Seen, say: Say) -> None:
    if lesson is None:
        return
    lesson = lesson.but(judged_run=run.run_id, judged_at=_at(run))
    if verdict == "held":
        made = lesson.but(status="verified", helped=lesson.helped + 1)
        save(settings.lessons, made)
        learned.note(made)
        say(f"lesson {lesson.id}: verified, {why}")
        return
    status = "ineffective" if verdict == "returned" else "reverted"
    counted = lesson.but(returned=lesson.returned + (verdict == "returned"), harmed=lesson.harmed + (verdict == "harmed"))
    try:
        made = apply.take_back(settings, counted, status, why)
    except SpectraError as error:
        asked = f"It does not hold ({why}), and could not be taken back: {error}. Take it back by hand, or say `lessons revert`."
        learned.note(lesson := lesson.but(question=asked))
        save(settings.lessons, lesson)
        say(f"lesson {lesson.id}: {asked}")
        return
    if made.returned >= MOST_RETURNS:
        made = made.but(question=question_of(made, made.tried))
        save(settings.lessons, made)
    learned.note(made)
    learned.taken_back.append(made)
    say(f"lesson {lesson.id}: {status}, taken back: {why}")


def _close(settings: Settings, learned: Learned, lesson: Lesson | None, why: str, run: Seen) -> None:
    if lesson is not None and (lesson.open or lesson.status in ("proposed", "proven")):
        status = "observed" if lesson.remedy else lesson.status
        if status == "ineffective" and lesson.helped:  # it helped as long as the source was so: nothing is left to ask
            status, why = "reverted", f"It held {times(lesson.helped)}, until the source went back to how it was before. {why}"
        made = lesson.but(status=status, remedy=None, closed=why, question=None, judged_run=run.run_id, judged_at=_at(run))
        save(settings.lessons, made)
        learned.note(made)


# ---------------------------------------------------------------- what is at hand


def _runs(settings: Settings, evaluations: Iterable[Evaluation]) -> list[Seen]:
    """The runs of one source each, in the order in which they were seen first, with what they show beside their gates."""
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for evaluation in evaluations:
        found.setdefault((evaluation.run_id, evaluation.source), []).append(evaluation)
    return [Seen.of(run_id, [*mine, *expected(settings, source, run_id, mine)]) for (run_id, source), mine in found.items()]


def latest(settings: Settings, lesson: Lesson) -> Lesson | None:
    """The lesson as it is by now; None if it is no more."""
    file = place(settings.lessons, lesson.id)
    return read_lesson(file) if file is not None else None
