"""The typed rules that stand in playbooks and in STANDARDS.md: one model per kind, unknown keys refused.

Where a rule becomes part of a covenant, its fields carry the names that the covenant's models use. Two conventions hold
everywhere: a table that a rule makes is named bare (`dimProject`), a table that it reads is named `stage.table`
(`clean.project`). Column and expression texts are Spark SQL.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from spectra_assets.errors import one_of


def unknown(what: str, value: str, valid: Iterable[str]) -> str:
    """The sentence about a name that is not known: what is valid, and what may have been meant."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(value[:80], names, n=1)
    meant = f"; did you mean {str(close[0])!r}?" if close else ""
    return f"unknown {what} {value[:80]!r}; valid: {one_of(names)}{meant}"


# ---------------------------------------------------------------- names

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,119}$")]
"""Id of a rule or lesson: lower-case letters, digits, dot, underscore and hyphen."""

ColumnName = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9]{0,119}$")]
"""Name of a column or reference that a rule makes: camelCase."""

Column = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,119}$")]
"""A column that a rule reads."""

TableName = Annotated[str, Field(pattern=r"^[a-z]+\.[A-Za-z][A-Za-z0-9_]{0,119}$")]
"""A table that a rule reads: `stage.table`."""

TableColumn = Annotated[str, Field(pattern=r"^[a-z]+\.[A-Za-z][A-Za-z0-9_]{0,119}\.[A-Za-z_][A-Za-z0-9_]{0,119}$")]
"""A column that a rule reads, with its table: `stage.table.column`."""

