"""Taking back what an earlier lesson brought: a source may go back to how it was before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spectra_assets.learning.archive import of_source
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause
from spectra_assets.learning.lesson import Lesson
from spectra_assets.learning.prose import times
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind, TakeBack

MOST = 3
"""Earlier lessons of one entity that are looked at, the newest first."""

_BACK = "it held {}; without it the gap is gone, so that the source is as it was before it"


def with_withdrawals(remedies: Sequence[Remedy], lesson: Lesson, facts: Facts) -> list[Remedy]:
    """The remedies for a lesson's gap and what might be taken back: before them where one would say another thing of the same, or
    where the lesson's own held until now, which is taken back already; else after them."""
    back = [*_withdrawals(lesson, facts)]
    first = [each for each in back if _is_gone(each) or any(_is_instead(each, remedy) for remedy in remedies)]
    return [*first, *remedies, *(each for each in back if each not in first)]


def _withdrawals(lesson: Lesson, facts: Facts) -> Iterator[Remedy]:
    """What lessons about the same entity or table brought, and runs saw to hold. What a person decided only a person undoes."""
    if lesson.cause == Cause.RATE_LIMITED:
        return  # no rule makes an API slower than it is
    entity = lesson.entity or facts.entity_of(lesson.full_table) or ""
    if lesson.status == "ineffective" and lesson.helped:
        edit = TakeBack(lesson=lesson.id, entity=entity)
        yield Remedy(kind=RemedyKind.TAKE_BACK, edits=(edit,), why=_BACK.format(times(lesson.helped)))
    standing = [each for each in of_source(facts.settings.lessons, lesson.source) if each.status == "verified"]
    about = {each.id: each.entity or facts.entity_of(each.full_table) or "" for each in standing}
    entities = {entity, lesson.subject} - {""}
    mine = (each for each in standing if each.full_table == lesson.full_table or about[each.id] in entities)
    others = (each for each in mine if each.id != lesson.id and each.playbook is not None)
    for other in sorted(others, key=lambda each: each.applied_at or "", reverse=True)[:MOST]:
        added = other.remedy.edits[0] if other.remedy is not None else None
        if other.remedy is None or added is None or isinstance(added, TakeBack):
            continue
        edit = TakeBack(file=added.file, lesson=other.id, entity=about[other.id], added=added, standard=other.standard)
        needs = "a person had it done" if other.remedy.needs_person else None
        why = _BACK.format(times(other.helped))
        yield Remedy(kind=RemedyKind.TAKE_BACK, edits=(edit,), why=why, needs_person=needs)


def _is_gone(back: Remedy) -> bool:
    edit = back.edits[0]
    return isinstance(edit, TakeBack) and edit.added is None


def _is_instead(back: Remedy, remedy: Remedy) -> bool:
    """Whether a remedy would say another thing of the same than the rule that `back` takes away: then one of them is enough."""
    gone, new = back.edits[0], remedy.edits[0]
    if not isinstance(gone, TakeBack) or not isinstance(gone.added, AddRule) or not isinstance(new, AddRule):
        return False
    return all(gone.added.rule.get(name) == new.rule.get(name) for name in ("kind", "scope"))
