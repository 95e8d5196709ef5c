"""The permission for searches by POST: not without a person, where it is written down, how it lasts and how it is withdrawn."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.discovery.searches import ALLOWED
from spectra_assets.engine.console import Console
from spectra_assets.engine.source import Options, pack_for
from spectra_assets.errors import SourceError
from spectra_assets.intelligence.model import Pack, load_pack
from spectra_assets.settings import Settings
from tests.conformance.pipeline import new_project
from tests.conformance.servers.described import Operation, array_of, openapi
from tests.conformance.servers.searches import FlowFilters, Lures
from tests.conformance.servers.truth import Truth


class Mixed(FlowFilters):
    """The flows can be had by GET as well, in a list of another path, and there is a POST at the path of a GET."""

    def setup(self) -> None:
        super().setup()
        self.base_path = ""
        self.get("/openapi.json", lambda asked: self._mixed())
        self.get("/things", [{"id": n} for n in range(1, 9)])
        self.get("/things/search", [{"id": n} for n in range(1, 9)])
        self.post("/things/search", lambda asked: [{"id": 99}])
        self.post("/flows/filter", lambda asked: self._page(self.flows, asked))

    said = "Search"

    def _mixed(self) -> dict[str, Any]:
        thing, post = array_of({"id": 1}), {"method": "post", "summary": self.said}
        body = {"type": "object", "properties": {"limit": {"type": "integer"}, "offset": {"type": "integer"}}}
        return openapi(
            self,
            [
                Operation("/things", answer=thing),
                Operation("/things/search", answer=thing),
                Operation("/things/search", answer=thing, **post),  # type: ignore[arg-type]
                Operation("/flows/filter", answer=array_of(self.flows[0]), body=body, **post),  # type: ignore[arg-type]
            ],
        )

    def truth(self) -> Truth:
        return Truth()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    new_project(tmp_path / "project")
    return Settings(project=tmp_path / "project", lakehouse_root=str(tmp_path / "lakehouse"))


@pytest.fixture
def mixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mixed]:
    with Mixed() as api:
        monkeypatch.setenv("MIXED_BASE_URL", api.base_url)
        yield api


def discovered(settings: Settings, api: Mixed, **options: Any) -> Pack:
    return pack_for(settings, "mixed", Options(base_url=api.base_url, **options), Console(out=io.StringIO()))


def posted(api: Mixed) -> set[str]:
    return {asked.path for asked in api.seen if asked.method == "POST"}


def test_without_a_person_no_post_is_sent_and_the_search_is_a_gap(settings: Settings, mixed: Mixed) -> None:
    pack = discovered(settings, mixed)
    assert posted(mixed) == set()
    assert pack.server.searches == []
    gaps = {each.about: each.evidence for each in pack.evidence if each.finding == "gap"}
    assert "sent only if a person allows it (--allow-post-search)" in gaps["POST /flows/filter"]
    assert "POST /things/search" not in gaps, "a GET is at the same path"


def test_the_permission_is_written_down_and_followed_by_later_runs(settings: Settings, mixed: Mixed) -> None:
    discovered(settings, mixed)
    pack = discovered(settings, mixed, post_search=True)
    assert posted(mixed) == {"/flows/filter"}
    (search,) = pack.server.searches
    assert (search.path, search.allowed_by) == ("/flows/filter", ALLOWED)
    assert "its answer is described as a list" in search.evidence
    assert pack.entity_at("/flows/filter") is not None

    sent = len(mixed.seen)
    assert discovered(settings, mixed) == pack
    assert discovered(settings, mixed, post_search=True) == pack, "what is known is not found out again"
    assert len(mixed.seen) == sent
    assert discovered(settings, mixed, rediscover=True).server.searches == [search]


def test_a_search_that_is_described_as_none_any_more_is_not_sent_again(settings: Settings, mixed: Mixed) -> None:
    discovered(settings, mixed, post_search=True)
    mixed.said = "Creates a new flow"
    mixed.seen.clear()
    assert discovered(settings, mixed, rediscover=True).server.searches == []
    assert posted(mixed) == set()


def test_an_override_withdraws_it(settings: Settings, mixed: Mixed) -> None:
    discovered(settings, mixed, post_search=True)
    (settings.intelligence / "mixed.override.yaml").write_text("remove: [/flows/filter]\nserver: {searches: []}\n")
    pack = load_pack("mixed", settings.intelligence)
    assert pack.entity_at("/flows/filter") is None
    assert pack.search("/flows/filter") is None
    mixed.seen.clear()
    assert discovered(settings, mixed, rediscover=True).server.searches == []
    assert posted(mixed) == set()


def test_what_turned_out_to_create_something_is_not_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lures() as api:
        monkeypatch.setenv("LURES_BASE_URL", api.base_url)
        options = Options(base_url=api.base_url, post_search=True)
        for _ in range(2):
            pack = pack_for(settings, "lures", options, Console(out=io.StringIO()))
        assert pack.server.searches == []
        assert api.created <= api.most_created


def test_an_api_of_searches_alone_says_how_they_are_allowed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with FlowFilters() as api:
        monkeypatch.setenv("FLOWS_BASE_URL", api.base_url)
        with pytest.raises(SourceError, match=r"3 searches by POST that only read .*: allow them by --allow-post-search"):
            pack_for(settings, "flows", Options(base_url=api.base_url), Console(out=io.StringIO()))
        assert {asked.method for asked in api.seen} == {"GET"}