DimensionName = Annotated[str, Field(pattern=r"^dim[A-Z][A-Za-z0-9]{0,115}$")]
FactName = Annotated[str, Field(pattern=r"^fact[A-Z][A-Za-z0-9]{0,114}$")]
BridgeName = Annotated[str, Field(pattern=r"^bridge[A-Z][A-Za-z0-9]{0,112}$")]
StarTable = Annotated[str, Field(pattern=r"^(dim|fact|bridge)[A-Z][A-Za-z0-9]{0,112}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Expression = Annotated[str, Field(min_length=1, max_length=4000)]

Path = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f`]+$")]
"""JSON path of a field, as records have it: any text on one line."""

EndpointPath = Annotated[str, Field(max_length=400, pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%{}/-]*$")]
"""Path of an endpoint below the base path, with {parameters}."""

ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_$.\[\]:-]{1,80}$")]
"""Name of a parameter."""

DateFormat = Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9 ,.:/'_-]+$")]
"""A Spark pattern, or iso8601, odata, epoch_seconds, epoch_micros or epoch_nanos."""

DataType = Literal["text", "int64", "float64", "decimal", "bool", "date", "timestamp", "json"]
PiiLevel = Literal["none", "indirect", "direct"]


# ---------------------------------------------------------------- scope


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


# ---------------------------------------------------------------- rules about fields


class BaseRule(Part):
    """What every rule has. `file` and `line` say where it stands: given by the parser, never by the document."""

    uses: ClassVar[frozenset[str]] = frozenset({"source"})
    """Keys of the scope which have a meaning for this kind."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of the scope which must be given."""

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


class FieldRule(BaseRule):
    """A rule about fields of an entity. `scope.field` is their JSON path: `status`, `testcase.name`, `phases[].id`."""

    uses = frozenset({"source", "entity", "field"})


class RenameRule(FieldRule):
    """The column of one field gets the name `target`."""

    needs = frozenset({"entity", "field"})

    kind: Literal["rename"] = "rename"
    target: ColumnName


class TypeRule(FieldRule):
    """The column of a field has this type, whatever the sample suggests."""

    needs = frozenset({"field"})

    kind: Literal["type"] = "type"
    data_type: DataType


class RequiredRule(FieldRule):
    """A row without a value in this field goes to quarantine (true), or does not (false)."""

    needs = frozenset({"field"})

    kind: Literal["required"] = "required"
    required: bool


class PiiRule(FieldRule):
    """How personal a field is. `scope.field` is matched against the last key of its path, whatever the case."""

    needs = frozenset({"field"})

    kind: Literal["pii"] = "pii"
    level: PiiLevel

    def applies_to_field(self, path: str) -> bool:
        last = path.rsplit(".", 1)[-1].removesuffix("[]")
        return fits(self.scope.field.lower(), last.lower())


class PrimaryKeyRule(BaseRule):
    """The JSON path whose value is unique among all rows of an entity."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})

    kind: Literal["primary_key"] = "primary_key"
    path: Text


class AddFieldRule(FieldRule):
    """A field that records may have although no sample shows it; the sample has the last word on its type where it does.

    `fields` are what lies below it (JSON path below it → type), where it is a record or a list of records.
    """

    needs = frozenset({"entity", "field"})

    kind: Literal["field"] = "field"
    data_type: DataType
    date_format: DateFormat | None = None
    list_: bool = Field(default=False, alias="list")
    """The field holds a list: of plain values of the type, or of records with `fields`."""
    fields: dict[Path, DataType] = Field(default={}, max_length=200)


class DateFormatRule(FieldRule):
    """Further forms in which the texts of a date may come, beside the one that the sample shows."""

    needs = frozenset({"field"})

    kind: Literal["date_format"] = "date_format"
    formats: list[DateFormat] = Field(min_length=1, max_length=8)


class AliasRule(FieldRule):
    """The field has other paths as well, of before or after it was renamed: they all fill its one column."""

    needs = frozenset({"entity", "field"})

    kind: Literal["alias"] = "alias"
    also: list[Path] = Field(min_length=1, max_length=20)


class DeduplicateRule(BaseRule):
    """An entity's records may come more than once: of those with one key the one with the greatest value at `by` counts."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})

    kind: Literal["deduplicate"] = "deduplicate"
    by: Path | None = None


# ---------------------------------------------------------------- rules about the API


class RouteRule(BaseRule):
    """A way to list an entity: `path`, with `parameter` filled from `parent` (`entity.path`). Prepare proves it like any other.

    With `use: false` the parameter (of every path, or of `path` alone) is not tried.
    """

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})

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

    kind: Literal["endpoint"] = "endpoint"
    path: EndpointPath
    instead: EndpointPath | None = None
    reason: Text


class RecordsRule(BaseRule):
    """Where the records of an entity are in its answers: empty, a JSON path, `$`, `@lines`, or with `{}` at its end."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})

    kind: Literal["records"] = "records"
    at: str = Field(max_length=200)


class PagingRule(BaseRule):
    """How the lists of an entity page, whatever was measured.

    `parameter` counts or hands back what asks for the next page, `at` is the JSON path of a next page's token or address, of a
    keyset the field; `first` is the number of the first page.
    """

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})

    kind: Literal["paging"] = "paging"
    style: Literal["none", "offset", "page", "cursor", "next", "link", "keyset"]
    parameter: ParameterName | None = None
    at: Text | None = None
    first: Literal[0, 1] = 1
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

    kind: Literal["order"] = "order"
    after: list[Text] = Field(min_length=1, max_length=20)


# ---------------------------------------------------------------- settings


@dataclass(frozen=True)
class KnownSetting:
    """A setting that rules may give: its value without a rule (whose type it has) and what it means."""

    default: int | str
    meaning: str


SETTINGS: Mapping[str, KnownSetting] = MappingProxyType(
    {
        "sample_records": KnownSetting(200, "records which Prepare samples per entity"),
        "sample_parents": KnownSetting(8, "parents which Prepare tries per route when it samples"),
        "parent_pairs": KnownSetting(
            2_000, "requests at most for a list that takes ids of two unrelated parents: one for each pair"
        ),
        "page_size": KnownSetting(500, "rows asked for per page"),
        "probe_requests": KnownSetting(
            400, "requests which Source and Prepare together may send; each entity above twelve adds 25"
        ),
        "discovery_requests": KnownSetting(300, "requests which the discovery of an unknown source may send"),
        "most_pages": KnownSetting(100_000, "pages of one list after which it counts as endless"),
        "resume_hours": KnownSetting(24, "hours for which an extraction that was cut off is continued and not begun again"),
        "raw_keep": KnownSetting(2, "complete extractions of each entity whose raw pages are kept"),
        "recordings_keep": KnownSetting(
            2, "recordings of Source and Prepare that are kept per table, for proofs without the API"
        ),
        "recording_megabytes": KnownSetting(32, "size of one such recording, compressed; what goes beyond it is not recorded"),
        "proof_requests": KnownSetting(60, "requests which one proof of a remedy may send where the recordings hold no answer"),
        "requests_per_minute": KnownSetting(0, "requests to the API per minute at most; 0: as its covenant's server says"),
        "overlap_seconds": KnownSetting(
            3600, "seconds before the last change seen from which an extraction asks for what changed since"
        ),
        "sweep_runs": KnownSetting(10, "of so many extractions of an entity one reads everything; 1: all of them"),
        "sweep_days": KnownSetting(7, "days after which an extraction reads everything in any case"),
        "proof_seconds": KnownSetting(300, "seconds which one proof of a remedy may take"),
        "turn_seconds": KnownSetting(1800, "seconds which an extraction waits for another run that extracts the same entity"),
        "owner": KnownSetting("data-engineering", "team which answers for the pipeline"),
    }
)


class SettingRule(BaseRule):
    """A setting has this value for the sources in scope."""

    kind: Literal["setting"] = "setting"
    name: str
    value: StrictInt | StrictStr

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SETTINGS:
            raise ValueError(unknown("setting", name, SETTINGS))
        return name

    @field_validator("value")
    @classmethod
    def _valid(cls, value: int | str, info: ValidationInfo) -> int | str:
        known = SETTINGS.get(info.data.get("name", ""))
        if known is None:
            return value
        if isinstance(known.default, int):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{info.data['name']} is {value!r}; valid is a whole number from 1")
        elif not isinstance(value, str) or not value.strip():
            raise ValueError(f"{info.data['name']} is {value!r}; valid is a text")
        return value


# ---------------------------------------------------------------- rules that make the star


class Hop(Part):
    """One join on the way to a natural key: the row of `table` whose `key` equals the value so far gives its `take`."""

    table: TableName
    key: Column
    take: Column


class Reference(Part):
    """A foreign key: `column`, walked through `via`, finds the row of `dimension` by its natural key, or by its column `key`.

    `also` are further columns of the rule's table → columns of the dimension, where only several together tell a member.
    `unmatched` says what becomes of a value that no member has: it blocks the table, or refers to the member unknown. `version`
    is the member's at the time of the event, or the latest.
    """

    name: ColumnName
    dimension: DimensionName
    column: Column
    key: Column | None = None
    also: dict[Column, Column] = {}
    via: list[Hop] = []
    unmatched: Literal["block", "unknown"] = "block"
    version: Literal["event", "latest"] = "event"


class DimensionRule(BaseRule):
    """A dimension with history (SCD type 2) over the rows of one clean table."""

    kind: Literal["dimension"] = "dimension"
    name: DimensionName
    table: TableName
    natural_key: Column
    composed_of: list[Column] = []
    """Columns that tell a member only together: `natural_key` is then the new column that joins them."""
    members: list[dict[Column, StrictInt | StrictStr | None]] = []
    """Rows that no source delivers, each with values of its columns, such as the source's own special ids."""


class EnumerationRule(BaseRule):
    """A dimension of the values which one column takes, with their labels."""

    kind: Literal["enumeration"] = "enumeration"
    name: DimensionName
    column: TableColumn
    natural_key: ColumnName
    label: ColumnName
    labels: dict[int, str]
    absent: Text
    unmapped: Text


class CalendarRule(BaseRule):
    """The date dimension over all days which the given columns span."""

    kind: Literal["calendar"] = "calendar"
    name: DimensionName
    columns: list[TableColumn] = Field(min_length=1)


class FactRule(BaseRule):
    """A fact: one row per row of one clean table, with its foreign keys and its scalars."""

    kind: Literal["fact"] = "fact"
    name: FactName
    table: TableName
    grain: Text
    event_time: Column | None = None
    references: list[Reference] = []
    scalars: list[Column] = []
    dates: dict[ColumnName, Column] = {}


class BridgeRule(BaseRule):
    """A many-to-many link between dimensions: one row per pair that occurs in one clean table."""

    kind: Literal["bridge"] = "bridge"
    name: BridgeName
    table: TableName
    grain: Text
    references: list[Reference] = Field(min_length=2)


# ---------------------------------------------------------------- rules that add business meaning


class EnrichRule(BaseRule):
    """Columns brought to a refine table from another one: looked up by `on`, or grouped by it when `aggregate`."""

    kind: Literal["enrich"] = "enrich"
    table: StarTable
    from_: TableName = Field(alias="from")
    on: dict[Column, Column] = Field(min_length=1)
    columns: dict[ColumnName, Expression] = Field(min_length=1)
    aggregate: bool = False


class DeriveRule(BaseRule):
    """A column of a refine table calculated from the row."""

    kind: Literal["derive"] = "derive"
    table: StarTable
    column: ColumnName
    expression: Expression


class Join(Part):
    """A table joined to the measure's base table by equal columns."""

    table: TableName
    on: dict[Column, Column] = Field(min_length=1)
    columns: list[Column]


class Chart(Part):
    """How people look at a measure: `y` over `x`, the first `top` rows."""

    type: Literal["bar", "line", "stacked"]
    title: Text
    x: Column
    y: list[Column] = Field(min_length=1)
    top: int = Field(default=30, ge=1, le=1000)


class Reconciliation(Part):
    """The measure's total of `expression` must equal `equals` over `table`: two independent ways to one number.

    `also` are further totals: expression over the figure → expression over the table.
    """

    expression: Expression
    table: TableName
    equals: Expression
    also: dict[Expression, Expression] = {}


class KpiRule(BaseRule):
    """A measure people look at: join, filter, derive, group, measure, derive again, keep, order."""

    kind: Literal["kpi"] = "kpi"
    name: ColumnName
    title: Text
    from_: TableName = Field(alias="from")
    grain: Text
    joins: list[Join] = []
    where: Expression | None = None
    before: dict[ColumnName, Expression] = {}
    group_by: list[Column] = []
    measures: dict[ColumnName, Expression] = {}
    after: dict[ColumnName, Expression] = {}
    keep: Expression | None = None
    order_by: list[Expression] = []
    chart: Chart | None = None
    reconcile: Reconciliation


# ---------------------------------------------------------------- what is derived without rules


class LabelRule(BaseRule):
    """What a further value of an enumeration is called, beside the labels of its own rule."""

    kind: Literal["label"] = "label"
    name: DimensionName
    value: StrictInt
    label: Text


class OmitRule(BaseRule):
    """What Design derives under a name that fits the pattern is left out.

    Names are those of tables (`dimUser`, `orderVolumeByMonth`) and of columns with their table (`factOrder.isOpen`).
    """

    kind: Literal["omit"] = "omit"
    name: str = Field(pattern=r"^[A-Za-z0-9_.*?]{1,240}$")


Rule = Annotated[
    RenameRule
    | TypeRule
    | RequiredRule
    | PrimaryKeyRule
    | PiiRule
    | AddFieldRule
    | DateFormatRule
    | AliasRule
    | DeduplicateRule
    | RouteRule
    | EndpointRule
    | RecordsRule
    | PagingRule
    | OrderRule
    | LabelRule
    | SettingRule
    | DimensionRule
    | EnumerationRule
    | CalendarRule
    | FactRule
    | BridgeRule
    | EnrichRule
    | DeriveRule
    | KpiRule
    | OmitRule,
    Field(discriminator="kind"),
]

KINDS: Mapping[str, type[BaseRule]] = MappingProxyType(
    {cls.model_fields["kind"].default: cls for cls in get_args(get_args(Rule)[0])}
)
"""Name of each kind → its model."""


def keys(model: type[BaseModel]) -> list[str]:
    """The keys a document may use for `model`, in the order of the model."""
    return [field.alias or name for name, field in model.model_fields.items()]
