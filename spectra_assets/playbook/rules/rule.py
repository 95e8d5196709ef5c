"""What every rule has: an id, a kind, the scope it applies to, and the place where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from spectra_assets.errors import one_of
from spectra_assets.playbook.rules.names import Identifier


def unknown(what: str, value: str, valid: Iterable[str]) -> str:
    """The sentence about a name that is not known: what is valid, and what may have been meant."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(value[:80], names, n=1)
    meant = f"; did you mean {str(close[0])!r}?" if close else ""
    return f"unknown {what} {value[:80]!r}; valid: {one_of(names)}{meant}"


class Part(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Scope(Part):
    """What a rule applies to. `*` in a pattern stands for any characters, `?` for one; all else is literal."""

    source: str = Field(default="*", min_length=1, max_length=200)
    entity: str = Field(default="*", min_length=1, max_length=200)
    field: str = Field(default="*", min_length=1, max_length=200)

    @property
    def specificity(self) -> tuple[int, ...]:
        """Orders scopes, source before entity before field: 0 for anything, 1 for a pattern, 2 for one name."""
        patterns = (self.source, self.entity, self.field)
        return tuple(0 if p == "*" else 1 if "*" in p or "?" in p else 2 for p in patterns)


def fits(pattern: str, name: str) -> bool:
    """Whether `name` is one of those that `pattern` describes (brackets are literal: they occur in JSON paths)."""
    at, here, star, mark = 0, 0, -1, 0
    while here < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[here]):
            at += 1
            here += 1
        elif star >= 0:
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return pattern[at:].strip("*") == ""


class BaseRule(Part):
    """What every rule has. `file` and `line` say where it stands: given by the parser, never by the document."""

    uses: ClassVar[frozenset[str]] = frozenset({"source"})
    """Keys of the scope which have a meaning for this kind."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of the scope which must be given."""
    of_canon: ClassVar[bool]
    """Whether Source, Prepare and the fetch plans follow rules of this kind, as they make the canon; what others say, Design
    follows from whatever canon there is. Each kind has to say: what a person changes by such a rule is no change of the data."""

    id: Identifier
    kind: str
    scope: Scope = Scope()
    lesson: Identifier | None = None
    description: str = Field(default="", max_length=2000)
    _file: str = PrivateAttr(default="")
    _line: int = PrivateAttr(default=0)

    @property
    def file(self) -> str:
        return self._file

    @property
    def line(self) -> int:
        return self._line

    def model_post_init(self, context: Any, /) -> None:
        place = context or {}
        self._file, self._line = place.get("file", ""), place.get("line", 0)

    @model_validator(mode="after")
    def _scope_has_meaning(self) -> Self:
        given = {key for key, pattern in self.scope.model_dump().items() if pattern != "*"}
        for key in sorted(self.needs - given):
            raise ValueError(f"a rule of kind {self.kind} needs scope.{key}: the {key} it is for")
        for key in sorted(given - self.uses):
            raise ValueError(f"scope.{key} has no meaning for a rule of kind {self.kind}; valid: {one_of(self.uses)}")
        return self

    def applies(self, source: str, entity: str | None = None, field: str | None = None) -> bool:
        """Whether the rule is for this source and, where they are given, this entity and this raw field path."""
        return (
            fits(self.scope.source, source)
            and (entity is None or fits(self.scope.entity, entity))
            and (field is None or self.applies_to_field(field))
        )

    def applies_to_field(self, path: str) -> bool:
        return fits(self.scope.field, path)


def keys(model: type[BaseModel]) -> list[str]:
    """The keys a document may use for `model`, in the order of the model."""
    return [field.alias or name for name, field in model.model_fields.items()]
