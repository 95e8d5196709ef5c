"""One whole pipeline, run once; each test works on its own copy of the lakehouse it left, against the same stand-in."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.engine.summary import Summary
from spectra_assets.graph import runner
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.settings import load as load_settings
from spectra_assets.stages.deliver import Outcome
from spectra_assets.standin.server import StandIn

REPOSITORY = Path(__file__).parent.parent.parent
SENTENCE = "create SPECTRA pipeline for zephyr"
EXECUTIONS, SEED = 2000, 7
"""Those of the demo, with which the covenant in the repository was made."""


@dataclass
class Project:
    """A project folder of its own, with its stand-in."""

    folder: Path
    standin: StandIn
    summary: Summary | None = None
    console: Console = field(default_factory=lambda: Console(out=io.StringIO()))

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def covenant(self) -> Covenant:
        return read(covenant_file(self.settings.covenants, "zephyr"))

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(self.settings.lakehouse_root, "zephyr")

    def table(self, name: str) -> pa.Table:
        return self.lakehouse.read(TableRef.parse(name))

    def rows(self, name: str) -> list[dict[str, Any]]:
        return list(self.table(name).to_pylist())

    def truth(self) -> dict[str, Any]:
        answer = requests.get(f"http://127.0.0.1:{self.standin.port}/__truth", timeout=200)
        return dict(answer.json())

    def materialise(self, *tables: str, covenant: Covenant | None = None) -> dict[str, Outcome]:
        """One run over these tables; what became of each that was tried."""
        console = Console(out=io.StringIO())
        self.console = console
        runner.run(covenant or self.covenant, tables, self.settings, console)
        return {outcome.table: outcome for outcome in console.outcomes}

    def run(self, commit: bool = False) -> Summary:
        self.console = Console(out=io.StringIO())
        self.summary = run_sentence(SENTENCE, self.settings, self.console, commit)
        return self.summary

    def use(self) -> None:
        """Point this process's environment here."""
        os.environ.update(
            SPECTRA_PROJECT=str(self.folder),
            SPECTRA_LAKEHOUSE=str(self.folder / "lakehouse"),
            DAGSTER_HOME=str(self.folder / ".dagster"),
            ZEPHYR_BASE_URL=self.standin.base_url,
            ZEPHYR_API_TOKEN=self.standin.token,
        )


_VARIABLES = ("SPECTRA_PROJECT", "SPECTRA_LAKEHOUSE", "DAGSTER_HOME", "ZEPHYR_BASE_URL", "ZEPHYR_API_TOKEN")


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    with StandIn(executions=EXECUTIONS, seed=SEED) as server:
        yield server


@pytest.fixture(scope="session")
def environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _VARIABLES}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def new_project(folder: Path, standin: StandIn) -> Project:
    shutil.copytree(REPOSITORY / "playbooks", folder / "playbooks")
    (folder / "covenants").mkdir()
    (folder / "lessons").mkdir()
    project = Project(folder, standin)
    project.use()
    return project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, standin: StandIn, environment: None) -> Project:
    """A project whose pipeline was created by the sentence, in an empty folder."""
    project = new_project(tmp_path_factory.mktemp("finished") / "project", standin)
    summary = project.run()
    assert summary.ok, project.console.out.getvalue()  # type: ignore[attr-defined]
    return project


@pytest.fixture
def project(tmp_path: Path, finished: Project) -> Iterator[Project]:
    """A copy of the finished project, without its Dagster records; the stand-in is whole again afterwards."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, ignore=shutil.ignore_patterns(".dagster"))
    copy = Project(folder, finished.standin)
    copy.use()
    yield copy
    finished.standin.set_faults([])
    finished.use()
