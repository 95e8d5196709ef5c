"""Read one playbook, or STANDARDS.md: Markdown → Playbook, every mistake an error with file and line.

The format is described for people in playbooks/STRUCTURE.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from spectra_assets.errors import ConfigurationError, DocumentError, Mistakes
from spectra_assets.playbook.blocks import rules_of
from spectra_assets.playbook.markdown import Block, Bullet, Document, Section, bullets, by_heading, scan, sections, title_of
from spectra_assets.playbook.model import (
    FILES,
    DemandedGate,
    Input,
    Output,
    Playbook,
    Severity,
    Standard,
    Standards,
    Step,
    TablePattern,
)
from spectra_assets.playbook.rules import BaseRule, unknown

HEADINGS = (
    "Purpose",
    "Inputs",
    "Process",
    "Outputs",
    "Quality Gates",
    "Dependencies",
    "Self-Improvement",
    "Rules",
)
STANDARDS_HEADINGS = ("Purpose", "Standards", "Rules")

_LIST = r"`[^`]+`(?:, `[^`]+`)*"
_INPUT = re.compile(r"`([^`]+)`(?::? (.*))?")
_STEP = re.compile(r"Step ([1-9][0-9]*): (\S.*)")
_ACTION = re.compile(r"Action: `([^`]+)`")
_MAKES = re.compile(rf"Makes: ({_LIST})")
_OUTPUT = re.compile(rf"`([^`]+)`(?: from ({_LIST}))?: (.*)")
_GRAIN = re.compile(r"one row per .*?(?=[.;:](?: |$)| \(|$)")
_KEY = re.compile(rf"\(key: ({_LIST})\)$")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GATE = re.compile(rf"`([^`]+)` on ({_LIST}) \(([^)]*)\): (.+)")


def check_ids(rules: Iterable[BaseRule]) -> None:
    """Raise DocumentError at the second of two rules with one id."""
    seen: dict[str, BaseRule] = {}
    for rule in rules:
        first = seen.setdefault(rule.id, rule)
        if first is not rule:
            message = f"rule id {rule.id!r} is taken by the rule at {first.file}:{first.line}; every id stands once"
            raise DocumentError(message, rule.file, rule.line)


# ---------------------------------------------------------------- one document


def parse_standards(text: str, file: str) -> Standards:
    """Read STANDARDS.md."""
    document = scan(text, file)
    title = title_of(document)
    parts = by_heading(document, STANDARDS_HEADINGS)
    _check_filled(document, parts)
    items = bullets(document, parts["Standards"].lines)
    standards = tuple(Standard(item.text, file, item.line) for item in items)
    return Standards(title, parts["Purpose"].prose, standards, _rules(document, parts["Rules"]), file)


@dataclass(frozen=True)
class _Page:
    """One playbook while it is read."""

    document: Document
    stage: str
    actions: Collection[str] | None
    gates: Collection[str] | None

    @property
    def file(self) -> str:
        return self.document.file

    def error(self, message: str, line: int) -> DocumentError:
        return self.document.error(message, line)


def parse_playbook(
    text: str, file: str, actions: Collection[str] | None = None, gates: Collection[str] | None = None
) -> Playbook:
    """Read one playbook; the last part of `file` says which. Without `actions` or `gates` no name is unknown."""
    name = file.rsplit("/", 1)[-1]
    if name not in FILES:
        raise DocumentError(unknown("playbook", name, FILES), file)
    number, stage = FILES[name]
    page = _Page(scan(text, file), stage, actions, gates)
    title = title_of(page.document)
    parts = by_heading(page.document, HEADINGS)
    mistakes = Mistakes()
    mistakes.tried(lambda: _check_filled(page.document, parts), None)

    def items(section: str) -> list[Bullet]:
        return mistakes.tried(lambda: bullets(page.document, parts[section].lines), [])

    made = Playbook(
        number=number,
        stage=stage,
        title=title,
        purpose=parts["Purpose"].prose,
        inputs=tuple(mistakes.each(lambda item: _input(page, item), items("Inputs"))),
        steps=mistakes.tried(lambda: _steps(page, parts["Process"]), ()),
        outputs=mistakes.tried(lambda: _outputs(page, items("Outputs")), ()),
        gates=mistakes.tried(lambda: _gates(page, items("Quality Gates")), ()),
        dependencies=parts["Dependencies"].prose,
        self_improvement=parts["Self-Improvement"].prose,
        rules=mistakes.tried(lambda: _rules(page.document, parts["Rules"]), ()),
        file=file,
    )
    mistakes.end()
    return made


def _check_filled(document: Document, parts: dict[str, Section]) -> None:
    for title, section in parts.items():
        if title != "Rules" and not section.prose:
            raise document.error(f"'## {title}' has no text; say what holds, or 'None.' and why", section.line)
        for block in section.blocks:
            if title != "Rules" and block.info.lower().startswith(("yaml", "yml")):
                raise document.error(f"rules stand under '## Rules', not under '## {title}'", block.first)


def _rules(document: Document, section: Section) -> tuple[BaseRule, ...]:
    def read(block: Block) -> list[BaseRule]:
        if block.info != "yaml":
            raise document.error(f"block of {block.info!r}; a rule block starts with ```yaml", block.first)
        return rules_of(block, document.file)

    mistakes = Mistakes()
    rules = [rule for found in mistakes.each(read, section.blocks) for rule in found]
    mistakes.tried(lambda: check_ids(rules), None)
    mistakes.end()
    return tuple(rules)


# ---------------------------------------------------------------- sections of a playbook


def _tables(page: _Page, text: str, line: int, own: bool) -> tuple[TablePattern, ...]:
    """The tables of a list such as `` `clean.cycle`, `clean.user` ``; `own` ones must be of the playbook's stage."""
    tables = []
    for name in re.findall(r"`([^`]+)`", text):
        try:
            table = TablePattern.parse(name)
        except ConfigurationError as error:
            raise page.error(str(error), line) from None
        if own and table.schema != page.stage:
            raise page.error(f"{name!r} is not a table of this playbook's stage; valid: {page.stage}.<table>", line)
        tables.append(table)
    return tuple(tables)


