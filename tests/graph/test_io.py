"""Tables as inputs of assets that people write beside a pipeline."""

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from spectra_assets.definitions import defs
from spectra_assets.errors import ConfigurationError, MissingInputError
from spectra_assets.graph.assets import IO_MANAGER
from spectra_assets.graph.io import LakehouseIOManager
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from tests.lakehouse.rows import Rows

RATES = TableRef("analyse", "rates")


@pytest.fixture
def lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    monkeypatch.setenv("SPECTRA_LAKEHOUSE", str(tmp_path / "lake"))
    return Lakehouse(str(tmp_path / "lake"), "acme")


def given(wanted: Any) -> Any:
    """What an asset gets of the table, that asks for it by this type."""
    seen: list[Any] = []

    def mine(rates: Any) -> None:
        seen.append(rates.read_all() if wanted is pa.RecordBatchReader else rates.toArrow() if wanted is DataFrame else rates)

    mine.__annotations__["rates"] = wanted
    table = dg.AssetSpec(dg.AssetKey(RATES.asset_path("acme")))
    made = dg.asset(ins={"rates": dg.AssetIn(table.key, input_manager_key=IO_MANAGER)})(mine)
    dg.materialize([made, table], resources={IO_MANAGER: LakehouseIOManager()}, selection=[made])
    return seen[0]


def test_an_asset_gets_a_table_as_it_asks_for_it(lakehouse: Lakehouse, engine: Engine) -> None:
    rows = pa.table({"name": ["a", "b"], "ratePct": [0.5, 1.5]})
    lakehouse.publish(RATES, Rows(rows), CommitInfo("run", "1.0.0", rows_in=2), "Rates")
    for wanted in (Any, pa.Table, pa.RecordBatchReader, DataFrame, pd.DataFrame):
        found = given(wanted)
        assert isinstance(found, pd.DataFrame if wanted is pd.DataFrame else pa.Table)
        assert (found.to_dict("records") if wanted is pd.DataFrame else found.to_pylist()) == rows.to_pylist()


def test_what_can_not_be_given_is_named(lakehouse: Lakehouse) -> None:
    with pytest.raises(MissingInputError, match="materialise asset acme/analyse/rates first"):
        given(pa.Table)
    lakehouse.publish(RATES, Rows(pa.table({"a": [1]})), CommitInfo("run", "1.0.0", rows_in=1), "Rates")
    with pytest.raises(ConfigurationError, match=r"valid are pyarrow\.Table, pyarrow\.RecordBatchReader"):
        given(dict)


def test_an_asset_of_ones_own_stands_beside_the_pipelines() -> None:
    """As README says it."""

    @dg.asset(ins={"rates": dg.AssetIn(["zephyr", "analyse", "passRateByRelease"], input_manager_key="lakehouse")})
    def report(rates: pa.Table) -> None: ...

    graph = dg.Definitions.merge(defs(), dg.Definitions(assets=[report])).resolve_asset_graph()
    assert graph.get(dg.AssetKey("report")).parent_keys == {dg.AssetKey(["zephyr", "analyse", "passRateByRelease"])}
