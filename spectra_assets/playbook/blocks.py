"""Rule blocks: the YAML between fences as rules, every complaint at the line it is about.

The YAML is plain data: no anchors, aliases, tags or second documents, no key twice, bounded depth. Its words are those
of YAML 1.2: only `true` and `false` are booleans, so that the key `on` and the label `No` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spectra_assets.errors import DocumentError, Mistakes, one_of
from spectra_assets.playbook.markdown import Block
from spectra_assets.playbook.rules import KINDS, BaseRule, keys, unknown

MAX_DEPTH = 16


class _Loader(yaml.SafeLoader):
    """Composes plain data only; raises MarkedYAMLError for anything else."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        reason = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            reason = "anchors and aliases (& and *) are not allowed; write the value out"
        elif tag := getattr(event, "tag", None):
            reason = f"tag {_short(tag)} is not allowed; write plain values"
        elif self.depth >= MAX_DEPTH:
            reason = f"values are nested deeper than {MAX_DEPTH} levels"
        if reason:
            raise yaml.MarkedYAMLError(problem=reason, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_CORE = "tag:yaml.org,2002:"
for _tag, _form, _first in (
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]{0,17})", list("-0123456789")),
    ("float", r"-?[0-9]+\.[0-9]+", list("-0123456789")),
    ("null", r"~|null|", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(f"^(?:{_form})$"), _first)


@dataclass(frozen=True)
class Place:
    """Where a block stands: its file and the line before its first."""

    file: str
    offset: int

    def line(self, node: yaml.Node) -> int:
        return self.offset + int(node.start_mark.line) + 1

    def error(self, message: str, node: yaml.Node) -> DocumentError:
        return DocumentError(message, self.file, self.line(node))


def compose(block: Block, file: str) -> yaml.Node | None:
    """The YAML nodes of a block, None if it holds nothing. Raises DocumentError for anything but plain data."""
    try:
        return yaml.compose(block.text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        line = block.first + 1 + (mark.line if mark else 0)
        raise DocumentError(f"not valid YAML: {reason}", file, min(line, block.last)) from None
    except yaml.reader.ReaderError as error:
        line = block.first + 1 + block.text.count("\n", 0, error.position)
        raise DocumentError(f"not valid YAML: {error.reason}", file, line) from None


def rules_of(block: Block, file: str) -> list[BaseRule]:
    """The rules of one block, in order. Raises a DocumentError that tells every mistake at the line of the rule or of its key."""
    node = compose(block, file)
    place = Place(file, block.first)
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise place.error("a rule block is a list: start each rule with '- id: …'", node)
    mistakes = Mistakes()
    rules = mistakes.each(lambda item: _rule(item, place), node.value)
    mistakes.end()
    return rules


def _rule(node: yaml.Node, place: Place) -> BaseRule:
    if not isinstance(node, yaml.MappingNode):
        raise place.error("a rule is a mapping: '- id: …' followed by its other keys", node)
    data = _value(node, place)
    for key in ("id", "kind"):
        if not isinstance(data.get(key), str):
            raise place.error(f"a rule needs the key {key!r} with a text", _find(node, [key])[0])
    if data["kind"] not in KINDS:
        raise place.error(unknown("rule kind", data["kind"], KINDS), _find(node, ["kind"])[0])
    model = KINDS[data["kind"]]
    try:
        return model.model_validate(data, context={"file": place.file, "line": place.line(node)})
    except ValidationError as error:
        unknown_first = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        mistakes = Mistakes()
        mistakes.found += [_refused(each, model, data["id"], node, place) for each in unknown_first]
        raise mistakes.together() from None


def _refused(error: ErrorDetails, model: type[BaseModel], rule: str, node: yaml.Node, place: Place) -> DocumentError:
    path = error["loc"]
    at, depth = _find(node, path)
    where = ".".join(str(part) for part in path[:depth])
    if error["type"] == "extra_forbidden":
        reason = unknown("key", str(path[-1]), keys(_model_at(model, path[:-1])))
    elif error["type"] == "missing":
        missing = ".".join(str(part) for part in path)
        reason = f"key {missing!r} is missing; the keys are {one_of(keys(_model_at(model, path[:-1])))}"
    elif error["type"] == "literal_error":
        valid = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        reason = f"{where}: {unknown('value', str(error['input']), valid)}"
    else:
        text = error["msg"].removeprefix("Value error, ")
        reason = f"{where} is {_short(error['input'])}: {text}" if where else text
    return place.error(f"rule {_short(rule)}: {reason}", at)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _model_at(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model of the value at `path` in a value of `model`."""
    for part in path:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                model = _inner(field.annotation) or model
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _inner(arg))), None)


def _find(node: yaml.Node, path: Sequence[int | str]) -> tuple[yaml.Node, int]:
    """The key or list item at `path`, or the last one on the way to it that is written, and how far that is."""
    place, depth = node, 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            place, node = pair
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            place = node = node.value[part]
        else:
            break
        depth += 1
    return place, depth


def _value(node: yaml.Node, place: Place) -> Any:
    """The plain value of a node. Raises DocumentError for a key that stands twice or is no text or whole number."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, place) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _value(key_node, place) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise place.error("a key must be a text or a whole number", key_node)
            if key in values:
                raise place.error(f"key {_short(key)} stands twice", key_node)
            values[key] = _value(value_node, place)
        return values
    kind = node.tag.removeprefix(_CORE)
    if kind == "null":
        return None
    if kind == "bool":
        return node.value == "true"
    return {"int": int, "float": float}.get(kind, str)(node.value)
