"""Gaps become lessons: one per distinct gap, each evaluation counted once, and a bounded number of them.

Gaps of one table, check and cause beyond the setting `lessons_alike` share one lesson that says how many they are; so does all
that goes beyond `lessons_per_source`. A source that fails in ten thousand ways is one question to a person, not as many files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectra_assets.learning.gap import FACTS, Cause, Echo, Gap
from spectra_assets.learning.lesson import ARCHIVE, ECHOES, Lesson, locked, place, read, read_all, remove, save
from spectra_assets.learning.verify import FURTHER, FURTHER_GAPS

REMEMBERED = 50
"""Evaluations a lesson remembers, so that a crash between writing it and noting the run counts nothing twice."""

MANY = "many of one kind"
"""Subject of the lesson that gaps of one table, check and cause share."""

ROLLED = "further gaps"
"""Subject of the lesson that counts the gaps beyond the number which a source may have."""

_NAMED = 8
_KIND = ("source", "stage", "table", "check", "cause")
_OF_RUN = ("run_id", "seen_at", "evaluation", "severity", "covenant_version")
"""What a gap that another lesson tells says of the run; all else stays as that one's own gate told it."""


@dataclass(frozen=True)
class Limits:
    """How many lessons a source may have, and how many of them of one table, check and cause."""

    lessons: int = 200
    alike: int = 20


def record(folder: Path, gaps: Iterable[Gap], limits: Limits = Limits()) -> list[Lesson]:
    """Write or update one lesson per distinct gap; an evaluation that a lesson already counted changes nothing.

    Returns the lessons that changed. Raises DocumentError for a malformed lesson, StorageError if the folder can't be written.
    """
    kinds: dict[tuple[str, ...], list[Gap]] = {}
    with locked(folder):
        shelf = _Shelf(folder, limits)
        for gap in shelf.at_home(gaps):
            kinds.setdefault(tuple(str(getattr(gap, name)) for name in _KIND), []).append(gap)
        for mine in kinds.values():
            shelf.put(mine)
        return shelf.saved()


def withdraw(folder: Path, source: str, run_id: str) -> set[str]:
    """Take back the lessons that only this run showed, and that nobody acted on: the run was a try, and what failed in it was
    resolved. Their ids. Raises StorageError and DocumentError."""
    gone = set()
    with locked(folder):
        for lesson in read_all(folder, source):
            only = lesson.seen == len(lesson.evaluations) and all(key.startswith(f"{run_id}:") for key in lesson.evaluations)
            if only and lesson.status in ("observed", "proposed"):
                gone.add(lesson.id)
        remove(folder, gone)
    return gone


class _Shelf:
    """The folder, as the gaps of one run are put into it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self.changed: dict[str, Lesson] = {}
        self._live: dict[str, dict[str, Lesson]] = {}
        self._told: dict[str, dict[Echo, Lesson]] = {}
        self._absorbed: set[str] = set()
        self._beyond: dict[str, dict[str, Gap]] = {}

    def live(self, source: str) -> dict[str, Lesson]:
        """The source's lessons by id, those of this run among them."""
        if source not in self._live:
            self._live[source] = {lesson.id: lesson for lesson in read_all(self.folder, source)}
        return self._live[source]

    def at_home(self, gaps: Iterable[Gap]) -> list[Gap]:
        """The gaps, those that an open lesson tells already as that one's, once for a run."""
        own: list[Gap] = []
        echoes: dict[tuple[str, str], Gap] = {}
        for gap in gaps:
            home = self._homes(gap.source).get(gap.echo) if gap.lesson_id not in self.live(gap.source) else None
            if home is None:
                own.append(gap)
            else:
                run = {name: getattr(gap, name) for name in _OF_RUN}
                echoes[gap.run_id, home.id] = home.gap().model_copy(update=run)
        told = {(gap.run_id, gap.lesson_id) for gap in own}
        return [*own, *(gap for key, gap in echoes.items() if key not in told)]

    def _homes(self, source: str) -> dict[Echo, Lesson]:
        """What open lessons tell beside what they are about."""
        if source not in self._told:
            live = [each for each in self.live(source).values() if each.closed is None and (each.open or each.waits)]
            self._told[source] = {echo: each for each in live for echo in each.also}
        return self._told[source]

    def put(self, gaps: Sequence[Gap]) -> None:
        """Count gaps of one kind."""
        source = gaps[0].source
        live = self.live(source)
        new = list({gap.lesson_id: gap for gap in gaps if gap.lesson_id not in live and not self._stands(gap)}.values())
        crowd = _crowd(new or gaps)
        alike = [each for each in live.values() if _kind(each) == _kind(gaps[0]) and each.many is None]
        is_many = len(alike) + len(new) > self.limits.alike or (len(new) >= FURTHER and (gaps[0].failed or 0) > FURTHER)
        shared = live.get(crowd.lesson_id)
        if new and (is_many or (shared is not None and shared.closed is None)):
            absorbed = [each for each in alike if each.status == "observed" and not each.tried and each.remedy is None]
            self._absorbed |= {each.id for each in absorbed}
            for each in absorbed:
                del live[each.id]
            self._share(crowd, _number(gaps, len(absorbed) + len(new)))
            new, gaps = [], [gap for gap in gaps if gap.lesson_id in live or self._stands(gap)]
        beyond = {gap.lesson_id: gap for gap in new[max(0, self.limits.lessons - len(live)) :]}
        self._beyond.setdefault(source, {}).update(beyond)
        for gap in gaps:
            if gap.lesson_id not in beyond:
                self._count(gap)

    def saved(self) -> list[Lesson]:
        """Write what changed, each lesson once."""
        for gaps in self._beyond.values():
            if gaps:
                self._share(_rolled(list(gaps.values())[-1], self.limits.lessons), len(gaps))
        for lesson in self.changed.values():
            save(self.folder, lesson)
        remove(self.folder, self._absorbed - self.changed.keys())
        return list(self.changed.values())

    def _stands(self, gap: Gap) -> bool:
        """Whether the gap's lesson is in the archive, with a rule that stands in a playbook."""
        file = self.folder / ARCHIVE / f"{gap.lesson_id}.md"
        return file.is_file() and read(file).playbook is not None

    def _share(self, gap: Gap, number: int) -> None:
        known = self.live(gap.source).get(gap.lesson_id)
        most = max(number, (known.many if known is not None else None) or 1)
        lesson = self._count(gap)
        if lesson is not None:
            lesson = lesson.but(many=most, question=_asked(gap, most))
            self.live(gap.source)[lesson.id] = self.changed[lesson.id] = lesson

    def _count(self, gap: Gap) -> Lesson | None:
        """The gap's lesson with one more evaluation; None if it was counted already."""
        live = self.live(gap.source)
        known = live.get(gap.lesson_id)
        if known is None and (file := place(self.folder, gap.lesson_id)) is not None and gap.lesson_id not in self._absorbed:
            known = read(file)
        if known is not None and gap.evaluation in known.evaluations:
            return None
        lesson = live[gap.lesson_id] = self.changed[gap.lesson_id] = _counted(known, gap)
        return lesson


