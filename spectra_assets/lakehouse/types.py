"""Column types: the covenant's DataType ↔ Spark ↔ Arrow, and what a Delta table can hold.

text, json → string · int64 → long · float64 → double · decimal → decimal(38, 9) · bool → boolean · date → date ·
timestamp → microseconds in UTC · text_list → list of strings. Delta and Spark cap decimals at 38 digits; 9 of them
after the point leave 29 before it, so any amount, rate or 64-bit integer fits; a cast rounds further decimals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from spectra_assets.covenant.model import Column, DataType
from spectra_assets.errors import StorageError

DECIMAL_PRECISION = 38
DECIMAL_SCALE = 9

_DDL = {
    DataType.TEXT: "string",
    DataType.INT64: "bigint",
    DataType.FLOAT64: "double",
    DataType.DECIMAL: f"decimal({DECIMAL_PRECISION},{DECIMAL_SCALE})",
    DataType.BOOL: "boolean",
    DataType.DATE: "date",
    DataType.TIMESTAMP: "timestamp",
    DataType.JSON: "string",
    DataType.TEXT_LIST: "array<string>",
}

_ARROW = {
    DataType.TEXT: pa.string(),
    DataType.INT64: pa.int64(),
    DataType.FLOAT64: pa.float64(),
    DataType.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    DataType.BOOL: pa.bool_(),
    DataType.DATE: pa.date32(),
    DataType.TIMESTAMP: pa.timestamp("us", "UTC"),
    DataType.JSON: pa.string(),
    DataType.TEXT_LIST: pa.list_(pa.string()),
}

_AS = {
    pa.null(): pa.string(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.date64(): pa.date32(),
    pa.float16(): pa.float32(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
"""Arrow types Delta has no equal of, and the type that holds each of their values."""

_SAME = {
    *(pa.string(), pa.binary(), pa.bool_(), pa.date32(), pa.float32(), pa.float64()),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
}

_FORBIDDEN = frozenset(" ,;{}()\n\t=")
"""Characters that Delta refuses in column names."""


def quoted(name: str) -> str:
    """A column name as Spark SQL writes it."""
    return "`" + name.replace("`", "``") + "`"


def ddl(kind: DataType) -> str:
    """The Spark SQL type, as casts and schema strings write it."""
    return _DDL[kind]


def arrow(kind: DataType) -> pa.DataType:
    """The Arrow type."""
    return _ARROW[kind]


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Arrow schema of a covenant table's columns, all nullable: gates, not storage, decide on missing values."""
    return pa.schema([pa.field(column.name, _ARROW[column.type]) for column in columns])


def ddl_schema(columns: Iterable[Column]) -> str:
    """Spark schema string of a covenant table's columns: "`cycleId` bigint, `cycleName` string"."""
    return ", ".join(f"`{column.name}` {_DDL[column.type]}" for column in columns)


def data_type(kind: pa.DataType) -> DataType:
    """The covenant's type of an Arrow column: the narrowest that holds each value. JSON text can't be told from text.

    Raises StorageError for nested types other than lists of strings.
    """
    held = storable_type(kind, "the column")
    checks: list[tuple[Callable[[pa.DataType], bool], DataType]] = [
        (pa.types.is_string, DataType.TEXT),
        (pa.types.is_integer, DataType.INT64),
        (pa.types.is_floating, DataType.FLOAT64),
        (pa.types.is_decimal, DataType.DECIMAL),
        (pa.types.is_boolean, DataType.BOOL),
        (pa.types.is_date, DataType.DATE),
        (pa.types.is_timestamp, DataType.TIMESTAMP),
        (lambda t: pa.types.is_list(t) and pa.types.is_string(t.value_type), DataType.TEXT_LIST),
    ]
    for holds, name in checks:
        if holds(held):
            return name
    raise StorageError(f"{kind} has no equal among a covenant's types; make it JSON text")


def storable(schema: pa.Schema) -> pa.Schema:
    """The schema a Delta table gets for these columns: same names and order, all nullable, no metadata.

    Null-typed columns become text, naive timestamps UTC, unsigned integers the next wider type.
    Raises StorageError for names that Delta refuses or that differ only in case, no columns, and types it can't hold.
    """
    if not schema.names:
        raise StorageError("a table without columns can't be stored")
    _check_names(schema.names, "the table")
    return pa.schema([pa.field(field.name, storable_type(field.type, field.name)) for field in schema])


def storable_type(kind: pa.DataType, where: str) -> pa.DataType:
    """The Delta-compatible type that holds all values of `kind`. Raises StorageError naming the column `where`."""
    if kind in _SAME:
        return kind
    if kind in _AS:
        return _AS[kind]
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC")
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        return pa.binary()
    if pa.types.is_decimal(kind) and kind.precision <= DECIMAL_PRECISION and kind.scale >= 0:
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_dictionary(kind):
        return storable_type(kind.value_type, where)
    if pa.types.is_map(kind):
        return pa.map_(storable_type(kind.key_type, where), storable_type(kind.item_type, where))
    if pa.types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        _check_names([field.name for field in fields], f"column {where}")
        return pa.struct([pa.field(f.name, storable_type(f.type, f"{where}.{f.name}")) for f in fields])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(storable_type(kind.value_type, where))
    raise StorageError(f"column {where} has type {kind}, which a Delta table can't hold; make it text or a number first")


def fresh(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """As `fitted`, in buffers of its own that start at offset 0.

    deltalake aborts the process on nested arrays with a slice offset, so every batch it gets has gone through here.
    """
    return pa.ipc.read_record_batch(fitted(batch, schema).serialize(), schema)


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` in `schema`, columns matched by name; one that it lacks is filled with nulls.

    Raises StorageError for a column not in `schema` or a value that doesn't fit its type (nanoseconds are cut to microseconds).
    """
    surplus = [name for name in batch.schema.names if schema.get_field_index(name) < 0]
    if surplus:
        raise StorageError(f"columns {', '.join(surplus)} are not in the schema: {', '.join(schema.names)}")
    return pa.RecordBatch.from_arrays([_column(batch, field) for field in schema], schema=schema)


def schema_hash(schema: pa.Schema) -> str:
    """16 hex digits of the names, order and types of the storable schema."""
    text = "\n".join(f"{field.name} {field.type}" for field in storable(schema))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return pa.nulls(batch.num_rows, field.type)
    array = batch.column(index)
    if array.type == field.type:
        return array
    try:
        return pc.cast(array, options=pc.CastOptions(target_type=field.type, allow_time_truncate=True))
    except pa.ArrowException as error:
        raise StorageError(f"column {field.name} can't be stored as {field.type}: {str(error)[:200]}") from error


def _check_names(names: list[str], where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not name or _FORBIDDEN.intersection(name):
            raise StorageError(f"{where} has a column {name!r}; Delta refuses empty names and any of space , ; {{ }} ( ) =")
        if name.lower() in seen:
            raise StorageError(
                f"{where} has columns {seen[name.lower()]!r} and {name!r}: Delta ignores case, so one must be renamed"
            )
        seen[name.lower()] = name
