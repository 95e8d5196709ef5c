"""A playbook as data. Everything read from a document knows its file (relative to the project) and its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from spectra_assets.errors import ConfigurationError
from spectra_assets.names import LOG, SCHEMAS, Stage
from spectra_assets.playbook.rules import SETTINGS, BaseRule, SettingRule, unknown

R = TypeVar("R", bound=BaseRule)

FOLDER = "fabric/pipeline"
STANDARDS = "STANDARDS.md"

FILES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {f"pipeline.{n:03}-{stage}-stage-orchestration.md": (n, stage.value) for n, stage in enumerate(Stage)}
    | {f"pipeline.{len(Stage):03}-pipeline-validation.md": (len(Stage), LOG)}
)
"""File name of each playbook → its number and its stage; the last one makes the pipeline's own tables (`log`)."""

_PATTERN = re.compile(r"([A-Za-z]+)\.(\*|[A-Za-z][A-Za-z0-9_]*\*?)")


class Severity(StrEnum):
    """An ERROR gate blocks the tables after it; a WARN gate only tells."""

    ERROR = "ERROR"
    WARN = "WARN"


@dataclass(frozen=True, order=True)
class TablePattern:
    """A table `stage.table`, or all those of a stage whose names start alike: `transform.dim*`, `clean.*`."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TablePattern:
        """Read a pattern. Raises ConfigurationError saying what is valid."""
        match = _PATTERN.fullmatch(text)
        if not match:
            raise ConfigurationError(
                f"{text[:80]!r} is not a table: write <stage>.<table>, with * only at the end, for example clean.cycle or clean.*"
            )
        if match[1] not in SCHEMAS:
            raise ConfigurationError(unknown("stage", match[1], SCHEMAS))
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def many(self) -> bool:
        """Whether this stands for any number of tables."""
        return self.name.endswith("*")

    def matches(self, table: str) -> bool:
        """Whether the table written `stage.table` is one of these."""
        return table.startswith(str(self)[:-1]) if self.many else table == str(self)

    def overlaps(self, other: TablePattern) -> bool:
        """Whether one table could be both."""
        if self.many and other.many:
            mine, others = str(self)[:-1], str(other)[:-1]
            return mine.startswith(others) or others.startswith(mine)
        return self.matches(str(other)) or other.matches(str(self))


@dataclass(frozen=True)
class Input:
    """A table the stage reads from the stages before it."""

    table: TablePattern
    text: str
    file: str
    line: int


@dataclass(frozen=True)
class Step:
    """One step of the process: prose for people, the action that carries it out, the tables it makes or adds to."""

    number: int
    title: str
    prose: str
    action: str
    makes: tuple[TablePattern, ...]
    file: str
    line: int


@dataclass(frozen=True)
class Output:
    """A table (or a pattern of tables) the stage promises. `grain` says what one row is: `one row per …`."""

    table: TablePattern
    inputs: tuple[TablePattern, ...]
    text: str
    grain: str
    primary_key: tuple[str, ...]
    file: str
    line: int


@dataclass(frozen=True)
class DemandedGate:
    """A gate and the tables that must pass it."""

    name: str
    tables: tuple[TablePattern, ...]
    severity: Severity
    text: str
    file: str
    line: int


@dataclass(frozen=True)
class Standard:
    """One written standard, for people."""

    text: str
    file: str
    line: int


@dataclass(frozen=True)
class Standards:
    """STANDARDS.md: what holds for every source."""

    title: str
    purpose: str
    standards: tuple[Standard, ...]
    rules: tuple[BaseRule, ...]
    file: str
    line: int = 1


@dataclass(frozen=True)
class Playbook:
    """One playbook. `stage` is one of the seven, or `log` for the pipeline's own tables."""

    number: int
    stage: str
    title: str
    purpose: str
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    gates: tuple[DemandedGate, ...]
    dependencies: str
    self_improvement: str
    rules: tuple[BaseRule, ...]
    file: str
    line: int = 1

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.file.rsplit("/", 1)[-1]

    def output_of(self, table: str) -> Output | None:
        """The output that promises `stage.table`, the most precise if several do; None if none does."""
        found = [output for output in self.outputs if output.table.matches(table)]
        return max(found, key=lambda output: (not output.table.many, len(output.table.name)), default=None)

    def steps_of(self, table: str) -> tuple[Step, ...]:
        """The steps that make `stage.table`, in order."""
        return tuple(step for step in self.steps if any(made.matches(table) for made in step.makes))

    def gates_of(self, table: str) -> tuple[DemandedGate, ...]:
        """The gates that `stage.table` must pass, in order."""
        return tuple(gate for gate in self.gates if any(pattern.matches(table) for pattern in gate.tables))


@dataclass(frozen=True)
class Notice:
    """Something a person should look at, which does not stop the machine."""

    text: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True)
class Playbooks:
    """All playbooks in order of their numbers, and the standards."""

    standards: Standards
    playbooks: tuple[Playbook, ...]
    warnings: list[Notice] = field(default_factory=list)

    def of(self, stage: str) -> Playbook:
        """The playbook of a stage (or `log`). Raises ConfigurationError naming the valid stages."""
        for playbook in self.playbooks:
            if playbook.stage == stage:
                return playbook
        raise ConfigurationError(unknown("stage", stage, [playbook.stage for playbook in self.playbooks]))

    def all_rules(self) -> Iterator[BaseRule]:
        """Every rule as written: those of the standards, then of the playbooks by number, each from top to bottom."""
        yield from self.standards.rules
        for playbook in self.playbooks:
            yield from playbook.rules

    def digest(self, source: str) -> str:
        """Of everything that the machine follows for a source, 64 hex digits: prose, files and lines don't count."""
        told: list[object] = [(rule.kind, rule.model_dump_json()) for rule in self.all_rules() if rule.applies(source)]
        for book in self.playbooks:
            told += [("step", step.action, *map(str, step.makes)) for step in book.steps]
            told += [("gate", gate.name, gate.severity.value, *map(str, gate.tables)) for gate in book.gates]
            told += [
                ("output", str(output.table), *map(str, output.inputs), output.grain, *output.primary_key)
                for output in book.outputs
            ]
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def rules(self, kind: type[R], source: str, entity: str | None = None, field: str | None = None) -> list[R]:
        """The rules of `kind` for a source and, where given, an entity and a raw field path.

        The least specific scope comes first and, among equals, the order of `all_rules` holds: where only one can be
        followed, it is the last.
        """
        found = [rule for rule in self.all_rules() if isinstance(rule, kind) and rule.applies(source, entity, field)]
        return sorted(found, key=lambda rule: rule.scope.specificity)

    def named(self, setting: str, source: str) -> frozenset[str]:
        """What all rules that give a setting for a source name, parted by commas."""
        given = [str(rule.value) for rule in self.rules(SettingRule, source) if rule.name == setting]
        return frozenset(each.strip() for value in given for each in value.split(","))

    def setting(self, name: str, source: str) -> int | str:
        """Value of a setting for a source: by the last of its rules, else its default. Raises ConfigurationError."""
        if name not in SETTINGS:
            raise ConfigurationError(unknown("setting", name, SETTINGS))
        given = [rule.value for rule in self.rules(SettingRule, source) if rule.name == name]
        return given[-1] if given else SETTINGS[name].default
