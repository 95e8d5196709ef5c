"""The IO manager: publishes what passed its gates, and hands tables to the assets that people write beside the pipeline."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pyarrow as pa

from spectra_assets.errors import ConfigurationError
from spectra_assets.graph.metadata import delivered_metadata
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.settings import load as load_settings
from spectra_assets.stages.deliver import Delivery


class LakehouseIOManager(dg.ConfigurableIOManager):
    """Tables of the lakehouses as inputs and outputs.

    Output: a `Delivery` whose gates have been evaluated; it is published, and its metadata added. Input, by its type annotation:
    `pyarrow.RecordBatchReader` (streaming), `pyarrow.Table` (also without annotation), `pandas.DataFrame`, or
    `pyspark.sql.DataFrame`. An input that was never delivered raises MissingInputError naming the asset to materialise.
    """

    def handle_output(self, context: dg.OutputContext, obj: Delivery) -> None:
        obj.publish()
        context.add_output_metadata(delivered_metadata(obj))

    def load_input(self, context: dg.InputContext) -> Any:
        source, schema, table = context.asset_key.path
        settings = load_settings()
        lakehouse = Lakehouse(settings.lakehouse_root, source)
        ref = TableRef.parse(f"{schema}.{table}")
        lakehouse.require(ref)
        wanted = context.dagster_type.typing_type
        if wanted is pa.RecordBatchReader:
            return lakehouse.batches(ref)
        if getattr(wanted, "__module__", "").startswith("pyspark.sql"):
            return engines.shared(settings).read(lakehouse.path(ref))
        rows = lakehouse.read(ref)
        if getattr(wanted, "__module__", "").startswith("pandas"):
            return rows.to_pandas()
        if wanted is pa.Table or wanted is Any:
            return rows
        raise ConfigurationError(
            f"the input {context.asset_key.to_user_string()} asks for {wanted}; valid are pyarrow.Table, "
            "pyarrow.RecordBatchReader, pandas.DataFrame and pyspark.sql.DataFrame"
        )
