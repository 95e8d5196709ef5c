"""Healing: a remedy is looked for, gap by gap, proven, and the first that holds is applied; else a person is asked.

What is tried is told as it begins: a proof may take minutes. Together they take no longer than the setting `learn_seconds` says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.files import covenant_files, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import SpectraError, StorageError
from spectra_assets.learning import apply
from spectra_assets.learning.books import balance
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import MOST_RETURNS, Lesson, Outcome, Tried, find, read_all, save
from spectra_assets.learning.loop import Learned, Say, latest
from spectra_assets.learning.merge import merge
from spectra_assets.learning.person import OVER, question_of
from spectra_assets.learning.proof import Proof, prove
from spectra_assets.learning.prose import bounded
from spectra_assets.learning.remedy import propose
from spectra_assets.learning.remedy.model import Remedy, RemedyKind, TakeBack
from spectra_assets.learning.verify import awaited
from spectra_assets.learning.withdrawal import with_withdrawals
from spectra_assets.settings import Settings
from spectra_assets.stages.design import playbooks_of, written

MOST_PER_PASS = 10
"""Lessons for which one pass looks for a remedy; the others wait for the next one."""

_MOST_PROOFS = 3
"""Proofs of one remedy that may fail before it is not tried any more: other recordings may show more."""

_ABOUT = 60
"""Characters of a gap's subject in a line."""


def heal(
    settings: Settings, learned: Learned, say: Say = lambda _: None, covenant: Covenant | None = None, spent: float = 0.0
) -> None:
    """Look for a remedy for the lessons that changed, prove it, and apply the first that holds.

    It ends once the setting `learn_seconds` is spent, of which the caller has used `spent` before: a proof under way is given up.
    What is left waits for the next pass.
    """
    lessons = [lesson for lesson in learned.changed.values() if lesson.curable]
    if lessons:
        # what could not be mended before comes last: it may take all the time there is; but first what held until now
        chosen = sorted(lessons, key=lambda lesson: bool(lesson.tried) and lesson.status != "ineffective")[:MOST_PER_PASS]
        _Healing.begin(settings, learned, chosen, say, covenant, spent).run()
        if len(lessons) > len(chosen):
            say(f"{len(lessons) - len(chosen)} further gaps wait for the next pass: one looks at {MOST_PER_PASS}")
        with settled(settings):
            for name in (each for source in sorted({one.source for one in chosen}) for each in merge(settings.lessons, source)):
                learned.changed.pop(name, None)
        balance(settings)


