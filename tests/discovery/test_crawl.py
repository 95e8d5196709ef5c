"""APIs without a description: what following their answers finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.discovery.discover import discover
from spectra_assets.errors import SourceError
from spectra_assets.intelligence.model import Pack
from spectra_assets.intelligence.verbs import ACTS, MAY_ACT
from spectra_assets.settings import Settings

USERS = [{"id": n, "login": f"user{n}", "name": f"Name {n}", "url": f"{{origin}}/users/user{n}"} for n in range(1, 8)]
REPOS = [
    {
        "id": 100 + n,
        "name": f"repo-{n}",
        "owner": {"id": 1 + n % 7, "login": f"user{1 + n % 7}", "url": f"{{origin}}/users/user{1 + n % 7}"},
        "issues_url": f"{{origin}}/repos/user{1 + n % 7}/repo-{n}/issues{{/number}}",
        "open": n % 2 == 0,
    }
    for n in range(12)
]


def routes_of(pack: Pack) -> dict[str, list[str]]:
    return {hint.entity: hint.routes for hint in pack.entities}


def candidates(pack: Pack, path: str) -> dict[str, list[str]]:
    return {known.parameter: known.candidates for known in pack.identifiers if known.path == path}


def issues(match: Any, *_: Any) -> list[dict[str, Any]]:
    number = int(match["repo"].removeprefix("repo-"))
    return [
        {"number": n, "title": f"issue {n} of {number}", "user": {"id": 1, "login": "user1"}} for n in range(1, 2 + number % 3)
    ]


def test_a_root_of_templates_leads_to_lists_and_to_lists_that_hang_on_them(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve(
        {
            "/": {
                "users_url": "{origin}/users{?page,per_page}",
                "repos_url": "{origin}/repos",
                "user_search_url": "{origin}/search/users?q={query}{&page}",
                "logout_url": "{origin}/logout",
            },
            "/users": USERS,
            "/users/(?P<login>user[1-7])": lambda match, *_: next(user for user in USERS if user["login"] == match["login"]),
            "/repos": REPOS,
            "/repos/(?P<owner>[^/]+)/(?P<repo>[^/]+)/issues": issues,
        }
    )
    pack = discover(settings, "hub", api.base_url)
    assert routes_of(pack) == {
        "user": ["/users"],
        "repo": ["/repos"],
        "issue": ["/repos/{ownerLogin}/{repoName}/issues"],
    }
    assert candidates(pack, "/repos/{ownerLogin}/{repoName}/issues") == {
        "ownerLogin": ["repo.owner.login"],
        "repoName": ["repo.name"],
    }
    assert pack.endpoint("/users").query == ["page", "per_page"]
    assert pack.excluded["/logout"] == "its name tells an action, not a list"
    assert not any("logout" in asked for asked in api.asked)
    assert any(path.startswith("/users/{") for path in pack.excluded)
    assert api.methods == {"GET"}


def test_addresses_of_lists_in_a_map_of_a_record_are_followed(serve: Callable[..., Any], settings: Settings) -> None:
    """As Twilio has them: without a host, under names of their own."""

    def account(sid: str) -> dict[str, Any]:
        uris = {"messages": f"/v1/accounts/{sid}/Messages.json", "calls": f"/v1/accounts/{sid}/Calls.json"}
        return {"sid": sid, "name": f"n{sid}", "subresource_uris": uris, "places": {"a": f"/v1/accounts/{sid}/A", "b": "/v1/b"}}

    api = serve(
        {
            "/v1/": {"accounts": "/v1/accounts.json"},
            "/v1/accounts.json": {"accounts": [account("AC1x9"), account("AC2y8")]},
            "/v1/accounts/(?P<a>AC..[89])/(?P<what>Messages|Calls|A).json": lambda match, *_: {
                match["what"].lower(): [{"sid": f"{match['what'][0]}{n}{match['a']}", "price": n} for n in range(3)]
            },
            "/v1/accounts/(?P<a>AC..[89])/A": lambda match, *_: [{"sid": f"A{n}{match['a']}", "size": n} for n in range(2)],
        }
    )
    found = routes_of(discover(settings, "calls", f"{api.base_url}/v1", budget=60))
    assert found["message"] == ["/accounts/{sid}/Messages.json"]
    assert {"account", "call", "a"} <= found.keys()


def test_no_address_of_an_action_is_asked_whoever_tells_it(serve: Callable[..., Any], settings: Settings) -> None:
    """Bitbucket's pull requests link to their `merge` and `decline`: at a home-grown API a GET of them may do it."""

    def pull(number: int) -> dict[str, Any]:
        here = f"{{origin}}/pulls/{number}"
        return {
            "id": number,
            "title": f"P{number}",
            "links": {word: {"href": f"{here}/{word}"} for word in ("comments", "merge", "decline", "release")},
            "_actions": {"ship": {"href": f"{here}/shipping"}},
            "more": [{"rel": "escalation", "href": f"{here}/escalation", "method": "POST"}],
        }

    api = serve(
        {
            "/": {"pulls": "{origin}/pulls", "build": "{origin}/build", "resync": "{origin}/resync"},
            "/pulls": [pull(number) for number in range(1, 7)],
            "/pulls/[1-6]/comments": [{"id": 1, "text": "so"}, {"id": 2, "text": "be it"}],
            "/.*": [{"id": 1, "done": True}],
        }
    )
    pack = discover(settings, "code", api.base_url, budget=80)
    last = {address.partition("?")[0].rpartition("/")[2] for address in api.asked}
    assert not last & {"merge", "decline", "release", "shipping", "escalation", "build", "resync"}
    assert "comments" in last
    why = {path.rpartition("/")[2]: reason for path, reason in pack.excluded.items()}
    assert (why["merge"], why["decline"], why["escalation"], why["resync"]) == (ACTS,) * 4
    assert (why["release"], why["shipping"], why["build"]) == (MAY_ACT,) * 3


