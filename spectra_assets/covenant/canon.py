"""The canon: the master schema that Prepare infers and every later stage follows (the content of `prepare.schema`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from spectra_assets.covenant.access import Fetch, Model
from spectra_assets.covenant.model import DataType, PiiLevel

StructureType = Literal["scalar", "record", "array", "objectDump"]
"""scalar: a plain value; record: an object with known keys; array: a list; objectDump: an object kept as JSON text."""


class CanonField(Model):
    """One field of an entity.

    `raw` is its JSON path below the record: `id`, `testcase.name`, `cyclePhases[].id`, `requirementIds[]`. `group` is the
    table it belongs to: the entity, or the child entity of the array it lies in.
    """

    raw: str
    structure: StructureType
    target: str
    type: DataType
    required: bool = False
    nullable: bool = True
    key: bool = False
    pii: PiiLevel = PiiLevel.NONE
    description: str = ""
    confidence: float = 1.0
    evidence: Literal["spec", "sample", "playbook", "lesson"] = "sample"
    group: str = ""
    date_format: str | None = None
    references: str | None = None
    """`entity.path` whose values this field holds, as the data showed."""
    values: tuple[str, ...] = ()
    """All values, where there are few and they repeat (an enumeration)."""
    unresolved: str = ""
    """What its ids seem to name, where no such entity is known."""
    note: str = ""
    """Where description and observation differ, or what else the evidence says."""
    filled: float = 1.0
    """Share of the rows seen that have a value, 0 to 1; 1 where none was seen."""


class CanonEntity(Model):
    """One entity with all its fields, in a fixed order; a field never seen with a value stays."""

    entity: str
    order: int
    fetch: Fetch
    api_status: str = "readable"
    primary_key: str
    cursor_field: str | None = None
    sample_size: int = 0
    fields: tuple[CanonField, ...]
    dimension: str | None = None
    bridges: tuple[str, ...] = ()
    fact: str | None = None
    fact_grain: str | None = None


class Canon(Model):
    """All entities of a source, parents before children."""

    entities: tuple[CanonEntity, ...]

    def entity(self, name: str) -> CanonEntity:
        return next(entity for entity in self.entities if entity.entity == name)


_ARRAYS: dict[str, str] = {
    "fieldId": "",
    "structureType": "structure",
    "rawField": "raw",
    "targetField": "target",
    "dataType": "type",
    "isRequired": "required",
    "isNullable": "nullable",
    "keyField": "key",
    "piiLevel": "pii",
    "description": "description",
    "confidence": "confidence",
    "evidence": "evidence",
    "group": "group",
    "dateFormat": "date_format",
    "references": "references",
    "valuesSeen": "values",
    "unresolved": "unresolved",
    "note": "note",
    "filledShare": "filled",
}
"""Column of `prepare.schema` → attribute of CanonField: the parallel arrays."""

_LATER = frozenset(("references", "valuesSeen", "unresolved", "note", "filledShare"))
"""Columns that tables of before do not have."""

PARALLEL_ARRAYS = tuple(_ARRAYS)


def to_row(entity: CanonEntity) -> dict[str, Any]:
    """The row of `prepare.schema` for one entity: fields as parallel arrays, the fetch plan as JSON text."""
    arrays: dict[str, list[Any]] = {
        column: [getattr(field, attribute) for field in entity.fields] for column, attribute in _ARRAYS.items() if attribute
    }
    for column in ("structureType", "dataType", "piiLevel", "evidence"):
        arrays[column] = [str(value) for value in arrays[column]]
    arrays["valuesSeen"] = [json.dumps(values, ensure_ascii=False) for values in arrays["valuesSeen"]]
    return {
        "entity": entity.entity,
        "entitySortOrder": entity.order,
        "sourceEndpoint": entity.fetch.told,
        "apiStatus": entity.api_status,
        "primaryKey": [entity.primary_key],
        "cursorField": entity.cursor_field,
        "sampleSize": entity.sample_size,
        "fieldId": [f"{entity.entity}.{field.raw}" for field in entity.fields],
        **arrays,
        "fetch": entity.fetch.model_dump_json(exclude_defaults=False),
        "dimensionName": entity.dimension,
        "bridgeName": list(entity.bridges),
        "factName": entity.fact,
        "factGrain": entity.fact_grain,
    }


def from_rows(rows: Sequence[Mapping[str, Any]]) -> Canon:
    """The canon from the rows of `prepare.schema`, the inverse of `to_row`."""
    entities = []
    for row in sorted(rows, key=lambda r: r["entitySortOrder"]):
        fields = tuple(_field(row, place) for place in range(len(row["rawField"])))
        entities.append(
            CanonEntity(
                entity=row["entity"],
                order=row["entitySortOrder"],
                fetch=Fetch.model_validate_json(row["fetch"]),
                api_status=row["apiStatus"],
                primary_key=row["primaryKey"][0],
                cursor_field=row["cursorField"],
                sample_size=row["sampleSize"],
                fields=fields,
                dimension=row["dimensionName"],
                bridges=tuple(row["bridgeName"] or ()),
                fact=row["factName"],
                fact_grain=row["factGrain"],
            )
        )
    return Canon(entities=tuple(entities))


def _field(row: Mapping[str, Any], place: int) -> CanonField:
    there = {column: attribute for column, attribute in _ARRAYS.items() if attribute and (column in row or column not in _LATER)}
    found = {attribute: row[column][place] for column, attribute in there.items()}
    if "values" in found:
        found["values"] = tuple(json.loads(found["values"] or "[]"))
    return CanonField(**found | {"note": found.get("note") or ""})
