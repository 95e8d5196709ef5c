"""Which family knows remedies for which cause."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.playbook.rules import KINDS

Propose = Callable[[Gap, Facts], Iterable[Remedy]]

FAMILIES: dict[Cause, list[Propose]] = {}
"""Cause → who is asked for remedies, in order. The modules of this package register theirs as they are imported."""

MOST = 5
"""Remedies for one gap that are tried at most."""

SOURCE = "fabric/pipeline/pipeline.000-source-stage-orchestration.md"
PREPARE = "fabric/pipeline/pipeline.001-prepare-stage-orchestration.md"
EXTRACT = "fabric/pipeline/pipeline.002-extract-stage-orchestration.md"
CLEAN = "fabric/pipeline/pipeline.003-clean-stage-orchestration.md"
TRANSFORM = "fabric/pipeline/pipeline.004-transform-stage-orchestration.md"

_CARRIED = re.compile(r"[^\x00-\x1f\x7f-\x9f`*?\u2028\u2029\u202a-\u202e\u2066-\u2069]{1,200}")
"""What a rule may carry as a name: one line, no backtick, nothing that a scope reads as a pattern, no marks of direction."""


def remedies_for(*causes: Cause) -> Callable[[Propose], Propose]:
    """Register a function for these causes."""

    def register(propose: Propose) -> Propose:
        for cause in causes:
            FAMILIES.setdefault(cause, []).append(propose)
        return propose

    return register


def propose(gap: Gap, facts: Facts) -> list[Remedy]:
    """The remedies that the evidence lets hope for, best first, but for what the playbooks say already. Raises what reading the
    lakehouse raises."""
    facts = replace(facts, run_id=gap.run_id)
    found: list[Remedy] = []
    for family in FAMILIES.get(gap.cause, ()):
        for remedy in family(gap, facts):
            if _is_said(remedy, gap, facts):
                if facts.has_learned:
                    return []  # another gap of the same change brought it
            elif remedy not in found:
                found.append(remedy)
    return sorted(found, key=lambda remedy: remedy.kind == RemedyKind.ACCEPT)[:MOST]  # what mends it comes first


def _is_said(remedy: Remedy, gap: Gap, facts: Facts) -> bool:
    """Whether a rule of the playbooks says the same: another gap with the same cause brought it. How long pages are does not
    count where the gap is not about that: it was measured at two moments."""
    edit = remedy.edits[0]
    if not isinstance(edit, AddRule):
        return False
    about = {"id", "lesson", "description"} | (set() if gap.cause == Cause.PAGE_LIMIT else {"size"})
    mine = KINDS[edit.rule["kind"]].model_validate({**edit.rule, "id": "proposed"}).model_dump(exclude=about)
    return any(rule.kind == mine["kind"] and rule.model_dump(exclude=about) == mine for rule in facts.playbooks.all_rules())


def carried(*names: str) -> bool:
    """Whether these names can stand in a rule; those of a hostile API may not."""
    return all(_CARRIED.fullmatch(name) for name in names)


def rule(
    kind: RemedyKind,
    file: str,
    name: str,
    scope: Mapping[str, str],
    values: Mapping[str, Any],
    why: str,
    needs_person: str | None = None,
) -> Remedy:
    """A remedy by one rule of the kind `name`."""
    content = {"kind": name, "scope": dict(scope), **values, "description": _line(why)}
    return Remedy(kind=kind, edits=(AddRule(file=file, rule=content),), why=why, needs_person=needs_person)


def scope(gap: Gap, facts: Facts, path: str | None = None) -> dict[str, str]:
    """The narrowest scope: this source, the gap's entity, the field."""
    entity = gap.entity or facts.entity_of(gap.full_table)
    if entity is None:
        raise SpectraError(f"{gap.full_table} is of no entity")
    return {"source": gap.source, "entity": entity} | ({"field": path} if path is not None else {})


def paths_of(gap: Gap, facts: Facts) -> list[str]:
    """The raw paths of what the gap is about: its subject is one, or a column of the covenant."""
    table = facts.table(gap.full_table)
    column = table.columns.get(gap.subject) if table else None
    return [path for path in column.source if not path.startswith("@")] if column else [gap.subject]


def _line(text: str) -> str:
    return " ".join(text.split())[:500]
