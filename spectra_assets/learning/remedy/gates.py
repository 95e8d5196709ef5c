"""Gates and steps: what a playbook leaves out although the machine knows how to do it."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.gates.evaluate import GATES
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import AddGate, AddStep, Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import remedies_for
from spectra_assets.playbook.model import FOLDER, Playbook
from spectra_assets.stages.actions import ACTIONS


@remedies_for(
    Cause.MISSING_STEP,
    Cause.WRONG_KEY,
    Cause.CHANGED_TYPE,
    Cause.NULL_IN_REQUIRED,
    Cause.INCOMPLETE_SCHEMA,
    Cause.MISSING_OUTPUT,
    Cause.HISTORY,
    Cause.LOST_ROWS,
)
def missing_step(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """Each action for tables of this kind that no step of the playbook names any more, in its usual place."""
    table = facts.table(gap.full_table)
    playbook = facts.playbooks.of(gap.stage)
    named = {step.action for step in playbook.steps}
    usual = [name for name in ACTIONS if name.startswith(f"{gap.stage}.")]
    for place, name in enumerate(usual):
        action = ACTIONS[name]
        if name in named or table is None or (action.kinds and table.build.kind not in action.kinds):
            continue
        before = next((other for other in usual[place + 1 :] if other in named), None)
        told = " ".join((action.run.__doc__ or "").split())[:300]
        step = AddStep(
            file=f"{FOLDER}/{playbook.name}",
            title=name.split(".", 1)[1].replace("_", " ").capitalize(),
            prose=told or f"The action {name} is carried out.",
            action=name,
            makes=_makes(playbook, table.table),
            before=before,
        )
        why = f"no step of {playbook.name} names the action {name}, which is for tables of the kind {table.build.kind}"
        yield Remedy(kind=RemedyKind.ADD_STEP, edits=(step,), why=why)


def _makes(playbook: Playbook, table: str) -> tuple[str, ...]:
    """What the playbook's other steps for this table make, the widest of them; else the table itself."""
    made = [pattern for step in playbook.steps_of(table) for pattern in step.makes if pattern.matches(table)]
    return (str(min(made, key=lambda pattern: len(str(pattern)))),) if made else (table,)


@remedies_for(Cause.MISSING_GATE)
def missing_gate(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The gate that the gap names, for the tables that its playbook forgot."""
    gate = GATES.get(gap.subject)
    tables = tuple(str(fact.note).split(", ") for fact in gap.evidence if fact.note)
    if gate is None or not tables or any("…" in name for name in tables[0]):
        return
    playbook = facts.playbooks.of(gap.stage)
    text = f"{gate.description.rstrip('.')}."
    edit = AddGate(file=f"{FOLDER}/{playbook.name}", gate=gate.name, tables=tuple(tables[0]), text=text)
    why = f"{', '.join(tables[0])} may be published without {gate.name}, which the method demands of them"
    yield Remedy(kind=RemedyKind.ADD_GATE, edits=(edit,), why=why)
