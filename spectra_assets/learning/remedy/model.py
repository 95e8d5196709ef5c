"""What a remedy is: why it would help, and the one change of a playbook by which it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class RemedyKind(StrEnum):
    """Kinds of remedies, as lessons name them."""

    ADD_FIELD = "add_field"
    WIDEN_TYPE = "widen_type"
    DATE_FORMAT = "date_format"
    FOLLOW_RENAME = "follow_rename"
    MARK_NULLABLE = "mark_nullable"
    PRIMARY_KEY = "primary_key"
    DEDUPLICATE = "deduplicate"
    CHOOSE_ROUTE = "choose_route"
    PAGING = "paging"
    RECORDS = "records"
    SLOW_DOWN = "slow_down"
    SKIP_ENDPOINT = "skip_endpoint"
    REPLACE_ENDPOINT = "replace_endpoint"
    ORDER_PARENT = "order_parent"
    LABEL_VALUE = "label_value"
    ADD_GATE = "add_gate"
    ADD_STEP = "add_step"
    ACCEPT_REFUSED = "accept_refused"
    READ_AS = "read_as"
    SET_ASIDE = "set_aside"
    ACCEPT = "accept"
    TAKE_BACK = "take_back"


KEEP_REQUESTS = frozenset(
    (
        RemedyKind.ADD_FIELD, RemedyKind.WIDEN_TYPE, RemedyKind.DATE_FORMAT, RemedyKind.FOLLOW_RENAME, RemedyKind.MARK_NULLABLE,
        RemedyKind.PRIMARY_KEY, RemedyKind.DEDUPLICATE, RemedyKind.ADD_GATE, RemedyKind.ADD_STEP, RemedyKind.LABEL_VALUE,
        RemedyKind.READ_AS, RemedyKind.SET_ASIDE, RemedyKind.ACCEPT, RemedyKind.ACCEPT_REFUSED,
    )
)  # fmt: skip
"""Remedies that change nothing of what Source and Prepare ask the API."""

TOLD_BY_CANON = KEEP_REQUESTS | {
    RemedyKind.RECORDS, RemedyKind.PAGING, RemedyKind.ORDER_PARENT, RemedyKind.REPLACE_ENDPOINT
}  # fmt: skip
"""Those and the ones that change how lists are asked for, and whose rule says it all: the canon follows it. Their proof makes
Source and Prepare again, so that it is seen to be true; once it is, nothing needs to be asked for the covenant."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    """Document below `playbooks/`: `STANDARDS.md`, `fabric/pipeline/pipeline.001-….md`."""


class AddRule(_Part):
    """`rule` becomes the last of the document's Rules. Its `id` and `lesson` are set when it is applied."""

    kind: Literal["add_rule"] = "add_rule"
    rule: Mapping[str, Any]

    @property
    def paths(self) -> set[str]:
        """The fields that the rule is about, by each of their names."""
        together = self.rule.get("paths", {})
        named = (self.rule.get("scope", {}).get("field"), *self.rule.get("also", ()), *together, *together.values())
        return {str(path) for path in named if path}


class AddGate(_Part):
    """A gate that these tables must pass, as the last of the document's Quality Gates."""

    kind: Literal["add_gate"] = "add_gate"
    gate: str
    tables: tuple[str, ...]
    severity: Literal["ERROR", "WARN"] = "ERROR"
    text: str


class AddStep(_Part):
    """A step that carries out `action`, before the step with the action `before` (None: as the last)."""

    kind: Literal["add_step"] = "add_step"
    title: str
    prose: str
    action: str
    makes: tuple[str, ...]
    before: str | None = None


Addition = Annotated[AddRule | AddGate | AddStep, Field(discriminator="kind")]


class TakeBack(_Part):
    """What a lesson added to the document goes again, and the rule of the standards that was made of it. What it said is found
    out again: that alone is left to do where it is gone already (`added` is None)."""

    kind: Literal["take_back"] = "take_back"
    file: str = ""
    lesson: str
    entity: str = ""
    """Whose lesson it was; empty: of no single entity."""
    added: Addition | None = None
    standard: str | None = None


Edit = Annotated[AddRule | AddGate | AddStep | TakeBack, Field(discriminator="kind")]


def said(edit: Edit) -> str:
    """The change in one line, for people."""
    if isinstance(edit, TakeBack):
        return f"without what lesson {edit.lesson} brought{f', {said(edit.added)}' if edit.added is not None else ''}"
    if isinstance(edit, AddRule):
        scope = ", ".join(f"{key} {value}" for key, value in dict(edit.rule.get("scope", {})).items())
        rest = {key: value for key, value in edit.rule.items() if key not in ("id", "kind", "scope", "lesson", "description")}
        told = ", ".join(f"{key}: {value}" for key, value in rest.items())
        return f"rule {edit.rule['kind']} for {scope}: {told}"
    if isinstance(edit, AddGate):
        return f"gate {edit.gate} on {', '.join(edit.tables)}"
    return f"step {edit.action} for {', '.join(edit.makes)}"


class Remedy(BaseModel):
    """One remedy. `why` it would help is made of evidence; `needs_person` says why the machine may not apply it by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: RemedyKind
    edits: tuple[Edit, ...] = Field(min_length=1, max_length=1)
    """Exactly one change."""
    why: str
    needs_person: str | None = None
    """Why only a person may decide: it loosens a gate, drops rows, hides a column, or its meaning can't be known from data."""

    @property
    def key(self) -> str:
        """What it is known by: the change itself, whatever is said about it."""
        edit = self.edits[0].model_dump(mode="json")
        if "rule" in edit:
            edit["rule"] = {name: value for name, value in edit["rule"].items() if name not in ("id", "lesson", "description")}
        told = {name: value for name, value in edit.items() if name not in ("prose", "text", "title")}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def said(self) -> str:
        """The change in one line, for people."""
        return said(self.edits[0])
