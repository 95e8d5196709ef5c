"""Standards: what held for two sources or more becomes a rule for all, so that the next source has it at Design, before it fails.

Only what is about a kind of record or a field of this name is generalised, never what is about one API. It may change nothing for
the sources there are: of their covenants nothing but the version, which tells by which documents they were made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.covenant.files import covenant_files, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import MissingInputError, SpectraError
from spectra_assets.intelligence.model import load_pack
from spectra_assets.learning import apply
from spectra_assets.learning.archive import everything
from spectra_assets.learning.journal import settled
from spectra_assets.learning.lesson import Lesson
from spectra_assets.learning.remedy.model import AddRule
from spectra_assets.playbook.edit import add_rule
from spectra_assets.playbook.model import STANDARDS
from spectra_assets.playbook.rules import fits
from spectra_assets.settings import Settings
from spectra_assets.stages.design import canon_of, design

SOURCES = 2
"""Different sources for which a lesson must have held."""

GENERAL = ("type", "date_format", "required", "primary_key", "deduplicate")
"""Kinds of rules that are about records and fields; others are about one API."""

_SLUG = re.compile(r"[^a-z0-9]+")


def generalise(settings: Settings) -> list[Lesson]:
    """Raise what held for several sources to a standard: the lessons that say so now. Raises DocumentError and StorageError."""
    made = []
    with settled(settings):
        for rule, lessons in _held(everything(settings.lessons)):
            told = _without_harm(settings, rule)
            if told is None:
                continue
            made += apply.raise_to_standard(settings, lessons, str(rule["id"]), {STANDARDS: told})
    return made


def _held(lessons: Sequence[Lesson]) -> Iterator[tuple[dict[str, Any], list[Lesson]]]:
    """Each rule that verified lessons of several sources brought, without its source, and these lessons."""
    found: dict[str, tuple[dict[str, Any], list[Lesson]]] = {}
    for lesson in lessons:
        edit = lesson.remedy.edits[0] if lesson.remedy is not None else None
        if lesson.status != "verified" or not isinstance(edit, AddRule) or edit.rule.get("kind") not in GENERAL:
            continue
        rule = _general(edit.rule)
        found.setdefault(repr(sorted(rule.items(), key=str)), (rule, []))[1].append(lesson)
    for rule, mine in found.values():
        sources = sorted({lesson.source for lesson in mine})
        if len(sources) >= SOURCES and not any(lesson.standard for lesson in mine):
            yield {**rule, "lesson": mine[0].id, "description": f"Held for {', '.join(sources)}."[:500]}, mine


def _general(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The rule for every source."""
    scope = {key: value for key, value in dict(rule["scope"]).items() if key != "source"}
    words = _SLUG.sub("-", "-".join([str(rule["kind"]), *map(str, scope.values())]).lower()).strip("-")
    rest = {key: value for key, value in rule.items() if key not in ("id", "scope", "lesson", "description")}
    return {"id": f"standard-{words}"[:110], "kind": rule["kind"], "scope": scope, **rest}


def _without_harm(settings: Settings, rule: Mapping[str, Any]) -> str | None:
    """The standards with the rule, if no covenant there is would be another one; else None."""
    try:
        text = add_rule(settings.playbooks / STANDARDS, rule)
        with apply.scratch(settings, {STANDARDS: text}) as other:
            if any(_changes(settings, other, read(file), rule) for file in covenant_files(settings.covenants)):
                return None
    except SpectraError:
        return None  # such a rule stands there, or of some source nothing can be shown
    return text


def _changes(settings: Settings, other: Settings, covenant: Covenant, rule: Mapping[str, Any]) -> bool:
    """Whether the rule would change a source's covenant; of a source that was never sampled here, whether it could."""
    try:
        pack = load_pack(covenant.source, settings.intelligence)
        now, _ = design(settings, pack, canon_of(settings, pack))
        then, _ = design(other, pack, canon_of(other, pack))
        return _promised(now) != _promised(then)
    except MissingInputError:
        scope = {"entity": "*", "field": "*", **rule["scope"]}
        tables = [table for table in covenant.tables() if table.entity and fits(scope["entity"], table.entity)]
        return any(fits(scope["field"], path) for table in tables for column in table.schema_ for path in column.source)


def _promised(covenant: Covenant) -> Covenant:
    """All that a covenant promises, whatever documents it was made by."""
    return covenant.model_copy(update={"pipeline": covenant.pipeline.model_copy(update={"version": "", "documents": ""})})
