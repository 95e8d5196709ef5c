"""APIs that name nothing: what is guessed, what a person names, what ids tell that a description leaves out."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.discovery.crawl import Crawl
from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.given import Wanted
from spectra_assets.discovery.guesses import Guesses
from spectra_assets.discovery.named import paths_of
from spectra_assets.discovery.names import Names, of, vocabulary
from spectra_assets.discovery.scout import Scout
from spectra_assets.engine.console import Console
from spectra_assets.engine.source import Options, pack_for
from spectra_assets.errors import ConfigurationError, DocumentError
from spectra_assets.intelligence.model import Pack
from spectra_assets.intelligence.verbs import may_act
from spectra_assets.settings import Settings

ORCHARDS = [{"code": f"O{n}", "name": f"Orchard {n}"} for n in range(4)]
CAMPUS: dict[str, Any] = {
    "/": {"service": "Campus API", "version": "3.2"},
    "/faculties": [{"code": code, "name": code.title()} for code in ("INF", "MED", "JUR")],
    "/students": [{"id": n, "lastName": f"L{n}", "programmeId": f"INF-{n % 3}"} for n in range(9)],
    "/loans": [{"id": 70 + n, "studentId": n, "bookIsbn": f"978-{n}", "dueOn": "2025-01-02"} for n in range(9)],
    "/faculties/(?P<code>[A-Z]+)/programmes": lambda match, *_: [
        {"id": f"{match['code']}-{n}", "title": f"T{n}"} for n in range(3)
    ],
    r"/programmes/(?P<id>[A-Z]+-\d)/courses": lambda match, *_: [{"code": f"{match['id']}-{n}", "ects": 5 + n} for n in range(2)],
    r"/courses/(?P<code>[A-Z]+-\d-\d)/sittings": lambda match, *_: [
        {"courseCode": match["code"], "term": term, "group": 1} for term in ("S", "W")
    ],
    r"/courses/(?P<code>[A-Z]+-\d-\d)/sittings/(?P<term>S|W)/1/marks": lambda match, *_: [
        {"markNo": f"{match['code']}{match['term']}{n}", "grade": n} for n in range(3)
    ],
}
SITTINGS, MARKS = "/courses/{code}/sittings", "/courses/{courseCode}/sittings/{term}/{group}/marks"


def routes_of(pack: Pack) -> dict[str, str]:
    return {hint.entity: hint.routes[0] for hint in pack.entities}


def test_the_lists_of_an_api_that_names_nothing_are_found_by_its_domain_and_below_each_other(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve(CAMPUS)
    pack = discover(settings, "campus", api.base_url)
    found = routes_of(pack)
    assert {found.get(name) for name in ("faculty", "student", "loan")} == {"/faculties", "/students", "/loans"}
    assert found["programme"] == "/faculties/{facultyCode}/programmes", "which only an id in the records of students names"
    assert found["course"] == "/programmes/{programmeId}/courses"
    assert len(api.asked) <= 300
    assert pack.server.guessed
    told = [each.finding for each in pack.evidence if "guessing" in each.finding]
    assert told == [f"{len(found)} lists were found by guessing usual names: there may be more; name them by --list "
                    "/name,/parents/{id}/name"]  # fmt: skip


def test_what_any_name_gets_is_no_gap_and_single_records_are_told_as_guessed_too(
    serve: Callable[..., Any], settings: Settings
) -> None:
    """Names of letters alone get `400 Invalid table`, as in ServiceNow; those with a hyphen 404."""

    def table(match: Any, *_: Any) -> Any:
        if match["name"] == "users":
            return {"id": 7, "name": "ann", "department": "d1", "result": {"count": 1}}
        return 400, {"error": {"message": f"Invalid table {match['name']}"}}, {}

    api = serve({"/(?P<name>[a-z]+)": table})
    pack = discover(settings, "desk", api.base_url, budget=60)
    assert [each.about for each in pack.evidence if each.finding == "gap"] == []
    assert pack.server.guessed
    (told,) = [f"{each.finding} {each.evidence}" for each in pack.evidence if "guessing" in each.finding]
    assert told.startswith("no list, only single records")
    assert "--list /name" in told
    assert "--request-budget" in told


def test_nothing_that_may_be_an_action_is_guessed(serve: Callable[..., Any]) -> None:
    """The lists are singular, and the records' fields are verbs: of `/device` with `reset`, `/reset` would be the next guess."""
    done = {"sync": {"state": "ok"}, "reset": {"count": 1}, "logout": {"after": 30}, "restartedAt": "2026-01-01", "zappedAt": "x"}
    rows = [{"id": n, "name": f"n{n}", **done} for n in range(7)]
    api = serve({"/user": rows, "/device": rows, "/account": rows, "/job": rows})
    crawl = Crawl(Scout(api.base_url, "X", 200))
    Guesses(crawl, ["fleet"]).run()
    crawl.scout.close()
    assert {route.path for route in crawl.routes.values()} == {"/user", "/device", "/account", "/job"}
    last = {address.partition("?")[0].rpartition("/")[2] for address in api.asked}
    assert not last & {"sync", "reset", "logout", "restart", "zap", "run", "build"}


