"""Probing: parameters filled consistently, entities first, and endpoints that hang, redirect or answer web pages."""

from __future__ import annotations

import pytest

from spectra_assets.errors import CredentialError
from spectra_assets.intelligence.model import Endpoint, Identifier, Parameter
from spectra_assets.intelligence.verbs import ACTS, MAY_ACT
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.source.probing import Prober
from tests.stages.listserver import ListServer, Reply, pack, rows


def probed(server, known, budget=60, **options):
    with server.client(**options) as client:
        wire = Wire(client, budget)
        return {probe.endpoint.path: probe for probe in Prober(wire, known).run()}, wire


REPOS = [{"name": name, "owner": {"login": owner}} for owner, name in (("ann", "one"), ("bob", "two"), ("cy", "three"))]


def test_several_parameters_are_filled_from_one_record():
    """A mix of one record's owner and another's name would not be found."""
    issues = {f"/repos/{repo['owner']['login']}/{repo['name']}/issues": lambda call: rows(6) for repo in REPOS}
    path = "/repos/{owner}/{repo}/issues"
    ids = [
        Identifier(parameter="owner", candidates=["repos.owner.login"]),
        Identifier(parameter="repo", candidates=["repos.name"]),
    ]
    with ListServer({"/repos": lambda call: REPOS, **issues}) as server:
        probes, _ = probed(server, pack("/repos", path, identifiers=ids))
        assert {call.path for call in server.calls} <= {"/repos", *issues}
    assert (probes[path].sight.rows, probes[path].picks["owner"].value) == (6, "ann")


def test_a_parameter_may_come_from_what_the_record_was_asked_for_with():
    boards = {f"/projects/{n}/boards": (lambda call, n=n: rows(2, 10 * n)) for n in (1, 2, 3)}
    cards = {f"/projects/{n}/boards/{b}/cards": lambda call: rows(5) for n in (1, 2, 3) for b in (10 * n, 10 * n + 1)}
    ids = [Identifier(parameter="p", candidates=["projects.id"]), Identifier(parameter="b", candidates=["boards.id"])]
    known = pack("/projects", "/projects/{p}/boards", "/projects/{p}/boards/{b}/cards", identifiers=ids)
    with ListServer({"/projects": lambda call: rows(3), **boards, **cards}) as server:
        probes, _ = probed(server, known)
        assert {call.path for call in server.calls} <= {"/projects", *boards, *cards}
    assert probes["/projects/{p}/boards/{b}/cards"].sight.rows == 5


def test_an_identifier_may_hold_for_one_path_only():
    ids = [
        Identifier(parameter="id", candidates=["users.id"], path="/users/{id}/posts"),
        Identifier(parameter="id", candidates=["albums.id"], path="/albums/{id}/photos"),
    ]
    routes = {"/users": lambda call: rows(1, 7), "/albums": lambda call: rows(1, 8)}
    routes |= {"/users/7/posts": lambda call: rows(5), "/albums/8/photos": lambda call: rows(5)}
    with ListServer(routes) as server:
        probes, _ = probed(server, pack("/users", "/albums", "/users/{id}/posts", "/albums/{id}/photos", identifiers=ids))
    assert [probes[path].sight.rows for path in ("/users/{id}/posts", "/albums/{id}/photos")] == [5, 5]


def test_what_may_do_something_is_not_asked_either():
    known = pack("/jobs", "/jobs/{job}/run", "/resync", identifiers=[Identifier(parameter="job", candidates=["jobs.id"])])
    known = known.model_copy(update={"excluded": {"/jobs/{job}/run": MAY_ACT, "/resync": ACTS}})
    entities = [entity for entity in known.entities if entity.entity == "jobs"]
    with ListServer({"/jobs": lambda call: rows(3), "/resync": lambda call: {"done": True}}) as server:
        probes, _ = probed(server, known.model_copy(update={"entities": entities}))
        assert {call.path for call in server.calls} == {"/jobs"}
    assert [probes[path].reason for path in ("/jobs/{job}/run", "/resync")] == [MAY_ACT, ACTS]


def test_a_list_that_wants_to_know_how_many_is_told_by_its_described_parameter():
    """As Magento, which refuses a list without any of its search criteria."""

    def orders(call):
        asked = call.query.get("searchCriteria[pageSize]")
        return {"items": rows(int(asked)), "total_count": 90} if asked else Reply({"message": "criteria required"}, status=400)

    known = pack("/orders", query=("searchCriteria[pageSize]", "searchCriteria[currentPage]", "fields"))
    with ListServer({"/orders": orders}) as server:
        probes, _ = probed(server, known)
    assert (probes["/orders"].sight.rows, probes["/orders"].url) == (25, "/orders?searchCriteria%5BpageSize%5D=25")


