"""References inside one document: JSON pointers, followed one by one when they are met, so that loops and size cost nothing."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from spectra_assets.intelligence.description.findings import Findings

_MOST_HOPS = 40
_BARE = re.compile(r"[A-Za-z0-9_.\-]+")
_SECTIONS = ("#/components/schemas/", "#/definitions/", "#/components/parameters/", "#/parameters/", "#/components/responses/",
             "#/responses/")  # fmt: skip

Node = dict[str, Any]

NOTHING: Node = {}
"""Always the same empty mapping: what is known of a node is kept by its identity."""


class Document:
    """A parsed description. Nothing outside of it is ever read: such a reference is a finding."""

    def __init__(self, root: Node, findings: Findings, name: str = "") -> None:
        self.root = root
        self._name = name.replace("\\", "/").rpartition("/")[2]
        self.findings = findings
        self._found: dict[str, Any] = {}
        self._anchors: dict[str, Any] | None = None

    def resolve(self, value: Any) -> tuple[Node, str | None]:
        """The mapping that `value` is or refers to, and the last reference followed; an empty one if there is none."""
        reference: str | None = None
        for _ in range(_MOST_HOPS):
            if not isinstance(value, dict):
                return NOTHING, reference
            target = value.get("$ref")
            if not isinstance(target, str):
                return value, reference
            reference = target
            value = self._target(target)
        self.findings.add("references go round in a circle", reference)
        return NOTHING, reference

    def node(self, value: Any) -> Node:
        """The mapping that `value` is or refers to."""
        return self.resolve(value)[0]

    def _target(self, reference: str) -> Any:
        if reference not in self._found:
            self._found[reference] = self._looked_up(reference)
        return self._found[reference]

    def _looked_up(self, reference: str) -> Any:
        document, hash_, pointer = reference.partition("#")
        if document and not hash_ and _BARE.fullmatch(document) and not document.endswith((".json", ".yaml", ".yml")):
            found = next((each for section in _SECTIONS if (each := self._pointed(section[1:] + document)) is not None), None)
            if found is not None:
                self.findings.add("reference by a bare name", reference)
                return found
        if hash_ and document.rpartition("/")[2] == self._name:
            document = ""
        if document:
            self.findings.add("reference to another document, which is not read", reference)
            return None
        found = self._anchored(pointer) if pointer and not pointer.startswith("/") else self._pointed(pointer)
        if found is None:
            self.findings.add("unresolvable reference", reference)
        return found

    def _pointed(self, pointer: str) -> Any:
        value: Any = self.root
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict):
                value = value[key] if key in value else value.get(unquote(part).replace("~1", "/").replace("~0", "~"))
            elif isinstance(value, list) and key.isdecimal() and len(key) < 7 and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        return value

    def _anchored(self, name: str) -> Any:
        """The schema with this `$anchor` among the named ones."""
        if self._anchors is None:
            schemas = mapping(mapping(self.root.get("components")).get("schemas"))
            named = ((mapping(each).get("$anchor") or mapping(each).get("$id"), each) for each in schemas.values())
            self._anchors = {key.lstrip("#"): each for key, each in named if isinstance(key, str)}
        return self._anchors.get(name)


def mapping(value: Any) -> Node:
    """The value if it is a mapping, else an empty one: descriptions of the wild have anything anywhere."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
