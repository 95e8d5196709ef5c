"""A bench on which tests judge tables: a real lakehouse, real staging, the real engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.covenant.build import Fixed
from spectra_assets.covenant.model import (
    Column,
    Covenant,
    DataType,
    Gate,
    PiiLevel,
    Pipeline,
    Severity,
    StageContract,
    StageGates,
    Table,
)
from spectra_assets.gates.evaluate import Candidate, Result, evaluate
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import arrow_schema
from spectra_assets.names import TableRef


def column(name: str, kind: DataType = DataType.INT64, **more: Any) -> Column:
    return Column(name=name, type=kind, **more)


def text(name: str, **more: Any) -> Column:
    return column(name, DataType.TEXT, **more)


def person(name: str) -> Column:
    return text(name, pii=PiiLevel.DIRECT)


def table(name: str, *gates: str, columns: Sequence[Column] = (), severity: Severity = Severity.ERROR, **more: Any) -> Table:
    return Table(
        table=name,
        description=name,
        steps=[],
        gates=[Gate(name=gate, severity=severity) for gate in gates],
        schema=list(columns),
        **{"build": Fixed(), **more},
    )


def covenant_of(*tables: Table) -> Covenant:
    stages: dict[str, list[Table]] = {}
    for one in tables:
        stages.setdefault(one.ref.schema, []).append(one)
    return Covenant(
        pipeline=Pipeline(
            source="acme",
            title="Acme",
            version="1",
            owner="us",
            intelligence="acme",
            server=Server(base_url_env="ACME_URL", auth=Auth(kind="none"), probe="/me"),
            stages=[StageContract(name=name, playbook="p.md", outputs=outputs) for name, outputs in stages.items()],
        ),
        quality_gates=[
            StageGates(stage=name, checks=sorted({gate.name for one in outputs for gate in one.gates}))
            for name, outputs in stages.items()
        ],
    )


class Bench:
    """Stages candidates and judges them."""

    def __init__(self, engine: Engine, lakehouse: Lakehouse, staging: Staging) -> None:
        self.engine = engine
        self.lakehouse = lakehouse
        self.staging = staging

    def publish(self, promised: Table, rows: list[dict[str, Any]], **told: str) -> Table:
        """Make the table readable for others; `told` goes into the commit."""
        data = pa.Table.from_pylist(rows, schema=arrow_schema(promised.schema_))
        staged = self.staging.stage_arrow(promised.ref, data)
        self.lakehouse.publish(promised.ref, staged, CommitInfo("r0", "1", extra=told))
        return promised

    def candidate(
        self,
        promised: Table,
        rows: list[dict[str, Any]] | pa.Table,
        others: Sequence[Table] = (),
        rows_in: int | None = None,
        control: bool = False,
        **evidence: Any,
    ) -> Candidate:
        if isinstance(rows, list):
            schema = arrow_schema(promised.schema_)
            if control:
                for field in (pa.field("_reasons", pa.list_(pa.string())), pa.field("_duplicate", pa.bool_())):
                    schema = schema.append(field)
            rows = pa.Table.from_pylist(rows, schema=schema)
        staged = self.staging.stage_arrow(TableRef.parse(promised.table), rows)
        covenant = covenant_of(promised, *others)
        return Candidate(
            table=covenant.table(promised.table),
            covenant=covenant,
            lakehouse=self.lakehouse,
            engine=self.engine,
            staged=staged,
            rows_in=rows_in,
            evidence=evidence,
        )

    def judge(self, promised: Table, rows: list[dict[str, Any]] | pa.Table, **more: Any) -> Result:
        """The result of the table's only gate."""
        (result,) = evaluate(self.candidate(promised, rows, **more))
        assert result.gate == promised.gates[0].name
        assert result.passed == (result.failed == 0)
        assert len(result.sample) <= 20
        return result


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Iterator[Bench]:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    with Staging(lakehouse, "run1", engine) as staging:
        yield Bench(engine, lakehouse, staging)
