from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from spectra_assets.covenant.model import Column, DataType
from spectra_assets.errors import StorageError
from spectra_assets.lakehouse import types
from spectra_assets.lakehouse.engine import Engine


@pytest.mark.parametrize("kind", list(DataType))
def test_spark_and_arrow_agree_on_every_type(engine: Engine, kind: DataType) -> None:
    frame = engine.session.sql(f"select cast(null as {types.ddl(kind)}) as x")
    assert types.storable(frame.toArrow().schema).field("x").type == types.arrow(kind)


@pytest.mark.parametrize("kind", [kind for kind in DataType if kind is not DataType.JSON])
def test_a_type_comes_back_from_arrow(kind: DataType) -> None:
    assert types.data_type(types.arrow(kind)) is kind


def test_a_struct_is_no_covenant_type() -> None:
    with pytest.raises(StorageError, match="make it JSON text"):
        types.data_type(pa.struct([("a", pa.int64())]))


def test_schemas_of_covenant_columns() -> None:
    columns = [Column(name="cycleId", type=DataType.INT64, required=True), Column(name="raw", type=DataType.JSON)]
    assert types.ddl_schema(columns) == "`cycleId` bigint, `raw` string"
    assert types.arrow_schema(columns) == pa.schema([("cycleId", pa.int64()), ("raw", pa.string())])


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (pa.null(), pa.string()),
        (pa.list_(pa.null()), pa.list_(pa.string())),
        (pa.timestamp("ns"), pa.timestamp("us", "UTC")),
        (pa.timestamp("s", "Europe/Berlin"), pa.timestamp("us", "UTC")),
        (pa.date64(), pa.date32()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int32(), pa.large_string()), pa.string()),
        (pa.uint64(), pa.decimal128(20, 0)),
        (pa.binary(16), pa.binary()),
        (pa.decimal256(20, 2), pa.decimal128(20, 2)),
        (pa.map_(pa.large_string(), pa.uint8()), pa.map_(pa.string(), pa.int16())),
        (pa.struct([pa.field("a", pa.null(), True)]), pa.struct([("a", pa.string())])),
    ],
)
def test_every_type_gets_one_that_delta_holds(given: pa.DataType, held: pa.DataType) -> None:
    assert types.storable(pa.schema([pa.field("x", given)])) == pa.schema([("x", held)])


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.duration("s"), pa.decimal256(60, 2)])
def test_a_type_delta_cannot_hold_is_refused_by_column(kind: pa.DataType) -> None:
    with pytest.raises(StorageError, match="column startedAt has type"):
        types.storable(pa.schema([("startedAt", kind)]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cycleId", "cycleID"], "'cycleId' and 'cycleID'"),
        (["a", "a"], "'a' and 'a'"),
        (["a b"], "Delta refuses"),
        ([""], "Delta refuses"),
        ([], "without columns"),
    ],
)
def test_names_delta_refuses(names: list[str], message: str) -> None:
    schema = pa.schema([(name, pa.int64()) for name in names])
    with pytest.raises(StorageError, match=message):
        types.storable(schema)
    if names:
        with pytest.raises(StorageError, match=message):
            types.storable(pa.schema([("record", pa.struct(list(schema)))]))


def test_fresh_batches_have_no_offset_and_the_wanted_schema() -> None:
    inner = pa.struct([("b", pa.struct([("c", pa.int64())]))])
    whole = pa.record_batch([pa.array([{"b": {"c": n}} for n in range(9)], inner)], names=["a"])
    schema = pa.schema([("a", inner), ("later", pa.string())])
    made = types.fresh(whole.slice(3, 4), schema)
    assert made.schema == schema
    assert made.column("a").offset == 0
    assert made.to_pydict() == {"a": [{"b": {"c": n}} for n in range(3, 7)], "later": [None] * 4}


def test_fresh_batches_keep_instants() -> None:
    batch = pa.record_batch({"t": pa.array([1_000_000_001], pa.timestamp("ns")), "d": pa.array([1], pa.uint64())})
    made = types.fresh(batch, types.storable(batch.schema)).to_pydict()
    assert made == {"t": [dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)], "d": [Decimal(1)]}


def test_a_value_that_does_not_fit_is_refused() -> None:
    batch = pa.record_batch({"n": [1.9]})
    with pytest.raises(StorageError, match="column n can't be stored as int64"):
        types.fresh(batch, pa.schema([("n", pa.int64())]))
    with pytest.raises(StorageError, match="columns n are not in the schema: m"):
        types.fresh(batch, pa.schema([("m", pa.int64())]))


def test_the_schema_hash_sees_names_types_and_order_only() -> None:
    one = types.schema_hash(pa.schema([pa.field("a", pa.int64(), False), ("b", pa.string())]))
    assert one == types.schema_hash(pa.schema([("a", pa.int64()), ("b", pa.large_string())]))
    assert one != types.schema_hash(pa.schema([("b", pa.string()), ("a", pa.int64())]))
    assert one != types.schema_hash(pa.schema([("a", pa.int32()), ("b", pa.string())]))
