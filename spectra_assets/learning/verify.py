"""Whether lessons hold: what later runs say of the gates for which a rule, step or gate was brought."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from spectra_assets.gates.altered import Form
from spectra_assets.learning.detect import of_runs
from spectra_assets.learning.gap import OF_LISTS, Cause, Evaluation, Gap
from spectra_assets.learning.lesson import Lesson
from spectra_assets.learning.remedy.model import AddRule, Remedy
from spectra_assets.names import plural

Verdict = Literal["held", "returned", "harmed"]

FURTHER = 20
"""A gate shows so many rows at most: among as many the gap may be hidden."""


@dataclass(frozen=True)
class Seen:
    """What the evaluations of one run say, in order."""

    run_id: str
    evaluations: tuple[Evaluation, ...]
    gaps: tuple[Gap, ...] = field(default=())

    @classmethod
    def of(cls, run_id: str, evaluations: Iterable[Evaluation]) -> Seen:
        """The run with the gaps that its failed evaluations show."""
        mine = tuple(evaluations)
        return cls(run_id, mine, tuple(of_runs(mine)))


def verdict_of(lesson: Lesson, run: Seen, before: Sequence[Lesson]) -> tuple[Verdict, str] | None:
    """What a run says of an applied lesson, with why; None if it did not judge it. `before` are all lessons as they were.

    The run counts if it looked at the lesson's gate under a covenant that knows the lesson.
    """
    if lesson.status not in ("applied", "verified") or lesson.applied_at is None or run.run_id == lesson.last_run:
        return None
    begun = min((evaluation.seen_at for evaluation in run.evaluations), default="")
    mine = [each for each in run.evaluations if _is_about(each, lesson) and _knows(each, lesson, begun)]
    if not mine or _judged(lesson, run.run_id, mine):
        return None
    again = [gap for gap in run.gaps if gap.fingerprint == lesson.fingerprint]
    if again:
        return "returned", f"the gap came back in run {run.run_id}: {again[0].message[:300]}"
    if not all(evaluation.passed for evaluation in mine) and len(mine[-1].sample) >= FURTHER:
        return None
    new = [gap for gap in run.gaps if _harms(gap, lesson, before)]
    if new and lesson.status == "applied":
        return "harmed", f"with it {new[0].check} fails on {new[0].full_table} in run {run.run_id}: {new[0].message[:300]}"
    return "held", f"{lesson.check} on {lesson.full_table} does not show it in run {run.run_id}"


def passed_again(lesson: Lesson, run: Seen, before: Sequence[Lesson]) -> str | None:
    """Why an open lesson without a rule is closed: its gate passed in a later run by itself, or by what another lesson brought;
    None if it did not. `before` are all lessons as they were."""
    if not (lesson.open or lesson.status in ("proposed", "proven")):
        return None
    mine = _passing(lesson, run)
    if not mine:
        return None
    other = next((each for each in before if _brought_since(each, lesson)), None)
    if other is not None:
        return f"{lesson.check} passed again in run {run.run_id}: what {other.id} brought mends it."
    back = next((each for each in before if each.id != lesson.id and _withdrawn_since(each, lesson)), None)
    if back is not None:
        return f"{lesson.check} passed again in run {run.run_id}: the source is as it was before {back.id}, which was taken back."
    changed = mine[-1].covenant_version != lesson.covenant_version
    how = "what Prepare sampled anew is in the covenant now" if changed else "the source is as it was, or was asked anew"
    return f"{lesson.check} passed again in run {run.run_id} without a rule: {how}."


def awaited(lesson: Lesson, others: Iterable[Lesson]) -> Lesson | None:
    """Another lesson of the same source that was applied since this one was seen, and that no run has judged yet: with it the
    covenant may have taken over more, such as pages that Prepare measured since. Or one that was withdrawn since."""
    later = (
        other
        for other in others
        if (other.status == "applied" and (other.applied_at or "") >= lesson.last_seen) or _withdrawn_since(other, lesson)
    )
    return next((other for other in later if other.id != lesson.id), None)


def _brought_since(other: Lesson, lesson: Lesson) -> bool:
    """Whether another lesson about the same was applied since this one was seen."""
    same = other.full_table == lesson.full_table or (other.entity is not None and other.entity == lesson.entity)
    return other.id != lesson.id and same and other.playbook is not None and (other.applied_at or "") >= lesson.last_seen


def _withdrawn_since(other: Lesson, lesson: Lesson) -> bool:
    """Whether what another lesson had brought was taken back since this one was seen, as the source is as before it."""
    return other.status == "reverted" and (other.withdrawn_at or "") >= lesson.last_seen


def is_quiet(lesson: Lesson, run: Seen) -> bool:
    """Whether a closed lesson's gate passed in one run more."""
    return lesson.closed is not None and bool(_passing(lesson, run)) and not _judged(lesson, run.run_id, _passing(lesson, run))