def _kind(each: Gap | Lesson) -> tuple[str, ...]:
    return tuple(str(getattr(each, name)) for name in _KIND)


def _number(gaps: Sequence[Gap], known: int) -> int:
    """How many gaps of one kind there are: a gate shows so many rows at most and counts them all."""
    counted = (gaps[0].failed or 0) if len(gaps) >= FURTHER else 0
    return max(known, counted)


def _crowd(gaps: Sequence[Gap]) -> Gap:
    """One gap for all of them, with the first of each as evidence. It is counted once for each run."""
    first = gaps[0]
    facts = tuple(fact for gap in gaps[:FACTS] for fact in gap.evidence[:1])
    run = f"{first.run_id}:{first.stage}.{first.table}:{first.check}:{first.cause}:{MANY}"
    return first.model_copy(update={"subject": MANY, "evidence": facts, "evaluation": run})


def _rolled(gap: Gap, most: int) -> Gap:
    """The gap as one of those beyond the number that a source may have."""
    told = f"more than {most} different gaps of {gap.source}; the last one: {gap.full_table} {gap.cause} {gap.subject}"
    same = {"stage": "log", "table": "manifest", "check": FURTHER_GAPS, "cause": Cause.OTHER, "subject": ROLLED}
    rest = {"entity": None, "severity": "WARN", "evidence": (), "message": told, "failed": None, "total": None}
    return gap.model_copy(update={**same, **rest, "evaluation": f"{gap.run_id}:{ROLLED}"})


def _asked(gap: Gap, number: int) -> str:
    if gap.subject == ROLLED:
        return (
            f"{gap.source} has at least {number:,} gaps more than one source may have lessons (setting lessons_per_source). Look "
            "at its other lessons first: what they have in common is the cause. What should be done?"
        )
    shown = ", ".join(filter(None, (fact.path or fact.endpoint or fact.column or fact.seen for fact in gap.evidence[:_NAMED])))
    return (
        f"{gap.full_table} shows at least {number:,} gaps of one kind at once ({gap.cause.replace('_', ' ')}), "
        f"too many for one rule each{f'; among them: {shown}' if shown else ''}. If the source means it, sample it anew: "
        "run the command again with --rediscover, or write a rule that holds for them all. What should be done?"
    )


def _counted(known: Lesson | None, gap: Gap) -> Lesson:
    if known is None:
        return Lesson(
            id=gap.lesson_id,
            fingerprint=gap.fingerprint,
            source=gap.source,
            stage=gap.stage,
            table=gap.table,
            check=gap.check,
            cause=gap.cause,
            subject=gap.subject,
            first_seen=gap.seen_at,
            seen=1,
            **_latest(gap),
            also=gap.also[:ECHOES],
            evaluations=(gap.evaluation,),
        )
    also = tuple(dict.fromkeys((*known.also, *gap.also)))[:ECHOES]
    evaluations = (*known.evaluations, gap.evaluation)[-REMEMBERED:]
    return known.but(seen=known.seen + 1, **_latest(gap), also=also, evaluations=evaluations, closed=None, quiet=0)


def _latest(gap: Gap) -> dict[str, Any]:
    """What a lesson tells of the last time."""
    return {
        "entity": gap.entity,
        "severity": "WARN" if gap.severity == "WARN" else "ERROR",
        "last_seen": gap.seen_at,
        "last_run": gap.run_id,
        "covenant_version": gap.covenant_version,
        "failed_rows": gap.failed,
        "total_rows": gap.total,
        "message": gap.message,
        "evidence": gap.evidence,
    }
