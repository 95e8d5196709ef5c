"""The offline twin: what a run recorded gives the same tables again, with the API gone, and shows what it would do under faults."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from spectra_assets.client.pacing import Clock
from spectra_assets.client.wire import NotRecordedError, Throttle
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.raw import attempts_in
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.twin import TWIN, Twin
from spectra_assets.stages.work import Work
from tests.conformance.pipeline import Found, Pipeline, texts_of
from tests.conformance.servers.api import Answer, Api, Asked
from tests.conformance.servers.pages import Size, counted
from tests.conformance.servers.truth import Truth


class Depot(Api):
    """Two lists, one below the other, behind a token."""

    token_env = "DEPOT_TOKEN"
    credential = "depot-secret-value-8151"

    def setup(self) -> None:
        self.shelves = [{"id": n, "name": f"shelf {n}", "owner": f"someone{n}@example.org"} for n in range(1, 31)]
        self.boxes = [
            {"id": 900 + n, "shelfId": 1 + n % 30, "weight": n / 4, "packed": f"2024-05-{1 + n % 28:02}"} for n in range(80)
        ]
        self.get("/", lambda asked: {name: f"{self.origin}/{name}" for name in ("shelves", "boxes")})
        self.get(
            "/shelves",
            counted(self.shelves, "offset", Size("limit", 10, cap=25), lambda page: {"items": page.rows, "total": page.total}),
        )
        self.get(
            "/boxes",
            counted(self.boxes, "offset", Size("limit", 20, cap=50), lambda page: {"items": page.rows, "total": page.total}),
        )

    def allowed(self, asked: Asked) -> Answer | None:
        granted = asked.headers.get("Authorization") == f"Bearer {self.credential}"
        return None if granted else Answer({"message": "who are you?"}, 401)

    def truth(self) -> Truth:
        return Truth(entities=())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Pipeline:
    """A pipeline that ran once; its API is gone."""
    with Depot() as api:
        pipeline = Pipeline(api, tmp_path_factory.mktemp("recorded") / "project", engine)
        found = pipeline.run()
    assert not found.crash, found.crash
    assert found.problems == []
    return pipeline


def played(recorded: Pipeline, folder: Path, twin: Twin) -> Found:
    """The tables that a pipeline of its own makes from the twin."""
    again = Pipeline(recorded.api, folder / "project", recorded.engine)
    shutil.copytree(recorded.settings.intelligence, again.settings.intelligence)
    pack = load_pack(recorded.source, again.settings.intelligence)
    with (
        patch("tests.conformance.pipeline.Work", partial(Work, twin=twin)),
        patch("tests.conformance.pipeline.discovered", lambda api, settings: pack),
    ):
        return again.run()


def test_the_twin_gives_the_same_tables_with_the_api_gone(recorded: Pipeline, tmp_path: Path) -> None:
    again = played(recorded, tmp_path, Twin(recorded.lakehouse))
    assert (again.crash, again.problems) == ("", [])
    assert again.canon == recorded.found.canon
    assert again.clean == recorded.found.clean
    assert sorted(len(rows) for rows in again.clean.values()) == [30, 80]


def test_recordings_hold_no_credential_and_are_bounded(recorded: Pipeline) -> None:
    places = recorded.lakehouse.files(TWIN)
    assert {place.name for place in places.iterdir()} >= {"source.endpoints", "prepare.constraints", "prepare.dependencies"}
    assert all(len(attempts_in(place)) == 1 for place in places.iterdir())
    secret = recorded.api.credential.encode()
    assert [file for file, content in texts_of(recorded.folder) if secret in content] == []


def test_what_was_not_recorded_is_said_and_not_made_up(recorded: Pipeline, tmp_path: Path) -> None:
    shutil.copytree(recorded.folder / "lakehouse", tmp_path / "less")
    less = Lakehouse(str(tmp_path / "less"), recorded.source)
    for parts in (("raw",), (TWIN, "prepare.dependencies")):
        shutil.rmtree(less.files(*parts))
    again = played(recorded, tmp_path, Twin(less))
    assert any(NotRecordedError.__name__ in problem for problem in again.problems), again.problems


def test_a_throttle_refuses_by_the_twins_own_clock() -> None:
    clock = Clock()
    throttle = Throttle(10, 1, clock)
    assert throttle("/a") is None
    refused = throttle("/a")
    assert refused is not None
    assert refused.status == 429
    clock.advance(0.1)
    assert throttle("/a") is None
    assert throttle.refused == 1
