"""Lists that a person names: with what they are always asked for with, and with a name for their records."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.given import Wanted
from spectra_assets.discovery.named import Listed, paths_of
from spectra_assets.engine.console import Console
from spectra_assets.engine.source import Options, pack_for
from spectra_assets.errors import ConfigurationError
from spectra_assets.settings import Settings

PARKS = [{"_id": n, "park": f"Park {n}", "area": n * 1.5} for n in range(1, 8)]
TREES = [{"_id": n, "species": f"s{n % 3}", "height": n} for n in range(1, 10)]
CASES = [{"case_no": f"HK{n}", "kind": "theft"} for n in range(30)]


def _store(_: Any, query: dict[str, str], __: Any) -> Any:
    resources = {"res-0": PARKS, "res-1": TREES}
    if query.get("resource_id") not in resources:
        return 400, {"error": {"message": "Missing parameter resource_id"}}, {}
    return {"result": {"records": resources[query["resource_id"]]}}


ROUTES = {"/datastore_search": _store, r"/resource/ijzp-q8t2\.json": CASES}
STORE = "/datastore_search?resource_id=res-"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/a,/b/{id}/c , /a", ("/a", "/b/{id}/c")),
        ("/query?q=SELECT Id, Name FROM Account,/b", ("/query?q=SELECT+Id,+Name+FROM+Account", "/b")),
        ("crimes=/resource/x.json,/y?$where=a>1&b=", ("crimes=/resource/x.json", "/y?$where=a%3E1&b=")),
        ("/y?%24where=a%3E1&b=", ("/y?$where=a%3E1&b=",)),
        ("/x?filter={a}&u=/v", ("/x?filter=%7Ba%7D&u=%2Fv",)),
    ],
)
def test_a_list_is_kept_in_one_spelling_with_its_parameters_and_name(text: str, kept: tuple[str, ...]) -> None:
    assert paths_of([text], "--list") == kept
    assert paths_of([",".join(kept)], "--list") == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/a?", "has a query that can't be sent"),
        ("/a?b c=1", "has a query that can't be sent"),
        ("/a?b=\x07", "has a query that can't be sent"),
        ("4x=/a", "'4x' is no name of an entity"),
        ("/a?api_key=s3cr3t", r"'api_key' of /a looks like a credential.*--auth query:api_key"),
        ("/a?appid=s3cr3t", "'appid' of /a looks like a credential"),
    ],
)
def test_what_can_not_be_sent_or_kept_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        paths_of([text], "--list")
    assert "s3cr3t" not in str(told.value)


def test_a_name_is_that_of_one_record() -> None:
    assert Listed.of("crimes=/resource/x.json") == Listed("/resource/x.json", "crime")
    assert Listed.of("/resource/x.json?a=b=c") == Listed("/resource/x.json?a=b=c", "")


def test_two_resources_of_one_path_are_two_entities_and_one_that_is_none_stops_no_other(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve(ROUTES)
    said: list[str] = []
    named = paths_of([f"{STORE}0,{STORE}1,{STORE}9,/datastore_search,crimes=/resource/ijzp-q8t2.json"], "--list")
    pack = discover(settings, "portal", api.base_url, Wanted(paths=named), say=said.append)
    assert {hint.entity: hint.routes for hint in pack.entities} == {
        "datastoreRes0": [f"{STORE}0"],
        "datastoreRes1": [f"{STORE}1"],
        "crime": ["/resource/ijzp-q8t2.json"],
    }
    assert pack.paths == [f"{STORE}0", f"{STORE}1", "crimes=/resource/ijzp-q8t2.json"]
    gaps = {each.about: each.evidence for each in pack.evidence if each.finding == "gap"}
    assert gaps.keys() == {f"GET {STORE}9", "GET /datastore_search"}
    assert "name it with one, /datastore_search?name=value" in gaps["GET /datastore_search"]
    assert sum(text.startswith("! named, and no list") for text in said) == 2
    with pytest.raises(ConfigurationError, match="portal names what is no list: /datastore_search"):
        discover(settings, "portal", api.base_url, Wanted(paths=("/datastore_search",)))


def test_what_was_named_is_not_found_out_again_but_for_another_name(
    serve: Callable[..., Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = serve(ROUTES)
    monkeypatch.setenv("PORTAL_BASE_URL", api.base_url)
    (settings.project / "playbooks").symlink_to(Path(__file__).parent.parent.parent / "playbooks")

    def run(*lists: str) -> set[str]:
        pack = pack_for(settings, "portal", Options(lists=paths_of(lists, "--list")), Console(out=io.StringIO()))
        return {hint.entity for hint in pack.entities}

    lists = (f"{STORE}0", "/resource/ijzp-q8t2.json", "/nothing")
    assert run(*lists) == {"datastore", "ijzpQ8T2"}
    before = len(api.asked)
    assert run(*lists) == run() == {"datastore", "ijzpQ8T2"}
    assert len(api.asked) == before, "what is known, or known to be none, is not asked for again"
    assert run("crimes=/resource/ijzp-q8t2.json") == {"datastore", "crime"}
    assert run() == {"datastore", "crime"}


def test_a_parameter_takes_ids_of_the_list_of_its_name_not_what_that_list_hangs_on(
    serve: Callable[..., Any], settings: Settings
) -> None:
    """`{channel}` is a channel's id, though the channels were asked for with a guild's in the same place."""
    api = serve(
        {
            "/guilds": [{"id": "g1", "name": "a"}, {"id": "g2", "name": "b"}],
            "/guilds/(?P<g>g[12])/channels": lambda match, *_: [{"id": f"c{match['g']}{n}", "topic": "x"} for n in range(3)],
            "/channels/(?P<c>cg[12][0-9])/messages": lambda match, *_: [
                {"id": f"m{match['c']}{n}", "text": "y"} for n in range(2)
            ],
        }
    )
    lists = ("/guilds", "/guilds/{guild}/channels", "/channels/{channel}/messages")
    pack = discover(settings, "chat", api.base_url, Wanted(paths=lists), budget=60)
    assert {hint.entity: hint.routes[0] for hint in pack.entities}["message"] == lists[2]
    fills = {known.parameter: known.candidates for known in pack.identifiers if known.path == lists[2]}
    assert fills == {"channel": ["channel.id"]}


def test_a_parameter_in_front_of_all_takes_ids_of_the_list_that_it_is_called_after(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve(
        {
            "/projects": [{"id": f"p{n}", "name": f"n{n}"} for n in range(3)],
            "/(?P<p>p[0-2])/git/repositories": lambda match, *_: [{"id": f"r{match['p']}{n}", "size": n} for n in range(3)],
        }
    )
    path = "/{projectId}/git/repositories"
    pack = discover(settings, "dev", api.base_url, Wanted(paths=("/projects", path)), budget=40)
    assert {hint.entity for hint in pack.entities} == {"project", "repository"}
    assert [known.candidates for known in pack.identifiers if known.path == path] == [["project.id"]]


def test_a_query_that_an_api_gives_in_a_name_is_not_sent(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve({"/": [{"name": "users"}, {"name": "users?purge=1"}], "/users": TREES})
    discover(settings, "portal", api.base_url, Wanted())
    assert not [asked for asked in api.asked if "purge" in asked]


def test_a_named_list_that_answers_without_records_is_a_gap_and_told(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve({"/": {"users": "/users"}, "/users": [{"id": n} for n in range(3)], "/api/logs": [], "/fines": {"fines": []}})
    pack = discover(settings, "demo", api.base_url, Wanted(paths=paths_of(["/users,/api/logs,fine=/fines"], "--list")))
    gaps = {each.about: each.evidence for each in pack.evidence if each.finding == "gap"}
    assert gaps.keys() == {"GET /api/logs", "GET /fines"}
    assert all("answers without records: it may want a parameter" in why for why in gaps.values())
    assert pack.excluded.keys() >= {"/api/logs", "/fines"}, "no entity, and not asked for again"