@dataclass(frozen=True)
class _Healing:
    """One pass over some lessons. `ran`: source → the covenant under which its gaps were seen. All are proven under it: one
    remedy's covenant may hold by the way what another gap is about."""

    settings: Settings
    learned: Learned
    lessons: Sequence[Lesson]
    say: Say
    ran: dict[str, Covenant | None]
    seconds: int
    until: float
    """Instant of the monotonic clock."""
    waiting: list[Lesson] = field(default_factory=list)

    @classmethod
    def begin(
        cls, settings: Settings, learned: Learned, lessons: Sequence[Lesson], say: Say, covenant: Covenant | None, spent: float
    ) -> _Healing:
        """`covenant` is that of one source, where it is not the one that is written."""
        most = int(playbooks_of(settings).setting("learn_seconds", lessons[0].source))
        ran = {source: written(settings, source) for source in {lesson.source for lesson in lessons}}
        if covenant is not None:
            ran[covenant.source] = covenant
        return cls(settings, learned, lessons, say, ran, most, time.monotonic() + most - spent)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until

    def run(self) -> None:
        """Each lesson once, and once more those of which the remedy has a price that another one's remedy may take away."""
        for number, lesson in enumerate(self.lessons, 1):
            if self.is_over:
                self._tell_the_rest(self.lessons[number - 1 :])
                return
            self._look(lesson, f"gap {number} of {len(self.lessons)}", defers=number < len(self.lessons))
        for number, lesson in enumerate(self.waiting, 1):
            if self.is_over:
                self._tell_the_rest(self.waiting[number - 1 :])
                return
            self._look(lesson, f"once more, {number} of {len(self.waiting)}", defers=False)

    def _tell_the_rest(self, lessons: Sequence[Lesson]) -> None:
        told = "1 gap waits" if len(lessons) == 1 else f"{len(lessons)} gaps wait"
        self.say(f"{told} for the next pass: the {self.seconds} s that learning may take are spent (setting learn_seconds)")

    def _look(self, lesson: Lesson, place: str, defers: bool) -> None:
        covenant = self.ran.get(lesson.source)
        if covenant is None:
            return
        words = bounded(f"{lesson.cause.replace('_', ' ')} {lesson.subject}".rstrip(), _ABOUT)
        self.say(f"{place}: {words} ({lesson.check} on {lesson.full_table}), lesson {lesson.id}")
        try:
            if self._seek(lesson, covenant, defers):
                self.waiting.append(lesson)
        except SpectraError as error:
            self._ask(lesson, (), f"It could not be looked for: {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 (one gap that a remedy stumbles over must not keep the others from being healed)
            self._ask(lesson, (), f"Looking for one ended in a bug: {type(error).__name__}: {error}")
            self.say(f"lesson {lesson.id}: looking for a remedy ended in a bug: {type(error).__name__}: {error}")

    def _seek(self, lesson: Lesson, covenant: Covenant, defers: bool) -> bool:
        """The first remedy that is proven is applied; one that only a person may apply is proposed; else a question remains. A
        person is told nothing while what another lesson brought waits for its run: it may mend this gap as well.

        What only a person may apply, as it repairs at a cost, may not be needed once another gap of the same time is mended: with
        `defers` nothing is decided then, and the result is true.
        """
        if lesson.returned >= MOST_RETURNS:
            self._ask(lesson, ())
            return False
        costs = False
        tried: list[Tried] = []
        waiting: Remedy | None = None
        despite: tuple[str, ...] = ()
        gap, facts = lesson.gap(), Facts(self.settings, covenant)
        found = with_withdrawals(propose(gap, facts), lesson, facts)
        remedies = [each for each in found if not _settled(each, lesson.tried)]
        for number, remedy in enumerate(remedies, 1):
            if remedy.needs_person is not None and remedy.kind != RemedyKind.TAKE_BACK:
                waiting = waiting or remedy
                continue
            self.say(f"  remedy {number} of {len(remedies)}, to be proven: {remedy.said}")
            proof, error = self._proof(covenant, lesson, remedy)
            if error:
                self.say(f"lesson {lesson.id}: {remedy.said}: could not be proven: {error}")
                continue
            if self.is_over and not proof.holds:  # it was given up in the middle: that says nothing of the remedy
                self._put_off(lesson, tried)
                return False
            if (person := proof.needs_person or (remedy.needs_person if proof.holds else None)) is not None:
                costs = costs or waiting is None
                if waiting is None:
                    waiting, despite = remedy.model_copy(update={"needs_person": person}), proof.despite
                continue
            if not proof.holds:
                tried.append(Tried.of(remedy, Outcome.UNPROVEN, _told(proof)))
                self.say(f"lesson {lesson.id}: {remedy.said}: not proven, {_told(proof)}")
                continue
            if self._use(lesson.but(despite=proof.despite), tried, remedy, proof.canon):
                return False
        if waiting is not None and defers and (costs or not tried):
            return True
        if (other := awaited(lesson, read_all(self.settings.lessons, lesson.source))) is not None:
            self.say(f"lesson {lesson.id}: nobody is asked before a run shows what {other.id} brought")
            return False
        if waiting is None:
            self._ask(lesson, tried)
        else:
            self._propose(lesson.but(despite=despite), tried, waiting)
        return False

    def _put_off(self, lesson: Lesson, tried: Sequence[Tried]) -> None:
        """Remember what was tried, and leave the rest to the next pass."""
        with self._undecided(lesson, tried) as now:
            if now is not None and now.tried != lesson.tried:
                save(self.settings.lessons, now)
                self.learned.note(now)
        self._tell_the_rest([lesson])

    def _propose(self, lesson: Lesson, tried: Sequence[Tried], remedy: Remedy) -> None:
        """Leave the remedy to a person. `lesson` says what its proof saw fail beside."""
        with self._undecided(lesson, tried) as now:
            if now is not None:
                made = now.but(status="proposed", remedy=remedy, despite=lesson.despite)
                made = made.but(question=question_of(made, made.tried, remedy))
                save(self.settings.lessons, made)
                self.learned.note(made)
                self.say(f"lesson {lesson.id}: {remedy.said} waits for a person: {remedy.needs_person}")

    @contextmanager
    def _undecided(self, lesson: Lesson, tried: Sequence[Tried]) -> Iterator[Lesson | None]:
        """The lesson as it is by now, with what was tried beside; None if somebody decided meanwhile. Others wait."""
        with settled(self.settings):
            now = latest(self.settings, lesson)
            yield now.but(tried=apply.kept((*now.tried, *tried))) if now is not None and now.curable else None

    def _use(self, lesson: Lesson, tried: list[Tried], remedy: Remedy, canon: Canon | None) -> bool:
        """Apply what is proven, or leave it to a person; whether that is the end of looking for remedies.

        `lesson` says what its proof saw fail beside, `canon` is what it found out.
        """
        with self._undecided(lesson, tried) as now:
            if now is None:
                self.say(f"lesson {lesson.id}: somebody decided meanwhile")
                return True
            why, now = _left_to_a_person(self.settings, lesson.source), now.but(despite=lesson.despite)
            try:
                made = apply.apply(self.settings, now, remedy, canon) if why is None else now.but(status="proven", remedy=remedy)
            except StorageError as error:
                why = f"It could not be applied: {error}. Once that is mended, the next run that shows the gap applies it."
                made = now
            except SpectraError as error:
                tried.append(Tried.of(remedy, Outcome.UNAPPLIED, f"could not be applied: {error}"))
                self.say(f"lesson {lesson.id}: {remedy.said}: {tried[-1].outcome}")
                return False
            self.learned.note(made)
            if why is None:
                self._used(made, remedy)
                alone = f" (in no commit: {made.uncommitted})" if made.uncommitted else ""
                self.say(f"lesson {lesson.id}: proven and applied: {remedy.said}{alone}")
                return True
            made = self.learned.note(made.but(question=f"Proven: {remedy.said}. {why}"))
            save(self.settings.lessons, made)
            self.say(f"lesson {lesson.id}: {made.question}")
            return True

    def _used(self, made: Lesson, remedy: Remedy) -> None:
        edit = remedy.edits[0]
        if isinstance(edit, TakeBack):
            self.learned.taken_back.append(self.learned.note(find(self.settings.lessons, edit.lesson)))
        else:
            self.learned.applied.append(made)

    def _ask(self, lesson: Lesson, tried: Sequence[Tried], why: str | None = None) -> None:
        with self._undecided(lesson, tried) as now:
            over = OVER.get(lesson.check)
            made = now and (now.but(closed=over) if over else now.but(question=question_of(now, now.tried, why=why)))
            if made is not None and made != now:
                save(self.settings.lessons, made)
                self.learned.note(made)

    def _proof(self, covenant: Covenant, lesson: Lesson, remedy: Remedy) -> tuple[Proof, str]:
        """The proof of one remedy, and what kept it from being made, for example a recording that is not there any more."""
        others = [read(file) for file in covenant_files(self.settings.covenants) if file.stem != lesson.source]
        try:
            return prove(self.settings, covenant, lesson.gap(), remedy, others, self.until), ""
        except SpectraError as error:
            return Proof(reproduced=False, repaired=False), f"{type(error).__name__}: {error}"[:500]


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


def _settled(remedy: Remedy, tried: Sequence[Tried]) -> bool:
    """Whether a remedy is not to be tried again: it was used and did not help, a person rejected it, or it was tried often."""
    outcomes = [each.how for each in tried if each.is_of(remedy)]
    return len(outcomes) >= _MOST_PROOFS or any(how not in (Outcome.UNPROVEN, Outcome.OUTDATED) for how in outcomes)


def _told(proof: Proof) -> str:
    parts = [] if proof.reproduced else ["the recording does not show the gap"]
    parts += [] if proof.repaired else ["it does not repair it"]
    parts += [f"breaks {each}" for each in proof.regressions]
    return f"not proven: {'; '.join([*parts, *proof.notes])}"[:1000]
