"""Rules about the fields and the keys of entities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spectra_assets.playbook.rules.names import ColumnName, DataType, DateFormat, Path, PiiLevel, Text
from spectra_assets.playbook.rules.rule import BaseRule, fits


class FieldRule(BaseRule):
    """A rule about fields of an entity. `scope.field` is their JSON path: `status`, `testcase.name`, `phases[].id`."""

    uses = frozenset({"source", "entity", "field"})


class RenameRule(FieldRule):
    """The column of one field gets the name `target`."""

    needs = frozenset({"entity", "field"})
    of_canon = True

    kind: Literal["rename"] = "rename"
    target: ColumnName


class TypeRule(FieldRule):
    """The column of a field has this type, whatever the sample suggests."""

    needs = frozenset({"field"})
    of_canon = True

    kind: Literal["type"] = "type"
    data_type: DataType


class RequiredRule(FieldRule):
    """A row without a value in this field goes to quarantine (true), or does not (false)."""

    needs = frozenset({"field"})
    of_canon = True

    kind: Literal["required"] = "required"
    required: bool


class PiiRule(FieldRule):
    """How personal a field is. `scope.field` is matched against the last key of its path, whatever the case."""

    needs = frozenset({"field"})
    of_canon = True

    kind: Literal["pii"] = "pii"
    level: PiiLevel

    def applies_to_field(self, path: str) -> bool:
        last = path.rsplit(".", 1)[-1].removesuffix("[]")
        return fits(self.scope.field.lower(), last.lower())


class PrimaryKeyRule(BaseRule):
    """The JSON path whose value is unique among all rows of an entity, or among those of one parent."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["primary_key"] = "primary_key"
    path: Text
    within: Literal["entity", "parent"] = "entity"
    """`parent`: what several parents list is a row of each, and what names the parent belongs to the key."""


class AddFieldRule(FieldRule):
    """A field that records may have although no sample shows it; the sample has the last word on its type where it does.

    `fields` are what lies below it (JSON path below it → type), where it is a record or a list of records.
    """

    needs = frozenset({"entity", "field"})
    of_canon = True

    kind: Literal["field"] = "field"
    data_type: DataType
    date_format: DateFormat | None = None
    list_: bool = Field(default=False, alias="list")
    """The field holds a list: of plain values of the type, or of records with `fields`."""
    fields: dict[Path, DataType] = Field(default={}, max_length=200)


class DateFormatRule(FieldRule):
    """Further forms in which the texts of a date may come, beside the one that the sample shows."""

    needs = frozenset({"field"})
    of_canon = True

    kind: Literal["date_format"] = "date_format"
    formats: list[DateFormat] = Field(min_length=1, max_length=8)
    also: list[Path] = Field(default=[], max_length=20)

    def applies_to_field(self, path: str) -> bool:
        """Whether it is about the field of the scope, or one of those that are written so as well."""
        return super().applies_to_field(path) or path in self.also


class AliasRule(FieldRule):
    """The field has other paths as well, of before or after it was renamed: they all fill its one column."""

    needs = frozenset({"entity", "field"})
    of_canon = True

    kind: Literal["alias"] = "alias"
    also: list[Path] = Field(min_length=1, max_length=20)


class AliasesRule(BaseRule):
    """The same of several fields of one entity, which were renamed together: JSON path → its other JSON path."""

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["aliases"] = "aliases"
    paths: dict[Path, Path] = Field(min_length=1, max_length=200)


class ReadAsRule(FieldRule):
    """Texts of a field in whose place others are read, or none: `"1": OPEN`, `"-999999": null`."""

    needs = frozenset({"entity", "field"})
    of_canon = False

    kind: Literal["read_as"] = "read_as"
    values: dict[Text, Text | None] = Field(min_length=1, max_length=200)


class ReferenceRule(FieldRule):
    """A field holds values of `to` (`entity.path`), whatever the data shows; without `to` it refers to nothing."""

    needs = frozenset({"entity", "field"})
    of_canon = True

    kind: Literal["reference"] = "reference"
    to: str | None = Field(default=None, pattern=r"^[^.\s]{1,120}\..{1,240}$")


class DeletedRule(FieldRule):
    """What marks an entity's records as deleted: `scope.field` is true, has a time, or one of `values`.

    With `use: false` it does not, whatever Prepare proves.
    """

    needs = frozenset({"entity", "field"})
    of_canon = True

    kind: Literal["deleted"] = "deleted"
    values: list[Text] = Field(default=[], max_length=50)
    use: bool = True


class DeduplicateRule(BaseRule):
    """An entity's records may come more than once: of those with one key the one with the greatest value at `by` counts.

    `key` is the JSON path of that key, which a sample with such records does not show to be one.
    """

    uses = frozenset({"source", "entity"})
    needs = frozenset({"entity"})
    of_canon = True

    kind: Literal["deduplicate"] = "deduplicate"
    by: Path | None = None
    key: Path | None = None