def gone(lesson: Lesson, tables: Collection[str], run: Seen) -> str | None:
    """Why an open lesson is closed although no gate says anything: its table is not made any more; or, of one for the gaps beyond
    what a source may have, that there are none."""
    if not (lesson.open or lesson.status in ("proposed", "proven")) or run.run_id == lesson.last_run:
        return None
    if lesson.check == FURTHER_GAPS:
        return f"Run {run.run_id} had no further gap." if not any(gap.source == lesson.source for gap in run.gaps) else None
    later = any(evaluation.seen_at >= lesson.last_seen for evaluation in run.evaluations)
    return None if lesson.full_table in tables or not later else f"{lesson.full_table} is not made any more."


def _passing(lesson: Lesson, run: Seen) -> list[Evaluation]:
    """What a later run says of the lesson's gate, if it says nothing but that it passed, or fails for other gaps alone."""
    also = {(echo.table, echo.check) for echo in lesson.also}
    mine = [each for each in run.evaluations if _is_about(each, lesson)]
    shown = [
        each for each in run.evaluations if (f"{each.stage}.{each.table}", each.check) in also and each.source == lesson.source
    ]
    mine = sorted([*mine, *shown], key=lambda each: each.seen_at) if mine else []
    if not mine or run.run_id == lesson.last_run or mine[-1].seen_at < lesson.last_seen:
        return []
    echo = lesson.gap().echo
    again = lesson.many is not None or any(gap.fingerprint == lesson.fingerprint or echo in gap.also for gap in run.gaps)
    return mine if all(each.passed or (not again and len(each.sample) < FURTHER) for each in mine) else []


def _judged(lesson: Lesson, run_id: str, mine: Sequence[Evaluation]) -> bool:
    """Whether this run, or a later one, has judged the lesson already."""
    return run_id == lesson.judged_run or mine[-1].seen_at < (lesson.judged_at or "")


def _is_about(evaluation: Evaluation, lesson: Lesson) -> bool:
    return (evaluation.source, evaluation.stage, evaluation.table, evaluation.check) == (
        lesson.source,
        lesson.stage,
        lesson.table,
        lesson.check,
    )


def _knows(evaluation: Evaluation, lesson: Lesson, begun: str) -> bool:
    """Whether the evaluation came after the lesson was applied, under a covenant with it: one of a run that had begun before
    follows another covenant, such as that of the remedy applied just before this one.

    Source and Prepare follow the playbooks themselves, and are made before there is a whole covenant: of theirs the time tells.
    """
    if lesson.applied_version is not None and evaluation.covenant_version == lesson.applied_version:
        return evaluation.seen_at >= (lesson.applied_at or "")
    later = begun >= (lesson.applied_at or "")
    same = lesson.applied_version in (None, lesson.covenant_version) or lesson.stage in ("source", "prepare")
    return later and (same or evaluation.covenant_version != lesson.covenant_version)


