"""One lesson for one cause: what several gates show, and what one remedy answers, is told once."""

from __future__ import annotations

from pathlib import Path

from spectra_assets.learning import apply
from spectra_assets.learning.gap import OF_LISTS
from spectra_assets.learning.lesson import ECHOES, Lesson, locked, read, read_all, remove, save
from spectra_assets.learning.remedy.model import AddRule
from spectra_assets.learning.verify import STAGES
from spectra_assets.names import plural


def merge(folder: Path, source: str) -> set[str]:
    """Make one of the lessons that have their cause in common: of those of which the same remedy waits; of those with a question
    alone and another one about the same list; of those and one whose remedy, applied since, is about the same field.

    The first names the gates of the others, whose ids are returned: they are no more. Raises StorageError and DocumentError.
    """
    with locked(folder):
        first: dict[tuple[str, ...], Lesson] = {}
        merged: dict[str, list[Lesson]] = {}
        for lesson in sorted(filter(_is_one, read_all(folder, source)), key=_order):
            homes = (first[root] for root in _roots(lesson) if root in first)
            home = next((each for each in homes if each.applied_at is None or each.applied_at >= lesson.last_seen), None)
            if home is not None:
                merged.setdefault(home.id, []).append(lesson)
                continue
            for root in _offered(lesson):
                first.setdefault(root, lesson)
        for name, others in merged.items():
            kept = read(folder / f"{name}.md")
            echoes = (echo for other in others for echo in (other.gap().echo, *other.also))
            tried = (each for other in others if kept.status != "applied" for each in other.tried)
            told = {"also": tuple(dict.fromkeys((*kept.also, *echoes)))[:ECHOES], "tried": apply.kept((*kept.tried, *tried))}
            save(folder, kept.but(**told))
        gone = {other.id for others in merged.values() for other in others}
        remove(folder, gone)  # what tells them is whole by now
    return gone


def _asks(lesson: Lesson) -> bool:
    return lesson.status == "observed" and lesson.question is not None


def _is_one(lesson: Lesson) -> bool:
    """Whether the lesson is about one gap, and asks, waits, or was applied and not judged yet."""
    live = _asks(lesson) or lesson.waits or lesson.status == "applied"
    return live and not (lesson.closed or lesson.returned or lesson.many)


def _order(lesson: Lesson) -> tuple[int, int, str]:
    """What was applied, then what waits, then what asks; of each by stage."""
    state = 0 if lesson.status == "applied" else 1 if lesson.waits else 2
    return state, (*STAGES, lesson.stage).index(lesson.stage), lesson.id


def _roots(lesson: Lesson) -> list[tuple[str, ...]]:
    """By what another lesson may tell this one as well."""
    if lesson.waits and lesson.remedy is not None:
        return [("remedy", lesson.remedy.key)]
    return [("field", lesson.full_table, lesson.subject), *_listed(lesson)] if _asks(lesson) else []


def _offered(lesson: Lesson) -> list[tuple[str, ...]]:
    """What the lesson tells of others: its remedy, the list that it is about, the fields which its rule is about."""
    found = _listed(lesson)
    if lesson.remedy is not None and lesson.waits:
        found.append(("remedy", lesson.remedy.key))
    edit = lesson.remedy.edits[0] if lesson.remedy is not None else None
    if lesson.status == "applied" and isinstance(edit, AddRule):
        found += [("field", lesson.full_table, path) for path in sorted(edit.paths)]
    return found


def _listed(lesson: Lesson) -> list[tuple[str, ...]]:
    listed = plural(lesson.entity) if lesson.entity else lesson.table if lesson.stage == "extract" else None
    return [("list", listed)] if listed and lesson.cause in OF_LISTS else []
