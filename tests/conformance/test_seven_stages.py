"""The most complex servers through all seven stages by one sentence, with every gate and Dagster, as a person would do it."""

from __future__ import annotations

import io
from pathlib import Path
from unittest.mock import patch

import pytest

from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.settings import Settings
from tests.conformance.discovering import options_of
from tests.conformance.pipeline import Found, gather, new_project, rows_of, texts_of
from tests.conformance.scoring import score
from tests.conformance.servers.api import Api
from tests.conformance.servers.dependencies import Family, Forge, Shop


@pytest.mark.parametrize("server", [Family, Forge, Shop], ids=lambda server: server.__name__)
def test_one_sentence_makes_all_seven_stages(server: type[Api], tmp_path: Path, engine: Engine) -> None:
    name, folder = server.name(), tmp_path / "project"
    new_project(folder)
    settings = Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))
    console = Console(out=io.StringIO())
    environment = {
        "SPECTRA_PROJECT": str(folder),
        "SPECTRA_LAKEHOUSE": settings.lakehouse_root,
        "DAGSTER_HOME": str(folder / ".dagster"),
        **({server.token_env: server.credential} if server.token_env else {}),
    }
    with server() as api, patch.dict("os.environ", environment):
        summary = run_sentence(f"create SPECTRA pipeline for {name}", settings, console, options=options_of(api))
    said = console.out.getvalue()  # type: ignore[attr-defined]

    assert summary.ok, f"{summary.problem}\n{said}"
    lakehouse = Lakehouse(settings.lakehouse_root, name)
    found = Found()
    gather(found, lakehouse)
    made = score(server.__name__, api.base_path, api.truth(), found)
    assert made.rows.hit == made.rows.true, "\n".join(made.faults)
    _assert_star(settings, lakehouse, name)
    if api.credential:
        assert [str(file) for file, content in texts_of(folder) if api.credential.encode() in content] == []


def _assert_star(settings: Settings, lakehouse: Lakehouse, source: str) -> None:
    """Facts have every row of what they are made from, in Transform and in Refine; figures are there."""
    tables = {table.table: table for table in read(covenant_file(settings.covenants, source)).tables()}
    facts = [table for name, table in tables.items() if name.startswith("transform.fact")]
    assert facts, sorted(tables)
    for fact in facts:
        base = next(name for name in fact.inputs if name.startswith("clean."))
        rows = len(rows_of(lakehouse, fact.table))
        assert rows == len(rows_of(lakehouse, base)), fact.table
        assert rows == len(rows_of(lakehouse, fact.table.replace("transform.", "refine."))), fact.table
    figures = [name for name in tables if name.startswith("analyse.")]
    assert figures
    assert any(rows_of(lakehouse, name) for name in figures)
