"""A covenant in the making: what Design is given, and the tables so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spectra_assets.covenant.access import Server
from spectra_assets.covenant.model import Column, Gate, Severity, Table
from spectra_assets.playbook.model import Notice, Playbook, Playbooks

SchemaOf = Callable[[Table, Mapping[str, list[Column]]], list[Column]]
"""Names and types of a table's columns, found by running its actions on inputs without rows."""


@dataclass(frozen=True)
class SourceFacts:
    """What the covenant takes over from the intelligence pack. `descriptions` say what an entity is."""

    source: str
    title: str
    server: Server
    intelligence: str
    descriptions: Mapping[str, str] = field(default_factory=dict)
    documents: str = ""
    """Digest of what people and lessons wrote (`Pipeline.documents`)."""


@dataclass(frozen=True)
class Registry:
    """Names of the registered actions and gates → the kinds of build they apply to (none: every kind)."""

    actions: Mapping[str, frozenset[str]]
    gates: Mapping[str, frozenset[str]]


@dataclass
class Design:
    """A covenant in the making: the tables so far, and what a person should know of it."""

    facts: SourceFacts
    playbooks: Playbooks
    registry: Registry
    schema_of: SchemaOf
    tables: dict[str, Table] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    def columns(self) -> dict[str, list[Column]]:
        """Columns of every table so far."""
        return {name: table.schema_ for name, table in self.tables.items()}

    def add(self, playbook: Playbook, draft: Table, without: frozenset[str] = frozenset()) -> Table | None:
        """Give `draft` its steps and its gates, but those `without` a meaning for it, and keep it.

        None if the playbook promises no such table, or no step makes it.
        """
        output = playbook.output_of(draft.table)
        kind = draft.build.kind
        steps = [step.action for step in playbook.steps_of(draft.table) if applies(self.registry.actions[step.action], kind)]
        if output is None or not steps:
            return None
        gates = [
            Gate(name=gate.name, severity=Severity(gate.severity.value))
            for gate in playbook.gates_of(draft.table)
            if applies(self.registry.gates[gate.name], kind) and gate.name not in without
        ]
        table = draft.model_copy(
            update={
                "steps": steps,
                "gates": gates,
                "grain": draft.grain or output.grain,
                "primary_key": draft.primary_key or list(output.primary_key),
            }
        )
        self.tables[table.table] = table
        return table


def applies(kinds: frozenset[str], kind: str) -> bool:
    """Whether an action or gate registered for `kinds` is for a build of `kind`."""
    return not kinds or kind in kinds


def one_line(text: str) -> str:
    return " ".join(text.split())