def _form(page: _Page, form: re.Pattern[str], item: Bullet, example: str) -> re.Match[str]:
    match = form.fullmatch(item.text)
    if not match:
        raise page.error(f"{item.text[:80]!r} is not understood; write: - {example}", item.line)
    return match


def _input(page: _Page, item: Bullet) -> Input:
    match = _form(page, _INPUT, item, "`stage.table`: what it is read for")
    (table,) = _tables(page, f"`{match[1]}`", item.line, own=False)
    if table.schema == page.stage:
        raise page.error(f"{match[1]!r} is made by this playbook; Inputs lists tables of other stages", item.line)
    return Input(table, match[2] or "", page.file, item.line)


def _steps(page: _Page, process: Section) -> tuple[Step, ...]:
    found = list(sections(page.document, process.lines, 3))
    if not found:
        raise page.error("the process has no step; write '### Step 1: <title>'", process.line)

    def read(place: tuple[int, Section]) -> Step:
        number, section = place
        match = _STEP.fullmatch(section.title)
        if not match:
            raise page.error(f"heading {section.title!r}; write '### Step {number}: <title>'", section.line)
        if int(match[1]) != number:
            earlier = "stands twice" if int(match[1]) < number else "leaves a gap"
            raise page.error(f"step number {match[1]} {earlier}; here belongs 'Step {number}'", section.line)
        return _step(page, section, number, match[2])

    mistakes = Mistakes()
    steps = mistakes.each(read, enumerate(found, 1))
    mistakes.end()
    return tuple(steps)


