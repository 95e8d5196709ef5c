"""API Blueprint (`.apib`): groups, resources, actions and their parameters. What is written about bodies is passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.model import Description, Reply
from spectra_assets.intelligence.description.openapi import first_segment
from spectra_assets.intelligence.description.servers import checked, path_of
from spectra_assets.intelligence.description.templates import Template, template
from spectra_assets.intelligence.model import Endpoint, Method, Parameter

MOST_CHARACTERS = 4 * 1024 * 1024
_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
_GROUP = re.compile(r"group\s+(.+)", re.IGNORECASE)
_BRACKETS = re.compile(rf"\[ ?({_METHODS})? ?(/[^\]]*+)?+\]\Z")
_BARE = re.compile(rf"({_METHODS})(?:\s+(/\S*))?")
_BARE_PATH = re.compile(r"(/\S*)")
_META = re.compile(r"(FORMAT|HOST|VERSION):\s*(\S+)\s*")
_SECTION = re.compile(r"[+*-]\s+(Parameters?|Request|Response|Attributes?|Model|Headers|Body|Schema|Relation)\b.*", re.IGNORECASE)
_PARAMETER = re.compile(
    r"\s{1,8}[+*-]\s+`?([\w.%\-\[\]$]+)`?\s*(?::\s*(?P<sample>[^()]*?))?\s*(?:\((?P<facts>[^)]*)\))?\s*(?:[-:.].*)?"
)
_DEFAULT = re.compile(r"default\s*[:=]?\s*`?([^`,)]*)`?", re.IGNORECASE)
_MEMBER = re.compile(r"\s{5,16}[+*-]\s+`([^`]*)`.*")
_TYPES = {"number": "number", "integer": "integer", "string": "text", "boolean": "boolean", "array": "array", "bool": "boolean"}


def is_blueprint(text: str) -> bool:
    """Whether a text is API Blueprint: its metadata say so, or a heading has a method or path."""
    if text.lstrip()[:10].upper().startswith("FORMAT: 1A"):
        return True
    return any(_read_heading(title)[1:] != (None, None) for _, title in _headings(text[:200_000]))


def _headings(text: str) -> Iterator[tuple[int, str]]:
    for line in text.splitlines():
        if (found := _heading(line)) is not None:
            yield found


def _heading(line: str) -> tuple[int, str] | None:
    """(level, title with single blanks) of a line that is a heading."""
    if not line.startswith("#"):
        return None
    text = " ".join(line[:600].split())
    title = text.lstrip("#")
    return (min(len(text) - len(title), 6), title.strip("# ")) if title else None


def _read_heading(title: str) -> tuple[str, Method | None, str | None]:
    """(name, method, path template) of a heading."""
    found = _BRACKETS.search(title)
    if found and (found.group(1) or found.group(2)):
        return title[: found.start()].rstrip(), cast(Method | None, found.group(1)), found.group(2)
    found = _BARE.fullmatch(title)
    if found:
        return "", cast(Method, found.group(1)), found.group(2)
    found = _BARE_PATH.fullmatch(title)
    return ("", None, found.group(1)) if found else (title, None, None)


@dataclass
class _Action:
    """An action, or (without a method) the resource that it belongs to."""

    method: Method | None
    path: Template | None
    group: str
    name: str
    level: int
    parameters: dict[str, Parameter] = field(default_factory=dict)


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._resource = _Action(None, None, "", "", 9)
        self._current = self._resource
        self._group = ""
        self._section = ""
        self._last: str | None = None
        self.title = ""
        self.meta: dict[str, str] = {}
        self.actions: list[tuple[_Action, _Action]] = []
        """(action, its resource)."""

    def line(self, line: str) -> None:
        if not self.title and not self.actions and (meta := _META.fullmatch(line)):
            self.meta[meta.group(1)] = meta.group(2)[:300]
        elif (found := _heading(line)) is not None:
            self._heading(*found)
        elif section := _SECTION.fullmatch(line[:300]):
            self._section, self._last = section.group(1).lower(), None
        elif self._section.startswith("parameter"):
            self._parameter(line[:300])

    def _heading(self, level: int, title: str) -> None:
        self._section = ""
        name, method, path = _read_heading(title)
        group = _GROUP.fullmatch(title)
        if group and method is None and path is None:
            self._group = brief(group.group(1), 80)
            return
        if method is None and path is None:
            self.title = self.title or brief(title, 200)
            if level <= self._resource.level:
                self._resource = _Action(None, None, self._group, "", 9)
            self._current = _Action(None, None, self._group, "", level)
            return
        read = template(path) if path else None
        if path and read is None:
            self._findings.add("path that can't be asked for", path)
        action = _Action(method, read, self._group, brief(name), level)
        if method is None:
            self._resource = self._current = action
            return
        if path and level <= self._resource.level:
            self._resource = replace(action, method=None, parameters={})
        self._current = action
        self.actions.append((action, self._resource))

    def _parameter(self, line: str) -> None:
        member = _MEMBER.fullmatch(line)
        if member and self._last:
            known = self._current.parameters[self._last]
            self._current.parameters[self._last] = known.model_copy(update={"values": [*known.values, member.group(1)][:50]})
            return
        indent = line[: len(line) - len(line.lstrip())]
        found = _PARAMETER.fullmatch(indent[:16] + " ".join(line.split()))
        if (
            not found
            or (self._last and len(line) - len(line.lstrip()) > 5)
            or found.group(1).lower() in ("members", "default", "values")
        ):
            return
        facts = [fact.strip() for fact in (found.group("facts") or "").split(",")]
        words = {fact.partition("[")[0].lower().strip("` ") for fact in facts}
        default = _DEFAULT.search(found.group("facts") or "")
        kind = next((_TYPES[word] for word in words if word in _TYPES), "unknown")
        name = found.group(1)[:120]
        self._last = name
        self._current.parameters[name] = Parameter.model_validate(
            {
                "name": name,
                "required": "optional" not in words,
                "type": kind,
                "default": default.group(1).strip() if default else None,
            }
        )


def read_blueprint(text: str, name: str, findings: Findings) -> Description:
    """Catalogue the document. Raises DocumentError if it has no action."""
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(
            f"it has {len(text):,} characters, more than the {MOST_CHARACTERS:,} of API Blueprint that are read", name
        )
    reader = _Reader(findings)
    for line in text.splitlines():
        reader.line(line)
    endpoints: dict[tuple[str, str], Endpoint] = {}
    for action, resource in reader.actions:
        read = action.path or resource.path
        if action.method is None or read is None:
            findings.add("action without a path", action.name)
            continue
        if (action.method, read.path) in endpoints:
            findings.add("operation that is there twice, the first one counts", f"{action.method} {read.path}")
            continue
        endpoints[action.method, read.path] = _endpoint(action.method, action, resource, read)
    if not endpoints:
        raise DocumentError("no heading names a method and a path, for example ### List [GET /project/{id}]", name)
    host = checked(reader.meta.get("HOST", ""), findings)
    return Description(
        name=name,
        kind="blueprint",
        format=reader.meta.get("FORMAT", "1A"),
        title=reader.title,
        version=reader.meta.get("VERSION", ""),
        servers=[host] if host else [],
        base_path=path_of(host) if host else "",
        endpoints=list(endpoints.values()),
        replies={endpoint.path: Reply() for endpoint in endpoints.values() if endpoint.method == "GET"},
        findings=findings.lines(),
    )


def _endpoint(method: Method, action: _Action, resource: _Action, read: Template) -> Endpoint:
    known = {**resource.parameters, **action.parameters}
    inside = re.findall(r"\{([^}]+)\}", read.path)
    query = list(read.query) if action.path or method == "GET" else []
    kept = []
    for name, parameter in known.items():
        if name in inside:
            kept.append(parameter.model_copy(update={"location": "path", "required": True}))
        elif name in query:
            kept.append(parameter.model_copy(update={"location": "query"}))
    return Endpoint(
        method=method, path=read.path, group=action.group or first_segment(read.path), query=query, parameters=kept,
        summary=action.name or resource.name,
    )  # fmt: skip