def test_demanded_query_parameters_are_filled():
    def answer(call):
        return rows(6) if call.query.get("state") in ("open", "all") else Reply({"error": "state is needed"}, 400)

    known = pack("/things", query=["state"], parameters=(Parameter(name="state", required=True, values=["open", "all"]),))
    with ListServer({"/things": answer}) as server:
        probes, _ = probed(server, known)
    assert (probes["/things"].sight.rows, probes["/things"].picks["state"].value) == (6, "all")


def test_a_value_with_signs_stays_one_segment():
    ids = [Identifier(parameter="k", candidates=["keys.id"])]
    with ListServer({"/keys": lambda call: [{"id": "a/b?c"}, {"id": ".."}], "/keys/a%2Fb%3Fc/x": lambda call: rows(6)}) as server:
        probes, _ = probed(server, pack("/keys", "/keys/{k}/x", identifiers=ids))
    assert probes["/keys/{k}/x"].sight.rows == 6


def test_entities_come_before_hundreds_of_others():
    endpoints = [Endpoint(method="GET", path=f"/other/{n}", group="") for n in range(300)]
    routes = {"/parents": lambda call: rows(6), "/parents/1/children": lambda call: rows(6)}
    known = pack("/parents", "/parents/{p}/children", identifiers=[Identifier(parameter="p", candidates=["parents.id"])])
    known = known.model_copy(update={"endpoints": [*endpoints, *known.endpoints]})
    with ListServer(routes) as server:
        probes, wire = probed(server, known, budget=20)
        assert len(server.calls) == wire.sent == 20
    assert probes["/parents/{p}/children"].sight.rows == 6
    assert sum("budget" in probe.reason for probe in probes.values()) == 282


# ---------------------------------------------------------------- endpoints that misbehave


def test_each_misbehaviour_has_its_category():
    def hang(call):
        server.over.wait(60)
        return []

    routes = {
        "/fine": lambda call: rows(6),
        "/page": lambda call: Reply(b"<!doctype html><p>Sign in", headers={"Content-Type": "text/html"}),
        "/circle": lambda call: Reply(b"", 302, {"Location": "/circle"}),
        "/away": lambda call: Reply(b"", 302, {"Location": "http://127.0.0.2:9/x"}),
        "/cut": lambda call: Reply(b'[{"id": 1}, {"i'),
        "/huge": lambda call: Reply(b"[" + b" " * 300_000 + b"]"),
        "/hang": hang,
        "/deep": lambda call: Reply(b"[" * 100_000),
        "/gone": lambda call: Reply({}, 410),
        "/closed": lambda call: Reply({"message": "admins only"}, 403),
    }
    with ListServer(routes) as server:
        probes, _ = probed(server, pack(*routes), timeout=(20, 1), attempts=2, max_body=200_000)
    found = {path: (probe.sight.category, bool(probe.reason)) for path, probe in probes.items()}
    assert found == {
        "/fine": ("readable", False),
        "/page": ("notJson", True),
        "/circle": ("broken", True),
        "/away": ("broken", True),
        "/cut": ("notJson", True),
        "/huge": ("broken", True),
        "/hang": ("unreachable", True),
        "/deep": ("notJson", True),
        "/gone": ("gone", True),
        "/closed": ("forbidden", True),
    }


@pytest.mark.parametrize("status", [401, 0])
def test_closed_or_hanging_endpoints_are_no_refused_credential_and_no_dead_api(status):
    def closed(call):
        if not status:
            server.over.wait(60)
        return Reply({}, status or 200)

    paths = [f"/closed/{n}" for n in range(6)]
    with ListServer({"/fine": lambda call: rows(6), **dict.fromkeys(paths, closed)}) as server:
        probes, _ = probed(server, pack("/fine", *paths), timeout=(20, 0.5), attempts=1)
    assert {probes[path].sight.category for path in paths} == {"unauthorized" if status else "unreachable"}


def test_a_credential_that_is_refused_everywhere_ends_it():
    paths = [f"/things/{n}" for n in range(6)]
    with ListServer(dict.fromkeys(paths, lambda call: Reply({}, 401))) as server, pytest.raises(CredentialError, match="401"):
        probed(server, pack(*paths))
