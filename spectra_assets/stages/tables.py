"""Rows of Python values as tables of a fixed form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from spectra_assets.covenant.forms import EXTRACT_FORM, FORMS
from spectra_assets.lakehouse.types import arrow_schema

EXTRACT_SCHEMA = arrow_schema(EXTRACT_FORM)


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The rows as a table of the form `stage.table`; a key that is no column is an error of the caller."""
    schema = arrow_schema(FORMS[name])
    made = list(rows)
    surplus = sorted({key for row in made for key in row} - set(schema.names))
    if surplus:
        raise KeyError(f"{', '.join(surplus)}: no column of {name}")
    return pa.Table.from_pylist(made, schema=schema)