def test_hal_links_are_followed_and_one_record_is_no_list(serve: Callable[..., Any], settings: Settings) -> None:
    def order(number: int) -> dict[str, Any]:
        links = {"self": {"href": f"/shop/orders/{number}"}, "lines": {"href": f"/shop/orders/{number}/lines"}}
        return {"orderNo": number, "total": number * 2.5, "_links": links}

    api = serve(
        {
            "/shop/?": {"_links": {"self": {"href": "/shop"}, "orders": {"href": "/shop/orders{?page}", "templated": True}}},
            "/shop/orders": {
                "_embedded": {"orders": [order(n) for n in range(50, 60)]},
                "_links": {"self": {"href": "/shop/orders"}},
            },
            r"/shop/orders/(?P<n>\d+)": lambda match, *_: order(int(match["n"])),
            r"/shop/orders/(?P<n>\d+)/lines": lambda match, *_: [{"line": n, "sku": f"s{match['n']}{n}"} for n in range(3)],
        }
    )
    pack = discover(settings, "shop", f"{api.base_url}/shop")
    assert routes_of(pack) == {"order": ["/orders"], "line": ["/orders/{orderNo}/lines"]} or routes_of(pack) == {
        "order": ["/orders"],
        "line": ["/orders/{orderOrderNo}/lines"],
    }
    assert [known.candidates for known in pack.identifiers if known.path in routes_of(pack)["line"]] == [["order.orderNo"]]


def test_odata_names_its_sets(serve: Callable[..., Any], settings: Settings) -> None:
    sets = [{"name": "People", "kind": "EntitySet", "url": "People"}, {"name": "Trips", "kind": "EntitySet", "url": "Trips"}]
    api = serve(
        {
            "/odata/": {"@odata.context": "{origin}/odata/$metadata", "value": sets},
            "/odata/People": {"value": [{"UserName": f"u{n}", "Age": n} for n in range(9)]},
            "/odata/Trips": {"value": [{"TripId": n, "UserName": f"u{n % 9}"} for n in range(20)]},
        }
    )
    pack = discover(settings, "trippin", f"{api.base_url}/odata")
    assert set(map(tuple, routes_of(pack).values())) == {("/People",), ("/Trips",)}