def _step(page: _Page, section: Section, number: int, title: str) -> Step:
    items = bullets(page.document, section.lines)
    action_item, makes_item = (_the_line(page, section, items, word) for word in ("Action", "Makes"))
    action = _form(page, _ACTION, action_item, "Action: `stage.action_name`")[1]
    if page.actions is not None and action not in page.actions:
        raise page.error(unknown("action", action, page.actions), action_item.line)
    makes = _form(page, _MAKES, makes_item, "Makes: `stage.table`, `stage.pattern*`")[1]
    taken = (action_item.line, makes_item.line)
    prose = _prose_without(section, taken)
    if not prose:
        raise page.error(f"step {number} has no prose; say what happens and why", section.line)
    return Step(number, title, prose, action, _tables(page, makes, makes_item.line, own=True), page.file, section.line)


def _the_line(page: _Page, section: Section, items: list[Bullet], word: str) -> Bullet:
    found = [item for item in items if item.text.startswith(f"{word}:")]
    if not found:
        raise page.error(f"this step has no line '- {word}: `…`'; it needs exactly one", section.line)
    if len(found) > 1:
        raise page.error(f"a second line '- {word}:' in one step; it needs exactly one", found[1].line)
    return found[0]


def _prose_without(section: Section, taken: Collection[int]) -> str:
    """The section's prose without the list items that start at the lines `taken`."""
    kept, inside = [], False
    for line in section.lines:
        starts = line.number in taken
        inside = starts or (inside and bool(line.text.strip()) and not line.text.startswith("- "))
        if not inside:
            kept.append(line.text)
    return "\n".join(kept).strip()


def _output(page: _Page, item: Bullet) -> Output:
    match = _form(page, _OUTPUT, item, "`stage.table` from `stage.input`: one row per … (key: `column`)")
    (table,) = _tables(page, f"`{match[1]}`", item.line, own=True)
    text, key = match[3], _KEY.search(match[3])
    if key:
        text = text[: key.start()]
    elif "(key" in text:
        raise page.error("the key is not understood; end the item with (key: `column`, `column`)", item.line)
    grain = _GRAIN.match(text)
    if not grain:
        raise page.error(f"the text of {match[1]} must begin with its grain: 'one row per …'", item.line)
    columns = tuple(re.findall(r"`([^`]+)`", key[1])) if key else ()
    for column in columns:
        if not _COLUMN.fullmatch(column):
            raise page.error(f"key column {column[:80]!r} is not a name: letters, digits and underscores", item.line)
    inputs = _tables(page, match[2] or "", item.line, own=False)
    return Output(table, inputs, text.strip(), grain[0], columns, page.file, item.line)


def _outputs(page: _Page, items: Collection[Bullet]) -> tuple[Output, ...]:
    seen: dict[TablePattern, Output] = {}

    def read(item: Bullet) -> Output:
        output = _output(page, item)
        first = seen.setdefault(output.table, output)
        if first is not output:
            raise page.error(f"output {output.table} stands already on line {first.line}", output.line)
        return output

    mistakes = Mistakes()
    outputs = mistakes.each(read, items)
    mistakes.end()
    return tuple(outputs)


def _gates(page: _Page, items: Collection[Bullet]) -> tuple[DemandedGate, ...]:
    seen: dict[tuple[str, TablePattern], int] = {}

    def read(item: Bullet) -> DemandedGate:
        match = _form(page, _GATE, item, "`gate_name` on `stage.table` (ERROR): what it shows")
        if page.gates is not None and match[1] not in page.gates:
            raise page.error(unknown("gate", match[1], page.gates), item.line)
        if match[3] not in list(Severity):
            raise page.error(unknown("severity", match[3], list(Severity)), item.line)
        tables = _tables(page, match[2], item.line, own=True)
        for table in tables:
            line = seen.setdefault((match[1], table), item.line)
            if line != item.line:
                raise page.error(f"gate {match[1]} on {table} stands already on line {line}", item.line)
        return DemandedGate(match[1], tables, Severity(match[3]), match[4], page.file, item.line)

    mistakes = Mistakes()
    gates = mistakes.each(read, items)
    mistakes.end()
    return tuple(gates)
