"""Bytes of a description → plain Python values. Bounded in size, nesting and what YAML's aliases expand to."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.findings import Findings

MOST_BYTES = 64 * 1024 * 1024
"""A larger description is refused before it is parsed: the largest real ones have about 50 MB."""

MOST_NODES = 12_000_000
"""Values that a description may hold, those that YAML's aliases repeat counted each time."""

MOST_DEPTH = 200
"""Levels of nesting in YAML; msgspec has a limit of its own for JSON."""

_RETRIED_AS_YAML = 1024 * 1024
"""JSON up to this size that is broken is read again as YAML, which forgives trailing commas and comments."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
         (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip

_PLAIN: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER_STARTS = frozenset("-+.0123456789")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})")
"""A leading zero makes it text: such numbers are codes."""

_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|(0|[1-9][0-9]{0,39})(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")


def decoded(data: bytes, name: str, findings: Findings) -> str:
    """The text of a description: UTF-8, UTF-16 or UTF-32 with or without a byte order mark, else Latin-1 with a finding.

    Raises DocumentError if it is empty or longer than `MOST_BYTES`.
    """
    if len(data) > MOST_BYTES:
        raise DocumentError(
            f"the description has {len(data):,} bytes, more than the {MOST_BYTES:,} that are read: give one without "
            "resolved references, or the part of it that is needed", name,
        )  # fmt: skip
    text = _as_text(data, findings).lstrip("\ufeff")
    if not text.strip():
        raise DocumentError("the description is empty", name)
    return text


def _as_text(data: bytes, findings: Findings) -> str:
    encoding = next((code for mark, code in _BOMS if data.startswith(mark)), None)
    if encoding is None:
        encoding = {b"\0\1": "utf-16-be", b"\1\0": "utf-16-le"}.get(bytes(min(byte, 1) for byte in data[:2]), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        findings.add(f"not valid {encoding.upper()}, read as Latin-1", f"byte {error.start}")
        return data.decode("latin-1")


def parsed(text: str, name: str, findings: Findings) -> Any:
    """The values of a JSON or YAML text. Keys are text, and so is whatever YAML 1.2's core schema makes no number or boolean
    of: `yes`, `on`, dates.

    Raises DocumentError with the line if it is neither, or beyond the limits.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return _yaml(text, name, findings)
    try:
        return _json(text, name)
    except msgspec.DecodeError as error:
        if len(text) <= _RETRIED_AS_YAML:
            try:
                found = _yaml(text, name, findings)
            except DocumentError:
                raise _json_error(error, text, name) from None
            findings.add("not valid JSON, read as YAML", str(error))
            return found
        raise _json_error(error, text, name) from None


def _json(text: str, name: str) -> Any:
    nodes = text.count(",") + text.count("{") + text.count("[")
    if nodes > MOST_NODES:
        raise DocumentError(f"the description holds about {nodes:,} values, more than the {MOST_NODES:,} that are read", name)
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise DocumentError("the description is nested too deeply to be read", name) from None


def _json_error(error: msgspec.DecodeError, text: str, name: str) -> DocumentError:
    place = re.search(r"byte (\d+)", str(error))
    line = text.encode("utf-8", "replace")[: int(place.group(1))].count(b"\n") + 1 if place else None
    return DocumentError(f"not valid JSON: {error}", name, line)


def _yaml(text: str, name: str, findings: Findings) -> Any:
    if _CONTROL.search(text):
        findings.add("control characters, read as blanks")
        text = _CONTROL.sub(" ", text)
    loader = _LOADER(text)
    try:
        return _Builder(loader, name, findings).build()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(
            f"not valid YAML: {getattr(error, 'problem', None) or error}", name, mark.line + 1 if mark else None
        ) from None
    finally:
        loader.dispose()


class _Frame:
    """A collection that is being read. `before` counts the nodes that were read before it."""

    __slots__ = ("anchor", "before", "key", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None, before: int) -> None:
        self.value = value
        self.anchor = anchor
        self.before = before
        self.key: str | None = None


class _Builder:
    """Values straight from the parser's events: no node tree in between, so that every limit holds while it is read."""

    def __init__(self, loader: Any, name: str, findings: Findings) -> None:
        self._loader = loader
        self._name = name
        self._findings = findings
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._keys: dict[str, str] = {}

    def build(self) -> Any:
        """The first document's value."""
        loader = self._loader
        stack: list[_Frame] = []
        top: list[Any] = []
        while not loader.check_event(yaml.StreamEndEvent):
            event = loader.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._count(1, event)
                value = _scalar(event)
                if event.anchor:
                    self._anchors[event.anchor] = (value, 1)
                self._put(stack, top, value, event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._count(1, event)
                if len(stack) >= MOST_DEPTH:
                    raise self._refused(f"nested more than {MOST_DEPTH} levels deep", event)
                fresh: Any = {} if kind is yaml.MappingStartEvent else []
                if event.anchor:
                    self._anchors.pop(event.anchor, None)
                stack.append(_Frame(fresh, event.anchor, self._nodes))
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                frame = stack.pop()
                if frame.anchor:
                    self._anchors[frame.anchor] = (frame.value, self._nodes - frame.before + 1)
                self._put(stack, top, frame.value, event)
            elif kind is yaml.AliasEvent:
                value, size = self._anchors.get(event.anchor, (None, 1))
                if event.anchor not in self._anchors:
                    self._findings.add("alias without an anchor before it, or inside itself", event.anchor)
                self._count(size, event)
                self._put(stack, top, value, event)
            elif kind is yaml.DocumentEndEvent and not loader.check_event(yaml.StreamEndEvent):
                self._findings.add("more than one YAML document: only the first is read")
                break
        return top[0] if top else None

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._refused(f"more than {MOST_NODES:,} values, with what its aliases repeat", event)

    def _put(self, stack: list[_Frame], top: list[Any], value: Any, event: Any) -> None:
        if not stack:
            top.append(value)
            return
        frame = stack[-1]
        into = frame.value
        if isinstance(into, list):
            into.append(value)
        elif frame.key is None:
            if isinstance(value, dict | list):
                raise self._refused("a key is a collection: a key must be plain text", event)
            text = getattr(event, "value", None)
            frame.key = self._shared(text if isinstance(text, str) else str(value))
        else:
            self._set(into, frame.key, value, event)
            frame.key = None

    def _set(self, into: dict[str, Any], key: str, value: Any, event: Any) -> None:
        if key == "<<" and isinstance(value, dict | list):
            for each in [value] if isinstance(value, dict) else value:
                if isinstance(each, dict):
                    into |= {name: below for name, below in each.items() if name not in into}
            return
        if key in into:
            self._findings.add("duplicate key, the last one counts", f"{key} (line {event.start_mark.line + 1})")
        into[key] = value

    def _shared(self, key: str) -> str:
        return self._keys.setdefault(key, key) if len(key) < 40 else key

    def _refused(self, why: str, event: Any) -> DocumentError:
        return DocumentError(f"the description is refused: {why}", self._name, event.start_mark.line + 1)


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag = event.tag
    plain = event.implicit[0] if tag is None or tag == "!" else tag.rpartition(":")[2] in ("int", "float", "bool", "null")
    if not plain or len(text) > 90:
        return text
    if text in _PLAIN:
        return _PLAIN[text]
    if text[0] in _NUMBER_STARTS:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
