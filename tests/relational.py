"""Clean to Analyse in tests: real Delta tables in a temporary lakehouse, real actions, on Sail or on JVM Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import arrow_schema
from spectra_assets.names import TableRef
from spectra_assets.playbook.model import Playbooks, Standards
from spectra_assets.settings import Settings
from spectra_assets.stages import refine
from spectra_assets.stages.analyse import analyse
from spectra_assets.stages.clean import clean
from spectra_assets.stages.transform import dimension, fact
from spectra_assets.stages.work import Draft, Work, make

MODULES = (analyse, clean, dimension, fact, refine)

STEPS = {
    "flattening": [f"clean.{x}" for x in ("parse_records", "trim_text", "cast_types", "require_fields", "deduplicate")],
    "dimension": ["transform.select_members", "transform.track_history"],
    "enumeration": ["transform.list_values", "transform.track_history"],
    "calendar": ["transform.span_calendar"],
    "fact": ["transform.select_events", "transform.resolve_keys"],
    "bridge": ["transform.select_pairs", "transform.resolve_keys"],
    "refinement": ["refine.enrich", "refine.derive"],
    "kpi": ["analyse.measure", "analyse.draw_chart"],
    "fixed": ["analyse.describe_model"],
}

EXTRACT = pa.schema(
    [
        ("record", pa.string()),
        ("recordHash", pa.string()),
        ("parentKey", pa.string()),
        ("treeParentKey", pa.string()),
        ("requestId", pa.string()),
        ("sequence", pa.int64()),
        ("seenAt", pa.timestamp("us", "UTC")),
    ]
)

Row = dict[str, Any]


class ParquetEngine:
    """JVM Spark without Delta's jars: a Delta table is read as the list of its Parquet files."""

    embedded = False

    def __init__(self, session: Any) -> None:
        self.session = session

    def read(self, path: str) -> DataFrame:
        table = DeltaTable(path)
        files, schema = table.file_uris(), pa.schema(table.schema().to_arrow())
        if not files:
            return self.session.createDataFrame(schema.empty_table())
        return self.session.read.schema(from_arrow_schema(schema)).parquet(*files)


class World:
    """A lakehouse, an engine and the covenant's tables."""

    def __init__(self, root: Path, engine: Any) -> None:
        self.lakehouse = Lakehouse(str(root), "acme")
        self.engine = engine
        self.root = root
        self.tables: dict[str, Table] = {}
        self.last = Draft()

    def declare(self, **entry: Any) -> Table:
        """Add a table to the covenant; `build` decides on its steps."""
        kind = entry.get("build", {}).get("kind", "fixed")
        table = Table.model_validate({"description": entry["table"], "steps": STEPS[kind], **entry})
        self.tables[table.table] = table
        return table

    def put(self, name: str, rows: pa.Table) -> None:
        """Publish rows as they are."""
        write_deltalake(self.lakehouse.path(TableRef.parse(name)), rows, mode="overwrite", schema_mode="overwrite")

    def records(
        self,
        name: str,
        records: Sequence[Any],
        parents: Sequence[tuple[str | None, str | None]] = (),
        hashes: Sequence[str] = (),
    ) -> None:
        """Publish an extract table; a record that is no text becomes JSON."""
        texts = [r if isinstance(r, str) or r is None else json.dumps(r, ensure_ascii=False) for r in records]
        both = [*parents, *[(None, None)] * len(texts)]
        rows = [
            {
                "record": text,
                "recordHash": hashes[i] if hashes else "",
                "parentKey": both[i][0],
                "treeParentKey": both[i][1],
                "requestId": "r",
                "sequence": i,
            }
            for i, text in enumerate(texts)
        ]
        self.put(name, pa.Table.from_pylist(rows, schema=EXTRACT))

    def rows(self, name: str, schema: Mapping[str, pa.DataType], rows: Iterable[Sequence[Any]]) -> None:
        """Publish rows given as tuples."""
        names = list(schema)
        data = [dict(zip(names, row, strict=True)) for row in rows]
        self.put(name, pa.Table.from_pylist(data, schema=pa.schema(list(schema.items()))))

    def work(self, table: Table, now: datetime) -> Work:
        return Work(
            settings=Settings(project=self.root, lakehouse_root=str(self.root)),
            covenant=self.covenant(),
            table=table,
            lakehouse=self.lakehouse,
            engine=self.engine,
            playbooks=Playbooks(Standards("", "", (), (), "STANDARDS.md"), ()),
            run_id="run",
            now=now,
        )

    def covenant(self) -> Covenant:
        """All tables declared so far; inputs that no table makes get an entry without content."""
        named = dict(self.tables)
        for table in self.tables.values():
            for name in table.inputs:
                named.setdefault(name, Table.model_validate({"table": name, "description": "", "steps": ["none"]}))
        order = ("prepare", "extract", "clean", "transform", "refine", "analyse")
        stages = [
            {"name": stage, "playbook": stage, "outputs": [t for t in named.values() if t.ref.schema == stage]} for stage in order
        ]
        server = {"base_url_env": "ACME_URL", "auth": {"kind": "none"}, "probe": "/"}
        head = {"source": "acme", "title": "Acme", "version": "1", "owner": "us", "intelligence": "acme", "server": server}
        pipeline = {**head, "stages": [stage for stage in stages if stage["outputs"]]}
        return Covenant.model_validate(
            {"pipeline": pipeline, "quality_gates": [{"stage": s["name"], "checks": []} for s in pipeline["stages"]]}
        )

    def draft(self, table: Table, now: datetime | None = None) -> Draft:
        self.last = make(self.work(table, now or datetime(2024, 6, 1, tzinfo=UTC)))
        return self.last

    def made(self, table: Table, now: datetime | None = None, publish: bool = False) -> list[Row]:
        """The rows of the table, plain and in a fixed order; published if wanted."""
        draft = self.draft(table, now)
        rows = draft.frame.toArrow() if draft.frame is not None else draft.rows
        assert rows is not None
        if publish:
            control = [n for n in rows.column_names if n.startswith("_")]
            good = [r for r in rows.to_pylist() if not r.get("_reasons") and not r.get("_duplicate")]
            schema = pa.schema([f for f in rows.schema if f.name not in control])
            if table.schema_:
                declared = arrow_schema(table.schema_)
                schema = pa.schema([declared.field(f.name) if f.name in declared.names else f for f in schema])
            self.put(table.table, pa.Table.from_pylist(good, schema=schema))
        return plain(rows)


def plain(rows: pa.Table) -> list[Row]:
    """Rows as JSON-able values, sorted; column types are part of them in an entry of their own."""
    found = [{name: _plain(value) for name, value in row.items()} for row in rows.to_pylist()]
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