@pytest.mark.parametrize("path", ["/reset", "/jobs/{jobId}/run", "/api/v1/restart.json", "/send-mail", "/refreshToken", "/Sync"])
def test_what_may_act_is_a_verb_alone_or_in_front(path: str) -> None:
    assert may_act(path)


@pytest.mark.parametrize("path", ["/resets", "/runs", "/jobs/{jobId}/builds", "/export_jobs", "/news", "/", "/release_notes"])
def test_a_plural_acts_on_nothing(path: str) -> None:
    assert not may_act(path)


def test_lists_that_a_person_names_are_read_by_records_of_those_they_hang_on(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve(CAMPUS)
    wanted = Wanted(paths=("/faculties/{code}/programmes", "/programmes/{id}/courses", SITTINGS, MARKS))
    pack = discover(settings, "acme", api.base_url, wanted, budget=140)
    found = routes_of(pack)
    assert (found["sitting"], found["mark"]) == (SITTINGS, MARKS)
    fills = {known.parameter: known.candidates for known in pack.identifiers if known.path == MARKS}
    assert fills == {"courseCode": ["sitting.courseCode"], "term": ["sitting.term"], "group": ["sitting.group"]}
    assert pack.paths == list(wanted.paths)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/studnts",
            r"campus names what is no list: /studnts: GET /studnts answers 404. Paths are below http://.*; lists found there: /students",
        ),
        ("/students/{id}/debts", r"/students/\{id\}/debts: GET /students/0/debts answers 404"),
        ("/students/{shoeSize}/x/{hat}/y", r"no list with records was found that \{hat\} names one of"),
    ],
)
def test_a_named_list_that_is_none_is_an_error_that_names_it_and_of_an_earlier_run_a_gap(
    path: str, said: str, serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve({"/": {"students": "/students"}, **{key: CAMPUS[key] for key in ("/students", "/faculties")}})
    with pytest.raises(ConfigurationError, match=said):
        discover(settings, "campus", api.base_url, Wanted(paths=(path,)))
    pack = discover(settings, "campus", api.base_url, Wanted(kept=(path, "/faculties")))
    assert [each.about for each in pack.evidence if each.about == f"GET {path}" and each.finding == "gap"] == [f"GET {path}"]
    assert pack.paths == ["/faculties"]


def test_a_list_in_the_override_is_found_out_about_at_the_next_run_and_kept(
    serve: Callable[..., Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = serve({"/": {"students": "/students"}, **{key: CAMPUS[key] for key in ("/students", "/faculties", "/loans")}})
    monkeypatch.setenv("CAMPUS_BASE_URL", api.base_url)
    (settings.project / "playbooks").symlink_to(Path(__file__).parent.parent.parent / "playbooks")

    def run(*lists: str) -> Pack:
        return pack_for(settings, "campus", Options(lists=lists), Console(out=io.StringIO()))

    assert set(routes_of(run())) == {"student"}
    assert set(routes_of(run("/faculties"))) == {"student", "faculty"}
    file = settings.intelligence / "campus.override.yaml"
    file.write_text("paths: [/loans]\n", encoding="utf-8")
    assert set(routes_of(run())) == {"student", "faculty", "loan"}
    before = len(api.asked)
    run("/faculties")
    assert len(api.asked) == before, "what is known is not found out again"
    file.write_text("paths: [/loans, fees]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"campus.override.yaml, paths: 'fees' is no path of a list"):
        run()
    file.write_text("paths: /loans\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="paths: a list of paths is expected"):
        run()


@pytest.mark.parametrize("text", ["students", "/a b", "a b=c", "http://other/a", "/a/../b", "/a/{id}/b/{id}", "/a,", "/{}"])
def test_what_is_no_path_is_told_with_what_is(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--list: .* is no path of a list: it begins with / below the base URL"):
        paths_of([text], "--list")
    assert paths_of(["/a,/b/{id}/c", "/a"], "--list") == ("/a", "/b/{id}/c")


def test_a_list_that_the_description_leaves_out_is_asked_for_where_ids_name_it(
    serve: Callable[..., Any], settings: Settings
) -> None:
    calls = [{"id": n, "berthCode": f"B{n % 3}", "hsCode": "0901", "agentId": n} for n in range(9)]
    listed = {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}}
    reply = {"200": {"description": "", "content": {"application/json": {"schema": listed}}}}
    paths = {path: {"get": {"responses": reply}} for path in ("/v1/calls", "/v1/pilots")}
    api = serve(
        {
            "/openapi.json": {"openapi": "3.0.0", "info": {"title": "Port", "version": "1"}, "paths": paths},
            "/v1/calls": calls,
            "/v1/berths": [{"code": f"B{n}", "metres": n} for n in range(3)],
        }
    )
    told: list[str] = []
    pack = discover(settings, "port", api.base_url, say=told.append)
    assert routes_of(pack) == {"call": "/v1/calls", "berth": "/v1/berths"}
    assert "not described, and there: GET /v1/berths ('berthCode' in the records of GET /v1/calls)" in told
    assert [each.about for each in pack.evidence if each.finding == "gap"] == ["GET /v1/pilots"]
    assert not [path for path in api.asked if path.startswith("/v1/hs")], "a number of customs names no list"
    assert len([path for path in api.asked if path.startswith("/v1/agent")]) <= 2


def test_names_of_a_domain_get_likelier_with_each_that_is_there() -> None:
    names = Names(["acme"])
    before = names.chance("loans")
    names.hit("books")
    names.hit("copies")
    assert names.chance("loans") > before
    library = Names(["city library"])
    assert library.likeliest() is not None
    assert library.chance("books") > names.chance("books")


def test_a_field_names_lists_by_what_it_holds() -> None:
    names = Names([])
    names.read([{"orchards": ORCHARDS, "grower": {"id": 1}, "pickedOn": "2025-01-01", "crateCode": "C1", "name": "x"}], "GET /y")
    hints = {name: names.chance(name) for name in ("orchards", "growers", "picks", "crates", "names")}
    assert min(hints["orchards"], hints["growers"], hints["crates"]) >= 0.1
    assert hints["picks"] > hints["names"] == 0.0


def test_the_vocabulary_is_of_one_form() -> None:
    known = vocabulary()
    for domain in known.domains:
        below = [name for names in domain.below.values() for name in names]
        for name in (*domain.lists, *domain.below, *below):
            assert isinstance(name, str)
            assert of(name) == name
        assert len(set(domain.lists)) == len(domain.lists)
    assert (of("PurchaseOrder"), of("purchase-orders"), of("staff"), of("semester")) == (
        "purchase_orders", "purchase_orders", "staff", "semesters",
    )  # fmt: skip


def test_lists_in_the_singular_are_found_where_records_tell_their_address_so(
    serve: Callable[..., Any], settings: Settings
) -> None:
    """As Jira has it: `/users` is the only plural, and what is to be done is listed by `/search` alone."""
    users = [{"self": f"{{origin}}/user?id={n}", "id": n, "displayName": f"N{n}"} for n in range(1, 13)]
    projects = [{"self": f"{{origin}}/project/{n}", "id": n, "key": f"P{n}"} for n in range(1, 5)]
    tasks = [{"id": 900 + n, "key": f"P1-{n}", "projectId": 1 + n % 4} for n in range(60)]
    api = serve(
        {
            "/users": users,
            "/project": projects,
            "/search": lambda _, query, __: {"startAt": 0, "total": 60, "tasks": tasks[int(query.get("startAt", 0)) :][:50]},
        },
        missing=(404, {"errorMessages": ["null for uri"]}, {}),
    )
    found = routes_of(discover(settings, "tracker", api.base_url, Wanted()))
    assert found == {"user": "/users", "project": "/project", "task": "/search"}
    nothing = serve({"/users": users[:3], "/search": (400, {"error": "q is required"}, {})})
    pack = discover(settings, "other", nothing.base_url, Wanted())
    assert "/search" not in {endpoint.path for endpoint in pack.endpoints}
