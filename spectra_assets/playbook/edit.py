"""Change the rules, gates and steps of a document in place: the new text differs from the old in their own lines only.

Nothing is written here: the caller gets the new text. It has been parsed again and holds exactly the rules it should.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spectra_assets.errors import DocumentError
from spectra_assets.playbook.blocks import compose
from spectra_assets.playbook.folder import read_document
from spectra_assets.playbook.markdown import Block, by_heading, scan
from spectra_assets.playbook.model import STANDARDS, Playbook, Step
from spectra_assets.playbook.parse import HEADINGS, STANDARDS_HEADINGS, parse_playbook, parse_standards
from spectra_assets.playbook.rules import BaseRule, unknown

_NUMBERED = re.compile(r"^### Step ([1-9][0-9]*):")


class _Dumper(yaml.SafeDumper):
    """Plain YAML: no aliases, and texts of several lines in quotes on one line, so that none can end a fenced block."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    lines = any(c in value for c in "\r\n\x85\u2028\u2029") or value in ("yes", "no", "on", "off")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if lines else None)


_Dumper.add_representer(str, _text)


def add_rule(path: Path, rule: Mapping[str, Any]) -> str:
    """The text of the document at `path` with `rule` added as the last of its Rules.

    Raises DocumentError if the document or the rule is malformed, or the rule's id stands in the document already.
    """
    text = read_document(path, str(path))
    before = _rules(text, path)
    lines = text.split("\n")
    end = "\r" if lines[0].endswith("\r") else ""
    try:
        written = yaml.dump([dict(rule)], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    except yaml.YAMLError as error:
        raise DocumentError(f"the rule can't be written as YAML: {error}", str(path)) from None
    block = _open_block(text, path)
    indent = " " * _indent(block, path) if block else ""
    new = [f"{indent}{line}{end}" for line in written.splitlines()]
    if block:
        at = block.last - 1
    else:
        at = _end_of_rules(lines)
        new = [end, f"```yaml{end}", *new, f"```{end}"]
        if at == len(lines):
            lines[-1:] = [lines[-1] + end, ""]
    lines[at:at] = new
    result = "\n".join(lines)
    after = _rules(result, path)
    if after[:-1] != before or after[-1].id != rule.get("id"):
        raise DocumentError(f"rule {rule.get('id')!r} can't be added without changing others; do it by hand", str(path))
    return result


def remove_rule(path: Path, rule_id: str) -> str:
    """The text of the document at `path` without the rule `rule_id`; a block that held nothing else goes with it.

    Raises DocumentError if the document is malformed or has no such rule.
    """
    text = read_document(path, str(path))
    before = _rules(text, path)
    if rule_id not in [rule.id for rule in before]:
        raise DocumentError(unknown("rule", rule_id, [rule.id for rule in before]), str(path))
    lines = text.split("\n")
    for block in _blocks(text, path):
        first, last = _span(block, path, rule_id, lines)
        if first:
            if not any(line.strip() for line in [*lines[block.first : first - 1], *lines[last : block.last - 1]]):
                first, last = block.first, block.last
                first -= first > 1 and not lines[first - 2].strip()
            del lines[first - 1 : last]
            break
    result = "\n".join(lines)
    if _rules(result, path) != [rule for rule in before if rule.id != rule_id]:
        raise DocumentError(f"rule {rule_id!r} can't be removed without changing others; remove it by hand", str(path))
    return result


def add_gate(path: Path, gate: str, tables: Sequence[str], severity: str, text: str) -> str:
    """The text of the playbook at `path` with a gate as the last of its Quality Gates. `text` is one line.

    Raises DocumentError if the playbook is malformed, or the gate stands there for one of the tables already.
    """
    item = f"- `{gate}` on {', '.join(f'`{table}`' for table in tables)} ({severity}): {_plain(text)}"
    return _with_lines(path, "Quality Gates", None, item.split("\n"), lambda book: [*book.gates])


def add_step(path: Path, title: str, prose: str, action: str, makes: Sequence[str], before: str | None = None) -> str:
    """The text of the playbook at `path` with a step before the one whose action is `before`, or as the last one.

    The steps after it are numbered anew. Raises DocumentError if the playbook is malformed or has no such step.
    """
    old = read_document(path, str(path))
    book = parse_playbook(old, str(path))
    after = next((step for step in book.steps if step.action == before), None)
    if before is not None and after is None:
        raise DocumentError(unknown("step with the action", before, [step.action for step in book.steps]), str(path))
    number = after.number if after else len(book.steps) + 1
    made = ", ".join(f"`{table}`" for table in makes)
    lines = [f"### Step {number}: {_plain(title)}", "", _plain(prose), "", f"- Action: `{action}`", f"- Makes: {made}"]
    return _with_lines(path, "Process", after, lines, lambda book: [*book.steps])


def remove_marked(path: Path, mark: str) -> str:
    """The text of the playbook at `path` without the gate, or the step, whose text holds `mark`; later steps are numbered anew.

    Raises DocumentError if the playbook is malformed, or none or several hold it.
    """
    old = read_document(path, str(path))
    book = parse_playbook(old, str(path))
    steps = [step for step in book.steps if mark in step.prose]
    gates = [gate for gate in book.gates if mark in gate.text]
    if len(steps) + len(gates) != 1:
        raise DocumentError(f"{len(steps) + len(gates)} steps and gates are marked {mark!r}; remove it by hand", str(path))
    lines = old.split("\n")
    first = (steps or gates)[0].line
    last = first
    ends = ("### ", "## ") if steps else ("- ", "## ", "")
    while last < len(lines) and not _begins(lines[last], ends):
        last += 1
    del lines[first - 1 : last]
    if steps:
        for number in range(first - 1, len(lines)):
            lines[number] = _NUMBERED.sub(lambda match: f"### Step {int(match[1]) - 1}:", lines[number])
    result = "\n".join(lines)
    made = parse_playbook(result, str(path))
    fewer = len(made.steps) + len(made.gates) == len(book.steps) + len(book.gates) - 1
    if not fewer or _rules(result, path) != _rules(old, path):
        raise DocumentError(f"what is marked {mark!r} can't be removed without changing others; do it by hand", str(path))
    return result


def _begins(line: str, ends: Sequence[str]) -> bool:
    return any(line.startswith(end) if end else not line.strip() for end in ends)


def _plain(text: str) -> str:
    """Prose on one line that can't begin another form of the document."""
    return " ".join(text.split()).lstrip("-#>~`|*+ ")


def _with_lines(
    path: Path, section: str, after: Step | None, new: Sequence[str], parts: Callable[[Playbook], Sequence[object]]
) -> str:
    """The document with lines before the step `after`, or at the end of a section; it must hold one part more, and the same
    rules."""
    old = read_document(path, str(path))
    book = parse_playbook(old, str(path))
    lines = old.split("\n")
    end = "\r" if lines[0].endswith("\r") else ""
    written = [f"{line}{end}" for line in new]
    if after is None:
        found = by_heading(scan(old, str(path)), HEADINGS)[section]
        last = max((line.number for line in found.lines if line.text.strip()), default=found.line)
        lines[last:last] = [end, *written] if section == "Process" else written
    else:
        lines[after.line - 1 : after.line - 1] = [*written, end]
        for number, line in enumerate(lines[after.line - 1 + len(written) :], after.line - 1 + len(written)):
            lines[number] = _NUMBERED.sub(lambda match: f"### Step {int(match[1]) + 1}:", line)
    result = "\n".join(lines)
    made = parse_playbook(result, str(path))
    if len(parts(made)) != len(parts(book)) + 1 or _rules(result, path) != _rules(old, path):
        raise DocumentError(f"'## {section}' can't be added to without changing other parts; do it by hand", str(path))
    return result


def _rules(text: str, path: Path) -> list[BaseRule]:
    """The rules of a document, without their places."""
    parse = parse_standards if path.name == STANDARDS else parse_playbook
    rules = parse(text, str(path)).rules
    return [type(rule).model_validate(rule.model_dump(by_alias=True)) for rule in rules]


def _blocks(text: str, path: Path) -> tuple[Block, ...]:
    document = scan(text, str(path))
    return by_heading(document, STANDARDS_HEADINGS if path.name == STANDARDS else HEADINGS)["Rules"].blocks


def _open_block(text: str, path: Path) -> Block | None:
    """The last rule block, if a rule can be added at its end."""
    blocks = _blocks(text, path)
    if not blocks:
        return None
    node = compose(blocks[-1], str(path))
    flow = isinstance(node, yaml.SequenceNode) and node.flow_style
    return None if flow else blocks[-1]


def _indent(block: Block, path: Path) -> int:
    node = compose(block, str(path))
    return int(node.start_mark.column) if node else 0


def _end_of_rules(lines: list[str]) -> int:
    """Index after the last line with text: Rules is the last section of every document."""
    return max(i for i, line in enumerate(lines) if line.strip()) + 1


def _span(block: Block, path: Path, rule_id: str, lines: list[str]) -> tuple[int, int]:
    """First and last line of a rule in a block, (0, 0) if it is not there."""
    node = compose(block, str(path))
    for item in node.value if node else ():
        ids = [value.value for key, value in item.value if key.value == "id"]
        if ids == [rule_id]:
            first = block.first + 1 + int(item.start_mark.line)
            while not lines[first - 1].lstrip().startswith("-"):
                first -= 1
            last = min(block.first + 1 + _last_line(item), block.last - 1)
            while not lines[last - 1].strip():
                last -= 1
            return first, last
    return 0, 0


def _last_line(node: yaml.Node) -> int:
    """Index of a node's last line, without the comments and blank lines that PyYAML counts to it."""
    if isinstance(node, yaml.ScalarNode) or (isinstance(node, yaml.CollectionNode) and node.flow_style):
        folded = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
        return int(node.end_mark.line) - (1 if folded else 0)
    if isinstance(node, yaml.MappingNode):
        return _last_line(node.value[-1][1])
    return _last_line(node.value[-1])
