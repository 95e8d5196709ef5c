"""The forms of names and texts that rules may give."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
"""A Spark pattern, or iso8601, odata, epoch_seconds, epoch_millis, epoch_micros or epoch_nanos."""

DataType = Literal["text", "int64", "float64", "decimal", "bool", "date", "timestamp", "json"]
PiiLevel = Literal["none", "indirect", "direct", "secret"]