def test_without_any_link_usual_names_and_ids_in_records_are_tried(serve: Callable[..., Any], settings: Settings) -> None:
    posts = [
        {"id": n, "authorId": 1 + n % 4, "title": f"t{n}", "commentCount": 2, "editorIds": [n, n + 1][: n % 3]}
        for n in range(1, 13)
    ]
    api = serve(
        {
            "/posts": posts,
            "/authors": [{"id": n, "name": f"a{n}"} for n in range(1, 5)],
            "/editors": [{"id": n, "desk": f"d{n}"} for n in range(1, 15)],
            r"/posts/(?P<id>\d+)/comments": lambda match, *_: [{"id": int(match["id"]) * 10 + n, "text": "x"} for n in range(2)],
        }
    )
    pack = discover(settings, "blog", api.base_url, budget=170)
    assert routes_of(pack) == {
        "post": ["/posts"],
        "author": ["/authors"],
        "editor": ["/editors"],
        "comment": ["/posts/{postId}/comments"],
    }
    assert candidates(pack, "/posts/{postId}/comments") == {"postId": ["post.id"]}


def test_ids_that_nothing_answers_are_gaps(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve({"/": {"posts": "{origin}/posts"}, "/posts": [{"id": n, "warehouseId": n % 3} for n in range(9)]})
    pack = discover(settings, "blog", api.base_url)
    gaps = [each for each in pack.evidence if each.finding == "gap"]
    assert any("warehouseId" in each.about + each.evidence for each in gaps)


@pytest.mark.parametrize(
    "missing",
    [
        (200, b"<html><body>Welcome</body></html>", {"Content-Type": "text/html"}),
        (200, {"error": "no such route"}, {}),
        (200, [], {}),
    ],
    ids=["web page", "object", "empty list"],
)
def test_a_server_that_answers_200_for_everything_has_only_what_differs(
    serve: Callable[..., Any], settings: Settings, missing: Any
) -> None:
    api = serve({"/users": [{"id": n, "name": f"n{n}"} for n in range(5)]}, missing=missing)
    pack = discover(settings, "soft", api.base_url, budget=120)
    assert routes_of(pack) == {"user": ["/users"]}


def test_one_kind_at_two_addresses_is_one_entity_and_two_kinds_of_one_name_are_two(
    serve: Callable[..., Any], settings: Settings
) -> None:
    tasks = [{"id": n, "projectId": n % 3, "title": f"t{n}", "done": n % 2 == 0} for n in range(30)]
    notes = [{"key": f"n{n}", "lines": n, "size": n * 3} for n in range(4)]
    api = serve(
        {
            "/": {"projects": "/projects", "tasks": "/tasks", "people": "/people"},
            "/projects": [{"id": n, "tasks_url": f"/projects/{n}/tasks", "notes_url": f"/projects/{n}/notes"} for n in range(3)],
            "/people": [{"id": n, "name": f"p{n}", "notes_url": f"/people/{n}/notes"} for n in range(3)],
            "/tasks": tasks,
            r"/projects/(?P<id>\d+)/tasks": lambda match, *_: [task for task in tasks if task["projectId"] == int(match["id"])],
            r"/projects/(?P<id>\d+)/notes": [{"id": n, "text": f"x{n}"} for n in range(4)],
            r"/people/(?P<id>\d+)/notes": notes,
        }
    )
    pack = discover(settings, "team", api.base_url)
    found = routes_of(pack)
    assert found["task"] == ["/tasks", "/projects/{projectId}/tasks"]
    assert {"projectNote", "personNote"} <= set(found) or {"projectNote", "peopleNote"} <= set(found)


def test_a_record_beside_another_is_not_that_other(serve: Callable[..., Any], settings: Settings) -> None:
    """As at Chargebee: a subscription comes with its customer and card beside it, a customer with its card."""
    customers = [
        {"customer": {"id": f"c{n}", "name": f"C {n}"}} | ({"card": {"last4": f"{n:04}"}} if n % 3 else {}) for n in range(12)
    ]
    subscriptions = [
        {"subscription": {"id": f"s{n}", "plan": "a"}, "customer": customers[n]["customer"], "card": {"last4": f"{n:04}"}}
        for n in range(10)
    ]
    routes = {"/customers": {"list": customers}, "/subscriptions": {"list": subscriptions}}
    api = serve({"/": {name[1:]: f"{{origin}}{name}" for name in routes}, **routes})
    pack = discover(settings, "bills", api.base_url)
    assert {hint.entity: hint.routes for hint in pack.entities} == {
        "customer": ["/customers"],
        "subscription": ["/subscriptions"],
    }


def test_a_kind_is_not_called_like_one_of_those_that_it_hangs_on(serve: Callable[..., Any], settings: Settings) -> None:
    """As at Bitbucket: `/repositories/acme` are the repositories of one workspace, and no acmes."""
    spaces = [{"slug": slug, "links": {"repositories": f"{{origin}}/repositories/{slug}"}} for slug in ("acme", "labs", "core")]
    repositories = {slug["slug"]: [{"uuid": f"{slug['slug']}-{n}", "size": n} for n in range(3)] for slug in spaces}
    api = serve(
        {
            "/": {"workspaces": "{origin}/workspaces", "mine": "{origin}/repositories/acme"},
            "/workspaces": spaces,
            r"/repositories/(?P<slug>\w+)": lambda match, *_: repositories.get(match["slug"], (404, {}, {})),
        }
    )
    pack = discover(settings, "forge", api.base_url)
    assert {hint.entity for hint in pack.entities} == {"workspace", "repository"}


def test_records_whose_own_addresses_lie_in_another_list_are_of_its_kind(serve: Callable[..., Any], settings: Settings) -> None:
    def of(first: int, place: str) -> Any:
        numbers = range(first, first + 4)
        return lambda match, *_: [
            {"id": n + 10 * int(match["id"]), "text": f"t{n}", "url": f"http://api.example{place}/{n + 10 * int(match['id'])}"}
            for n in numbers
        ]

    owners = {
        name: [{"id": n, "label": name, "tasks_url": f"/{name}/{n}/tasks", "notes_url": f"/{name}/{n}/notes"} for n in range(3)]
        for name in ("projects", "people")
    }
    api = serve(
        {
            "/": {name: f"/{name}" for name in owners},
            **{f"/{name}": rows for name, rows in owners.items()},
            r"/projects/(?P<id>\d+)/tasks": of(100, "/projects/1/tasks"),
            r"/people/(?P<id>\d+)/tasks": of(500, "/projects/1/tasks"),
            r"/projects/(?P<id>\d+)/notes": of(100, "/notes"),
            r"/people/(?P<id>\d+)/notes": of(500, "/notes"),
        }
    )
    found = routes_of(discover(settings, "team", api.base_url))
    assert [sorted(paths) for name, paths in found.items() if "ask" in name] == [
        ["/people/{personId}/tasks", "/projects/{projectId}/tasks"]
    ]
    assert len([name for name in found if "ote" in name]) == 2, "neither list has all of one kind"


def test_the_budget_is_kept_and_told(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve({"/users": USERS})
    with pytest.raises(SourceError, match=r"no list of records was found .* in 1 requests"):
        discover(settings, "small", api.base_url, budget=1)
    assert len(api.asked) == 1


def test_addresses_of_another_host_are_never_asked(serve: Callable[..., Any], settings: Settings) -> None:
    other = serve({"/.*": [{"id": 1}]})
    api = serve({"/": {"users": "{origin}/users", "stolen": f"{other.base_url}/users"}, "/users": USERS})
    pack = discover(settings, "safe", api.base_url)
    assert routes_of(pack) == {"user": ["/users"]}
    assert other.asked == []
    assert any(each.finding == "gap" and other.base_url in each.about for each in pack.evidence)


@pytest.mark.parametrize("base", ["/rest", ""])
def test_links_to_the_name_behind_a_proxy_are_asked_for_here(base: str, serve: Callable[..., Any], settings: Settings) -> None:
    inside = f"http://gym-internal.local:8080{base}"
    named = {name: f"{inside}/{name}" for name in ("bookings", "trainers", "ghosts")}
    api = serve(
        {
            f"{base}/?": {"ok": True, "payload": {"resources": named}},
            f"{base}/bookings": [{"bookingId": n, "paid": n % 2 == 0} for n in range(9)],
            f"{base}/trainers": [{"trainerNo": n, "name": f"Name {n}"} for n in range(5)],
        }
    )
    pack = discover(settings, "gym", f"{api.base_url}{base}")
    assert routes_of(pack) == {"booking": ["/bookings"], "trainer": ["/trainers"]}
    told = {each.about: each.evidence for each in pack.evidence}
    assert "on another host" in told["booking"]
    assert "gym-internal.local" in told["booking"]
    assert told[f"{inside}/ghosts"] == "on another host, not followed; at the base URL it is not: 404"


def test_links_to_several_other_hosts_are_told_and_not_followed(serve: Callable[..., Any], settings: Settings) -> None:
    others = {"orders": "http://one.example/orders", "people": "http://two.example/people", "docs": "http://docs.example/x"}
    api = serve({"/": {"users": "/users", **others}, "/users": USERS, "/orders": USERS})
    pack = discover(settings, "shop", api.base_url)
    assert routes_of(pack) == {"user": ["/users"]}
    gaps = {each.about for each in pack.evidence if each.finding == "gap"}
    assert {others["orders"], others["people"]} <= gaps
    assert others["docs"] not in gaps
    assert "/orders" not in api.asked


def test_whatever_answers_a_path_that_is_none_is_no_endpoint(serve: Callable[..., Any], settings: Settings) -> None:
    """As Notion: 400 for it, in the same words with another id of the request."""
    number = iter(range(10**6))

    def refused(match: Any, query: Any, headers: Any) -> Any:
        body = {"object": "error", "status": 400, "code": "invalid_request_url", "message": "Invalid request URL."}
        return 400, {**body, "request_id": f"r-{next(number)}"}, {}

    users = [{"id": f"u{n}", "name": f"n{n}", "groupId": n % 3} for n in range(8)]
    pack = discover(settings, "demo", serve({"/users": users, ".*": refused}).base_url)
    assert [entity.entity for entity in pack.entities] == ["user"]
    assert {endpoint.path for endpoint in pack.endpoints} == {"/users"}


def test_what_an_entry_of_a_list_holds_whole_is_no_kind_of_its_own(serve: Callable[..., Any], settings: Settings) -> None:
    """As FHIR: entries of a bundle hold the resource that its own address gives."""
    people = [{"resourceType": "Patient", "id": f"p{n}", "gender": "f", "birthDate": f"1990-01-{n:02d}"} for n in range(10, 20)]
    entries = [{"fullUrl": f"{{origin}}/Patient/{each['id']}", "resource": each} for each in people]
    routes = {
        "/": {"patients": "{origin}/Patient"},
        "/Patient": {
            "resourceType": "Bundle",
            "id": "b1",
            "total": 10,
            "link": [{"relation": "self", "url": "x"}],
            "entry": entries,
        },
        r"/Patient/(?P<id>\w+)": lambda match, *_: next((each for each in people if each["id"] == match["id"]), (404, {}, {})),
    }
    pack = discover(settings, "demo", serve(routes).base_url)
    assert {hint.entity: hint.routes for hint in pack.entities} == {"patient": ["/Patient"]}
