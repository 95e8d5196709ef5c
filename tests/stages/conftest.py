"""Source, Prepare and Extract against a real stand-in, table by table, without gates: what actions make is published as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
import requests

from benchmarks.extract.small import URL
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.forms import EXTRACT_FORM, FORMS
from spectra_assets.covenant.model import Covenant, Pipeline, StageContract, Table
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef, plural
from spectra_assets.playbook.model import Playbooks, Standards
from spectra_assets.settings import Settings
from spectra_assets.stages import actions  # noqa: F401  registers them all
from spectra_assets.stages.work import Draft, Work, make
from spectra_assets.standin.server import StandIn
from tests.stages.changing import ChangingApi

NAME = "zephyr"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

STEPS = {
    "source.config": ["source.read_settings"],
    "source.credentials": ["source.prove_credential"],
    "source.endpoints": ["source.read_catalogue", "source.probe_endpoints"],
    "source.portfolio": ["source.prove_hierarchy", "source.summarise_portfolio"],
    "prepare.constraints": ["prepare.measure_constraints"],
    "prepare.dependencies": ["prepare.prove_dependencies"],
    "prepare.schema": ["prepare.infer_fields", "prepare.name_fields", "prepare.mark_personal_data"],
}
EXTRACTION = ["extract.fetch_records", "extract.flatten_tree", "extract.hash_records"]


class Runner:
    """Makes tables of one pipeline in a lakehouse of its own."""

    def __init__(self, standin: StandIn, folder: Path, playbooks: Playbooks | None = None) -> None:
        self.standin = standin
        self.lakehouse = Lakehouse(str(folder), NAME)
        self.settings = Settings(project=folder, lakehouse_root=str(folder))
        self.playbooks = playbooks or Playbooks(Standards("", "", (), (), "STANDARDS.md"), ())
        self.said: list[str] = []
        self.drafts: dict[str, Draft] = {}
        self.work: Work | None = None

    def make(self, name: str, steps: list[str] | None = None) -> Draft:
        """Run the steps of one fixed table and publish its rows."""
        table = Table(table=name, description="", steps=steps or STEPS[name], schema=FORMS[name])
        draft = self._made(table)
        assert draft.rows is not None
        self._publish(name, draft.rows)
        return draft

    @property
    def canon(self) -> dict[str, CanonEntity]:
        """The canon as Prepare made it, by entity."""
        return {entity.entity: entity for entity in self.drafts["prepare.schema"].evidence["canon"]}

    def truth(self) -> dict[str, Any]:
        """What the stand-in really holds."""
        document: dict[str, Any] = requests.get(f"{self.standin.base_url}/__truth", timeout=200).json()
        return document

    def make_through(self, last: str) -> Draft:
        """Make every fixed table up to `last`."""
        for name in STEPS:
            if name not in self.drafts:
                self.make(name)
            if name == last:
                return self.drafts[name]
        raise KeyError(last)

    def extract(self, entity: CanonEntity, steps: list[str] | None = None) -> Draft:
        """Extract one entity and publish its rows; the evidence is complete afterwards."""
        name = f"extract.{plural(entity.entity)}"
        build = Extraction(fetch=entity.fetch)
        table = Table(
            table=name, description="", entity=entity.entity, steps=steps or EXTRACTION, build=build, schema=EXTRACT_FORM
        )
        draft = self._made(table)
        assert draft.batches is not None
        assert draft.batches_schema is not None
        self._publish(name, pa.Table.from_batches(draft.batches, schema=draft.batches_schema))
        return draft

    def rows(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.lakehouse.read(TableRef.parse(name)).to_pylist()
        return rows

    def _made(self, table: Table) -> Draft:
        pack = load_pack(NAME)
        contract = StageContract(name=table.ref.schema, playbook="", outputs=[table])
        pipeline = Pipeline(
            source=NAME, title=pack.title, version="v1", owner="", intelligence=NAME, server=pack.server, stages=[contract]
        )
        nothing: Any = None
        self.work = Work(
            settings=self.settings,
            covenant=Covenant(pipeline=pipeline, quality_gates=[{"stage": table.ref.schema, "checks": []}]),  # type: ignore[list-item]
            table=table,
            lakehouse=self.lakehouse,
            engine=nothing,
            playbooks=self.playbooks,
            run_id="run1",
            now=NOW,
            say=self.said.append,
        )
        with self.environment():
            self.drafts[table.table] = draft = make(self.work)
        return draft

    @contextmanager
    def environment(self) -> Iterator[None]:
        variables = {"ZEPHYR_BASE_URL": self.standin.base_url, "ZEPHYR_API_TOKEN": self.standin.token}
        with patch.dict("os.environ", variables):
            yield

    def _publish(self, name: str, rows: pa.Table) -> None:
        self.lakehouse.publish(TableRef.parse(name), _Ready(rows), CommitInfo("run1", "v1"))


class _Ready:
    """Rows that need no audit."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.rows = table.num_rows
        self.schema = table.schema
        self.fingerprint = str(id(table))

    def batches(self) -> pa.RecordBatchReader:
        return self._table.to_reader()

    def files(self) -> list[Path]:
        return []


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A pipeline whose Source and Prepare have run, and whose entities are all extracted. Tests leave it as it is."""
    with StandIn(executions=2_000) as standin:
        runner = Runner(standin, tmp_path_factory.mktemp("prepared"))
        runner.make_through("prepare.schema")
        for entity in runner.canon.values():
            runner.extract(entity)
        yield runner


@pytest.fixture
def broken(prepared: Runner) -> Iterator[Callable[..., Runner]]:
    """The prepared pipeline with faults switched on, for this test only."""

    def switch(*faults: str) -> Runner:
        prepared.standin.set_faults(faults)
        return prepared

    yield switch
    prepared.standin.set_faults([])


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Pipelines with nothing made yet: fresh(*faults, playbooks=None, executions=…)."""
    running: list[StandIn] = []

    def start(*faults: str, playbooks: Playbooks | None = None, executions: int = 600) -> Runner:
        running.append(StandIn(executions=executions, faults=faults).start())
        return Runner(running[-1], tmp_path / str(len(running)), playbooks)

    yield start
    for standin in running:
        standin.stop()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChangingApi]:
    """An API of 35 items whose records change; what it refuses is asked for again at once."""
    server = ChangingApi()
    server.fill(35)
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setattr("spectra_assets.client.exchange.backoff", lambda attempt, base: 0.0)
    yield server
    server.close()
