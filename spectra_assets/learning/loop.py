"""The loop: runs → gaps → lessons → remedies, proven and applied → the next run says whether they hold. Free of Dagster.

Every pass begins by finishing what a killed one left, works on what it is given, and leaves lessons, playbooks and covenants
whole at any moment. It is safe to run again: what was counted is not counted twice, what was tried is not tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from spectra_assets.covenant.files import covenant_files, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import DocumentError, SpectraError, StorageError
from spectra_assets.learning import apply
from spectra_assets.learning.archive import archived, put_away
from spectra_assets.learning.books import balance
from spectra_assets.learning.expected import expected
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Evaluation
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import MOST_RETURNS, Lesson, Outcome, Tried, place, read_all, save
from spectra_assets.learning.lesson import read as read_lesson
from spectra_assets.learning.merge import merge
from spectra_assets.learning.person import question_of
from spectra_assets.learning.proof import Proof, prove
from spectra_assets.learning.prose import times
from spectra_assets.learning.record import Limits, record
from spectra_assets.learning.remedy import propose
from spectra_assets.learning.remedy.model import TOLD_BY_CANON, Remedy
from spectra_assets.learning.standard import generalise
from spectra_assets.learning.verify import Seen, awaited, gone, is_quiet, passed_again, verdict_of
from spectra_assets.settings import Settings
from spectra_assets.stages.design import playbooks_of, written

Say = Callable[[str], None]

CANON = ("prepare.schema", "prepare.coverage")
"""Tables of Source and Prepare that are made again where a remedy is about the canon alone: the API is not asked for them."""

MOST_PER_PASS = 10
"""Lessons for which one pass looks for a remedy; the others wait for the next one."""

_MOST_PROOFS = 3
"""Proofs of one remedy that may fail before it is not tried any more: other recordings may show more."""


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


def heal(settings: Settings, learned: Learned, say: Say = lambda _: None, covenant: Covenant | None = None) -> None:
    """Look for a remedy for the lessons that changed, prove it, and apply the first that holds.

    It begins no further lesson once the setting `learn_seconds` is spent; what is left waits for the next pass.
    """
    lessons = [lesson for lesson in learned.changed.values() if lesson.curable][:MOST_PER_PASS]
    if lessons:
        _heal(settings, learned, lessons, say, covenant)
        with settled(settings):
            for name in (each for source in sorted({one.source for one in lessons}) for each in merge(settings.lessons, source)):
                learned.changed.pop(name, None)
        balance(settings)


def _heal(settings: Settings, learned: Learned, lessons: Sequence[Lesson], say: Say, covenant: Covenant | None) -> None:
    begun, most = time.monotonic(), int(playbooks_of(settings).setting("learn_seconds", lessons[0].source))
    # all are proven under the covenant that ran: one remedy's covenant may hold by the way what another gap is about
    ran = {source: written(settings, source) for source in {lesson.source for lesson in lessons}}
    waiting: list[Lesson] = []

    def look(lesson: Lesson, defers: bool) -> bool:
        """Whether there is time; what waits because of a cost that another lesson may take away is looked at once more."""
        mine = covenant if covenant is not None and covenant.source == lesson.source else ran[lesson.source]
        if mine is None:
            return True
        if time.monotonic() - begun > most:
            say(f"{most} s are spent (setting learn_seconds): the other lessons wait for the next pass")
            return False
        try:
            if _seek(settings, learned, lesson, mine, say, defers):
                waiting.append(lesson)
        except SpectraError as error:
            _ask(settings, learned, lesson, (), f"It could not be looked for: {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 (one gap that a remedy stumbles over must not keep the others from being healed)
            _ask(settings, learned, lesson, (), f"Looking for one ended in a bug: {type(error).__name__}: {error}")
            say(f"lesson {lesson.id}: looking for a remedy ended in a bug: {type(error).__name__}: {error}")
        return True

    for number, lesson in enumerate(lessons, 1):
        if not look(lesson, number < len(lessons)):
            return
    for lesson in tuple(waiting):
        if not look(lesson, False):
            return


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
        _judge(settings, learned, _latest(settings, lesson), verdict, why, run, say)
    tables = _tables(settings, live, run)
    for lesson in live:
        closing = passed_again(lesson, run, before) or (gone(lesson, tables, run) if tables else None)
        if closing is not None:
            _close(settings, learned, _latest(settings, lesson), closing, run)
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


def _seek(settings: Settings, learned: Learned, lesson: Lesson, covenant: Covenant, say: Say, defers: bool) -> bool:
    """The first remedy that is proven is applied; one that only a person may apply is proposed; else a question remains. A person
    is told nothing while what another lesson brought waits for its run: it may mend this gap as well.

    One that repairs at a cost may do so for nothing once another gap of the same time is mended: with `defers` nothing is
    decided then, and the result is true.
    """
    if lesson.returned >= MOST_RETURNS:
        _ask(settings, learned, lesson, ())
        return False
    costs = False
    tried: list[Tried] = []
    waiting: Remedy | None = None
    despite: tuple[str, ...] = ()
    for remedy in propose(lesson.gap(), Facts(settings, covenant)):
        if _settled(remedy, lesson.tried):
            continue
        if remedy.needs_person is not None:
            waiting = waiting or remedy
            continue
        proof, error = _proof(settings, covenant, lesson, remedy)
        if error:
            say(f"lesson {lesson.id}: {remedy.said}: could not be proven: {error}")
            continue
        if proof.needs_person is not None:
            costs = costs or waiting is None
            if waiting is None:
                waiting, despite = remedy.model_copy(update={"needs_person": proof.needs_person}), proof.despite
            continue
        if not proof.holds:
            tried.append(Tried.of(remedy, Outcome.UNPROVEN, _told(proof)))
            say(f"lesson {lesson.id}: {remedy.said}: not proven, {_told(proof)}")
            continue
        if _use(settings, learned, lesson.but(despite=proof.despite), tried, remedy, say):
            return False
    if costs and defers:
        return True
    if (other := awaited(lesson, read_all(settings.lessons, lesson.source))) is not None:
        say(f"lesson {lesson.id}: nobody is asked before a run shows what {other.id} brought")
        return False
    if waiting is None:
        _ask(settings, learned, lesson, tried)
        return False
    with _undecided(settings, lesson, tried) as now:
        if now is not None:
            made = now.but(status="proposed", remedy=waiting, despite=despite, question=question_of(now, now.tried, waiting))
            save(settings.lessons, made)
            learned.note(made)
            say(f"lesson {lesson.id}: {waiting.said} waits for a person: {waiting.needs_person}")
    return False


@contextmanager
def _undecided(settings: Settings, lesson: Lesson, tried: Sequence[Tried]) -> Iterator[Lesson | None]:
    """The lesson as it is by now, with what was tried beside; None if somebody decided meanwhile. Others wait."""
    with settled(settings):
        now = _latest(settings, lesson)
        yield now.but(tried=apply.kept((*now.tried, *tried))) if now is not None and now.curable else None


def _use(settings: Settings, learned: Learned, lesson: Lesson, tried: list[Tried], remedy: Remedy, say: Say) -> bool:
    """Apply what is proven, or leave it to a person; whether that is the end of looking for remedies.

    `lesson` says what its proof saw fail beside.
    """
    with _undecided(settings, lesson, tried) as now:
        if now is None:
            say(f"lesson {lesson.id}: somebody decided meanwhile")
            return True
        why, now = _left_to_a_person(settings, lesson.source), now.but(despite=lesson.despite)
        try:
            made = apply.apply(settings, now, remedy) if why is None else now.but(status="proven", remedy=remedy)
        except StorageError as error:
            why, made = f"It could not be applied: {error}. Once that is mended, the next run that shows the gap applies it.", now
        except SpectraError as error:
            tried.append(Tried.of(remedy, Outcome.UNAPPLIED, f"could not be applied: {error}"))
            say(f"lesson {lesson.id}: {remedy.said}: {tried[-1].outcome}")
            return False
        learned.note(made)
        if why is None:
            learned.applied.append(made)
            alone = f" (in no commit: {made.uncommitted})" if made.uncommitted else ""
            say(f"lesson {lesson.id}: proven and applied: {remedy.said}{alone}")
            return True
        made = learned.note(made.but(question=f"Proven: {remedy.said}. {why}"))
        save(settings.lessons, made)
        say(f"lesson {lesson.id}: {made.question}")
        return True


def _left_to_a_person(settings: Settings, source: str) -> str | None:
    """Why the machine applies nothing more by itself."""
    if settings.learning == "propose":
        return "SPECTRA_LEARNING leaves it to a person to apply it."
    playbooks = playbooks_of(settings)
    most = int(playbooks.setting("lesson_rules", source))
    brought = sum(rule.lesson is not None and rule.scope.source == source for rule in playbooks.all_rules())
    if brought < most:
        return None
    return f"Lessons have brought {brought} rules for {source} already (setting lesson_rules): a person looks at them first."


def _ask(settings: Settings, learned: Learned, lesson: Lesson, tried: Sequence[Tried], why: str | None = None) -> None:
    with _undecided(settings, lesson, tried) as now:
        made = now and now.but(question=question_of(now, now.tried, why=why))
        if made is not None and made != now:
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
    outcomes = [each.how for each in tried if each.is_of(remedy)]
    return len(outcomes) >= _MOST_PROOFS or any(how != Outcome.UNPROVEN for how in outcomes)


def _told(proof: Proof) -> str:
    parts = [] if proof.reproduced else ["the recording does not show the gap"]
    parts += [] if proof.repaired else ["it does not repair it"]
    parts += [f"breaks {each}" for each in proof.regressions]
    return f"not proven: {'; '.join([*parts, *proof.notes])}"[:1000]


# ---------------------------------------------------------------- what is at hand


def _runs(settings: Settings, evaluations: Iterable[Evaluation]) -> list[Seen]:
    """The runs of one source each, in the order in which they were seen first, with what they show beside their gates."""
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for evaluation in evaluations:
        found.setdefault((evaluation.run_id, evaluation.source), []).append(evaluation)
    return [Seen.of(run_id, [*mine, *expected(settings, source, run_id, mine)]) for (run_id, source), mine in found.items()]


def _latest(settings: Settings, lesson: Lesson) -> Lesson | None:
    """The lesson as it is by now; None if it is no more."""
    file = place(settings.lessons, lesson.id)
    return read_lesson(file) if file is not None else None