def _harms(gap: Gap, lesson: Lesson, before: Sequence[Lesson]) -> bool:
    """Whether a gap may come from the lesson: a blocking one of the same source and entity that was never seen before it."""
    if gap.source != lesson.source or gap.severity != "ERROR" or gap.fingerprint == lesson.fingerprint:
        return False
    others = lesson.remedy is not None and is_of_others(gap, lesson.remedy, lesson.entity)
    if f"{gap.full_table}:{gap.check}" in lesson.despite or others:
        return False  # another gap of the same time, hidden as long as this one held the table back
    if gap.cause == lesson.cause and gap.cause in _OF_ENDPOINTS and gap.entity != lesson.entity:
        return False  # it only let be seen what came to another one as well
    if gap.cause == lesson.cause and gap.cause in OF_LISTS and lesson.entity and gap.table == plural(lesson.entity):
        return False  # the same, where it was held back before: a covenant follows the routes of the last one that was proven
    known = next((each for each in before if each.fingerprint == gap.fingerprint or gap.echo in each.also), None)
    about = lesson.entity or ""
    near = gap.full_table == lesson.full_table or (about and gap.entity == about) or gap.stage in _AFTER.get(lesson.stage, ())
    return bool(near) and (known is None or known.first_seen >= (lesson.applied_at or ""))


def is_of_others(gap: Gap, remedy: Remedy, entity: str | None) -> bool:
    """Whether a gap is about fields, and the rule of a remedy for this entity about others. Names are alike however they are
    written, and with or without what stands around them: a column has its entity's name in front where `name` alone would say too
    little. What lies in a list is about the list too."""
    edit = remedy.edits[0]
    if not isinstance(edit, AddRule) or not edit.paths or not (is_of_columns(gap) or (gap.subject and gap.cause in _OF_FIELDS)):
        return False
    theirs = {gap.subject, *(name or "" for fact in gap.evidence for name in (fact.path, fact.column))} - {""}
    around = {_letters(name or "") for name in (entity, gap.entity, gap.table)} | {""}
    return not any(
        _calls(one, around) & _calls(other, around) or other.startswith(f"{one}[]") for one in edit.paths for other in theirs
    )


def is_of_columns(gap: Gap) -> bool:
    """Whether a gap names all the columns to which something was done, each by itself: the records are those that they were."""
    forms = {fact.kind for fact in gap.evidence}
    return gap.check == "values_stay" and bool(forms) and forms.isdisjoint(_OF_RECORDS) and (gap.failed or 0) < FURTHER


def _calls(path: str, around: Collection[str]) -> set[str]:
    """What a field may be called: by its whole path or the end of it, alone or behind the name of what it is in."""
    keys = path.split(".")
    ends = [_letters("".join(keys[place:])) for place in range(len(keys))]
    return {name + end for end in ends if end for name in around}


def _letters(path: str) -> str:
    return "".join(char for char in path.lower() if char.isalnum())


_OF_FIELDS = (Cause.NEW_FIELD, Cause.MISSING_FIELD, Cause.RENAMED_FIELD, Cause.CHANGED_TYPE, Cause.EMPTIED_FIELD,
              Cause.NULL_IN_REQUIRED, Cause.CHANGED_UNIT)  # fmt: skip
"""What is about one field alone: a rule about others does not bring it about."""

_OF_RECORDS = (Form.REKEYED, Form.REPLACED)
"""What is done to whole records: other ones stand under their keys, or they have other keys."""

_OF_ENDPOINTS = (Cause.ENDPOINT_GONE, Cause.ENDPOINT_FORBIDDEN, Cause.ENDPOINT_BROKEN)
"""What an API does to its endpoints: no rule about one of them brings it about for another."""

FURTHER_GAPS = "further_gaps"
"""The check of the lesson for gaps beyond what a source may have: no gate is named so."""

STAGES = ("source", "prepare", "extract", "clean", "transform", "refine", "analyse")
_AFTER = {stage: STAGES[place + 1 :] for place, stage in enumerate(STAGES)}
"""Stages in which a rule for a table of this one shows as well."""
