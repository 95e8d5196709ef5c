"""Rules about how the API is asked: routes, endpoints, the place of records, paging, order."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, StrictInt, model_validator

from spectra_assets.playbook.rules.names import EndpointPath, ParameterName, Text
from spectra_assets.playbook.rules.rule import BaseRule


class RouteRule(BaseRule):
    """A way to list an entity: `path`, with `parameter` filled from `parent` (`entity.path`). Prepare proves it like any other.

    With `use: false` the parameter (of every path, or of `path` alone) is not tried.
    """

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["route"] = "route"
    path: EndpointPath | None = None
    parameter: ParameterName | None = None
    parent: Text | None = None
    use: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.use and self.path is None:
            raise ValueError("a route needs its path")
        if (self.parent is not None and self.parameter is None) or (not self.use and self.parameter is None):
            raise ValueError("a route needs the name of its parameter")
        return self


class EndpointRule(BaseRule):
    """An endpoint is not read: it is left out with its `reason`, or another path is read `instead`."""

    of_canon = True

    kind: Literal["endpoint"] = "endpoint"
    path: EndpointPath
    instead: EndpointPath | None = None
    reason: Text


class RecordsRule(BaseRule):
    """Where the records of an entity are in its answers: empty, a JSON path, `$`, `@lines`, or with `{}` at its end."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["records"] = "records"
    at: str = Field(max_length=200)


class PagingRule(BaseRule):
    """How the lists of an entity page, whatever was measured.

    `parameter` counts or hands back what asks for the next page, `at` is the JSON path of a next page's token or address, of a
    keyset the field; `first` is the number of the first page, `opening` what a cursor takes for it, if anything.
    """

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["paging"] = "paging"
    style: Literal["none", "offset", "page", "cursor", "next", "link", "keyset"]
    parameter: ParameterName | None = None
    at: Text | None = None
    first: Literal[0, 1] = 1
    opening: Text | None = None
    size_parameter: ParameterName | None = None
    size: StrictInt | None = Field(default=None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed = {
            "offset": ("parameter", "size_parameter", "size"), "page": ("parameter",), "cursor": ("parameter", "at"),
            "next": ("at",), "keyset": ("parameter", "at"),
        }  # fmt: skip
        for key in needed.get(self.style, ()):
            if getattr(self, key) is None:
                raise ValueError(f"paging by {self.style} needs {key}")
        return self


class OrderRule(BaseRule):
    """An entity is extracted after others, so that what their records refer to is there when it is."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = False

    kind: Literal["order"] = "order"
    after: list[Text] = Field(min_length=1, max_length=20)


class RefusedRule(BaseRule):
    """The API may refuse an entity's lists below these parents: their rows stay as they were, and all others are read. Each is
    asked for all the same, and read once it is refused no more."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["refused"] = "refused"
    parents: list[Text] = Field(min_length=1, max_length=100)


class WithholdRule(BaseRule):
    """A field that must not reach the lake, in no answer of the source: it is left out, or its value hashed.

    `scope.field` is its key, or its last keys (`guardian.email`), whatever their case.
    """

    uses = frozenset({"source", "field"})
    needs = frozenset({"source", "field"})
    of_canon = True

    kind: Literal["withhold"] = "withhold"
    how: Literal["drop", "hash"] = "drop"

    @model_validator(mode="after")
    def _names_a_field(self) -> Self:
        if set(self.scope.field) & set("*?"):
            raise ValueError(f"scope.field {self.scope.field!r} must be a name: of a pattern nobody sees what it takes away")
        return self
