"""The stand-in Zephyr as a source nobody described: from a bare list of its endpoints to what the curated pack says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.given import Given, Wanted
from spectra_assets.intelligence.model import load_pack
from spectra_assets.settings import Settings
from spectra_assets.standin import SOURCE
from spectra_assets.standin.server import StandIn


def test_discovery_agrees_with_the_curated_pack(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curated = load_pack(SOURCE)
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text(json.dumps([{"method": e.method, "path": e.path, "query": e.query} for e in curated.endpoints]))
    with StandIn(executions=600) as standin:
        monkeypatch.setenv("STANDIN_TOKEN", standin.token)
        wanted = Wanted(Given("STANDIN_TOKEN"), str(catalogue))
        pack = discover(settings, "standin", f"{standin.base_url}{curated.server.base_path}", wanted)
    assert pack.server.auth.kind == curated.server.auth.kind
    found = {path: hint.entity for hint in pack.entities for path in hint.routes}
    for entity in curated.entities:
        assert {found[path] for path in entity.routes if path in found} == {entity.entity}
        assert entity.routes[0] in found
    spent = next(each.finding for each in pack.evidence if each.about == "requests")
    assert int(spent.split()[0]) <= 300
