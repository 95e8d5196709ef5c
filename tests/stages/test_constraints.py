"""Measuring: every style of paging and its traps, on real servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spectra_assets.covenant.access import OffsetPaging
from spectra_assets.stages.asking.sampling import Asked, Explorer
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.prepare.paging.constraints import Habits, measure
from spectra_assets.stages.prepare.paging.measuring import _Survey
from tests.stages.listserver import Call, ListServer, Reply, capped, link, offset, pack, paged, rows

ROWS = rows(37)


def measured(answer: Any, named: Any = (), paging: Any = (), size: int = 500, budget: int = 60, path: str = "/things"):
    """(paging as JSON, constraint → value, Measured, requests) of one list, and its listing to the end."""
    with ListServer({path: answer}) as server, server.client() as client:
        explorer = Explorer(Wire(client, budget), pack(path, paging=paging, query=named), {})
        result = measure(explorer, Asked(path), list(paging), list(named), size)
        sent = len(server.calls)
        explorer.paging[path] = result.paging
        explorer.wire.budget += 100
        read = explorer.listing(Asked(path, query=tuple(result.query.items())), 60)
    facts = {finding.constraint: finding.value for finding in result.findings}
    assert len(facts) == len(result.findings)
    return json.loads(facts["paging"]), facts, read, sent


def whole(read: Any, count: int = 37) -> bool:
    return (read.failure, read.whole, [record["id"] for record in read.records]) == ("", True, list(range(1, count + 1)))


def test_a_next_page_at_what_is_no_address_is_none():
    def answer(call: Call) -> Reply:
        return Reply({"items": ROWS, "next": "http://[x?page=2"}, headers={"Link": '<http://[x>; rel="next"'})

    style, _, read, _ = measured(answer)
    assert style["kind"] == "none"
    assert whole(read)


# ---------------------------------------------------------------- by number


@pytest.mark.parametrize(
    ("page", "size"),
    [("page", "per_page"), ("page", "size"), ("_page", "_limit"), ("pageNumber", "pageSize"), ("page[number]", "page[size]"),
     ("page", "page_size"), ("page", "limit")],
)  # fmt: skip
@pytest.mark.parametrize("first", [0, 1])
def test_pages_are_found_without_a_description(page, size, first):
    style, facts, read, sent = measured(paged(ROWS, page, size, first))
    assert (style["kind"], style["page_param"], style["size_param"], style["first"]) == ("page", page, size, first)
    assert (facts["firstPage"], facts["pastTheEnd"], facts["largestPageSize"]) == (str(first), "empty", "500")
    assert whole(read)
    assert sent <= 22


@pytest.mark.parametrize(
    ("name", "size"),
    [("offset", "limit"), ("_start", "_limit"), ("$skip", "$top"), ("skip", "take"), ("start", "count"),
     ("startAt", "maxResults"), ("page[offset]", "page[limit]"), ("offset", "pagesize")],
)  # fmt: skip
def test_offsets_are_found_without_a_description(name, size):
    style, facts, read, _ = measured(offset(ROWS, name, size))
    assert (style["kind"], style["offset_param"], style["size_param"]) == ("offset", name, size)
    assert (facts["defaultPageSize"], facts["offsetIgnored"]) == ("10", "false")
    assert whole(read)


def test_described_names_cost_few_requests():
    style, _, read, sent = measured(offset(ROWS, "from_row", "n", most=20), ["offset", "n", "status"])
    assert style["kind"] == "none"
    style, _, read, sent = measured(offset(ROWS, "skip", "n", most=20), ["skip", "n", "status"])
    assert (style["offset_param"], style["size_param"], style["size"]) == ("skip", "n", 20)
    assert whole(read)
    assert sent <= 8


def test_first_may_be_an_offset():
    style, _, read, _ = measured(offset(ROWS, "first", "max"), ["first", "max", "search"])
    assert (style["offset_param"], style["size_param"]) == ("first", "max")
    assert whole(read)


def test_a_page_whose_length_the_server_decides():
    style, facts, read, _ = measured(paged(ROWS, "page", "nobody knows"))
    assert (style["kind"], style["size_param"], facts["largestPageSize"]) == ("page", None, "10")
    assert whole(read)


# ---------------------------------------------------------------- what the server tells


def next_in_body(base: str, key: str = "next") -> Any:
    def answer(call: Call) -> Any:
        page, size = call.number("page", 1), capped(call, "size", 10, 15)
        found = ROWS[(page - 1) * size : page * size]
        more = page * size < len(ROWS)
        return {"items": found, "total": len(ROWS), key: link(call, base, page=page + 1) if more else None}

    return answer


@pytest.mark.parametrize("base", ["", "absolute", "http://internal.example:8080"])
def test_the_address_of_the_next_page_in_the_body(base):
    server = ListServer({})
    server.routes["/things"] = next_in_body(server.url if base == "absolute" else base)
    with server, server.client() as client:
        explorer = Explorer(Wire(client, 60), pack("/things"), {})
        result = measure(explorer, Asked("/things"), [], [], 500)
        facts = {finding.constraint: finding.value for finding in result.findings}
        explorer.paging["/things"] = result.paging
        assert (result.paging.kind, facts["nextAt"], result.paging.size) == ("next", "next", 15)
        assert (facts["declaredTotal"], facts["totalAt"], facts["pastTheEnd"]) == ("credible", "total", "noNextPage")
        assert whole(explorer.listing(Asked("/things"), 60))


def test_a_parameter_that_limits_the_whole_list_is_no_size_of_a_page():
    def answer(call: Call) -> Any:
        start, most = call.number("$skiptoken", 0), call.number("$top", len(ROWS))
        found = ROWS[start:][: min(10, most)]
        more = most > len(found) and start + len(found) < len(ROWS)
        left = {"$top": most - len(found)} if "$top" in call.query else {}
        found_next = {"@odata.nextLink": link(call, "", **{"$skiptoken": start + len(found), **left})} if more else {}
        return {"value": found, **found_next}

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["size_param"]) == ("next", None)
    assert whole(read)


def test_the_next_address_in_nested_links():
    def answer(call: Call) -> Any:
        start = call.number("offset", 0)
        step = {"href": link(call, "", offset=start + 5)} if start + 5 < 37 else {}
        return {"_embedded": {"things": ROWS[start : start + 5]}, "_links": {"self": {"href": "/things"}, "next": step}}

    style, _, read, _ = measured(answer)
    assert style == {"kind": "next", "next": "_links.next.href", "size_param": None, "size": None}
    assert whole(read)


@pytest.mark.parametrize(("relation", "place", "word"), [("relation", "url", "next"), ("rel", "href", "NEXT")])
def test_the_next_address_in_a_list_of_links(relation, place, word):
    """As FHIR: each page has an id of its own, and nothing in the address is a number of a page."""

    def answer(call: Call) -> Any:
        start, size = int(call.query.get("token", "t0")[1:]), capped(call, "_count", 10, 20)
        links = [{relation: "self", place: "/things"}]
        if start + size < len(ROWS):
            links.append({relation: word, place: link(call, "", token=f"t{start + size}", _count=size)})
        entry = {"entry": [{"fullUrl": f"u/{row['id']}", **row} for row in ROWS[start : start + size]]}
        return {"resourceType": "Bundle", "id": f"b{start}", "total": len(ROWS), "link": links, **entry}

    style, facts, read, _ = measured(answer)
    assert style == {"kind": "next", "next": f"link[{relation}={word}].{place}", "size_param": "_count", "size": 20}
    assert facts["declaredTotal"] == "credible"
    assert whole(read)


def test_the_link_header():
    def answer(call: Call) -> Any:
        page, size = call.number("page", 1), capped(call, "per_page", 5, 20)
        more = page * size < 37
        told = f'<{link(call, "", page=page + 1)}>; rel="next", <{link(call, "", page=1)}>; rel="first"'
        return Reply(ROWS[(page - 1) * size : page * size], headers={"Link": told} if more else {})

    style, facts, read, _ = measured(answer)
    assert (style, facts["largestPageSize"]) == (
        {"kind": "link", "header": "Link", "size_param": "per_page", "size": 20},
        "20",
    )
    assert whole(read)


def test_another_header_may_hold_the_bare_address():
    def answer(call: Call) -> Any:
        start = call.number("_at", 0)
        return Reply(ROWS[start : start + 8], headers={"Next-Page": link(call, "", _at=start + 8)} if start + 8 < 37 else {})

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["header"]) == ("link", "Next-Page")
    assert whole(read)


def test_a_list_that_demands_its_page_parameters():
    def answer(call: Call) -> Any:
        if {"page", "pageSize"} - call.query.keys():
            return Reply({"error": "page and pageSize are required"}, 400)
        return paged(ROWS, "page", "pageSize")(call)

    style, facts, read, _ = measured(answer, ["page", "pageSize"])
    assert (style["kind"], style["size_param"], facts["firstPage"]) == ("page", "pageSize", "1")
    assert whole(read)


@pytest.mark.parametrize(
    ("at", "parameter"),
    [("next_cursor", "cursor"), ("nextPageToken", "pageToken"), ("continuation", "continuation"), ("meta.next", "after"),
     ("response_metadata.next_cursor", "cursor"), ("pageInfo.endCursor", "after"), ("NextMarker", "marker")],
)  # fmt: skip
def test_a_token_in_the_body(at, parameter):
    def answer(call: Call) -> Any:
        start = int(call.query.get(parameter, "c0")[1:])
        size = capped(call, "limit", 10, 12)
        body: dict[str, Any] = {"data": ROWS[start : start + size]}
        *above, key = at.split(".")
        place = body.setdefault(above[0], {}) if above else body
        place[key] = f"c{start + size}" if start + size < 37 else ""
        return body

    style, facts, read, _ = measured(answer)
    named = {"kind": "cursor", "cursor_param": parameter, "next": at, "opening": None}
    assert style == {**named, "size_param": "limit", "size": 12, "number": False}
    assert (facts["cursorParameter"], facts["nextAt"]) == (parameter, at)
    assert whole(read)


@pytest.mark.parametrize("refusal", ["use cursor=* beyond 20 rows", "no more than 20 rows: offset is at most 20"])
def test_a_cursor_that_a_value_opens_where_numbers_are_refused(refusal):
    """As OpenAlex, which names it in the refusal, and Crossref, whose refusal only says how far offsets reach."""

    def answer(call: Call) -> Any:
        size, cursor = capped(call, "limit", 10, 12), call.query.get("cursor")
        start = call.number("offset", 0) if cursor is None else 0 if cursor == "*" else int(cursor[1:])
        if cursor is None and start + size > 20:
            return Reply({"message": refusal}, status=400)
        told = {"next_cursor": f"c{start + size}"} if cursor is not None and start < 37 else {}
        return {"meta": {"count": 37, **told}, "data": ROWS[start : start + size]}

    style, facts, read, _ = measured(answer)
    assert (style["kind"], style["cursor_param"], style["opening"]) == ("cursor", "cursor", "*")
    assert facts["declaredTotal"] == "credible"
    assert whole(read)


def test_a_list_on_one_page_shows_its_next_address_when_asked_for_less():
    def answer(call: Call) -> Any:
        page, size = call.number("page", 1), capped(call, "size", 100)
        more = page * size < 37
        return {"results": ROWS[(page - 1) * size : page * size], "next": link(call, "", page=page + 1) if more else None}

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["size_param"]) == ("next", "size")
    assert whole(read)


def test_an_address_that_leads_nowhere_loses_against_a_number_that_works():
    def answer(call: Call) -> Any:
        start, size = call.number("offset", 0), capped(call, "limit", 10)
        return {"items": ROWS[start : start + size], "next": "/things?after=x"}

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["offset_param"]) == ("offset", "offset")
    assert whole(read)


# ---------------------------------------------------------------- keys


def test_a_list_that_gives_one_row_by_default_is_asked_for_more_and_goes_on_by_the_id_of_what_it_holds():
    """As Discord's members: their id is that of their user."""
    members = [{"user": {"id": f"{n:04}", "name": f"n{n}"}, "roles": [n % 3]} for n in range(1, 38)]

    def answer(call: Call) -> list[dict[str, Any]]:
        return [row for row in members if row["user"]["id"] > call.query.get("after", "")][: capped(call, "limit", 1, 12)]

    with ListServer({"/members": answer}) as server, server.client() as client:
        explorer = Explorer(Wire(client, 80), pack("/members"), {})
        result = measure(explorer, Asked("/members"), [], [], 500, 1)
        explorer.paging["/members"] = result.paging
        read = explorer.listing(Asked("/members"), 60)
    assert (result.paging.after_param, result.paging.field, result.paging.size) == ("after", "user.id", 12)
    assert (len(read.records), read.whole) == (37, True)


@pytest.mark.parametrize("name", ["since_id", "after_id", "starting_after", "after"])
def test_keys_of_the_last_row(name):
    def answer(call: Call) -> Any:
        after = int(call.query.get(name) or 0)
        return [row for row in ROWS if row["id"] > after][: capped(call, "limit", 10, 12)]

    style, facts, read, _ = measured(answer)
    assert style == {"kind": "keyset", "after_param": name, "field": "id", "size_param": "limit", "size": 12, "number": False}
    assert (facts["afterParameter"], facts["afterField"]) == (name, "id")
    assert whole(read)


def test_a_token_in_a_header_of_its_own() -> None:
    def answer(call: Call) -> Reply:
        start = int((call.query.get("continuationToken") or "t0")[1:])
        onward = {"x-ms-continuationtoken": f"t{start + 15}"} if start + 15 < len(ROWS) else {}
        return Reply({"count": 15, "value": ROWS[start : start + 15]}, headers=onward)

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["cursor_param"], style["next"].lower()) == (
        "cursor",
        "continuationToken",
        "@header:x-ms-continuationtoken",
    )
    assert whole(read)


@pytest.mark.parametrize("fruitless", [0, 9])
def test_keys_of_rows_that_come_newest_first(fruitless: int) -> None:
    """`before` is tried where a size works, however often guesses were for nothing: else the rest can't be had."""
    newest = ROWS[::-1][:23]

    def answer(call: Call) -> Any:
        before, after = int(call.query.get("before") or 99), int(call.query.get("after") or 0)
        return [row for row in newest if after < row["id"] < before][: capped(call, "limit", 50, 100)]

    with ListServer({"/things": answer}) as server, server.client() as client:
        explorer = Explorer(Wire(client, 60), pack("/things"), {})
        result = measure(explorer, Asked("/things"), [], ["limit"], 500, habits=Habits(fruitless=fruitless))
    assert result.paging.kind == "keyset"
    assert (result.paging.after_param, result.paging.field) == ("before", "id")


# ---------------------------------------------------------------- none, and what is ignored


def test_everything_at_once():
    style, facts, read, sent = measured(lambda call: ROWS)
    assert (style, facts["defaultPageSize"]) == ({"kind": "none"}, "37")
    assert whole(read)
    assert sent <= 6


def test_a_list_that_says_it_is_whole_is_not_guessed_at():
    assert measured(lambda call: {"items": ROWS, "total": 37})[3] == 1


def test_an_ignored_offset_is_noticed():
    style, facts, _, _ = measured(lambda call: ROWS[: capped(call, "limit", 10, 10)], ["offset", "limit"])
    assert (style, facts["offsetIgnored"], facts["pastTheEnd"]) == ({"kind": "none"}, "true", "firstPage")


def test_rows_that_are_declared_and_not_given_are_told():
    with ListServer({"/things": lambda call: {"items": ROWS[:10], "total": 37}}) as server, server.client() as client:
        result = measure(Explorer(Wire(client, 60), pack("/things"), {}), Asked("/things"), [], [], 500)
    assert result.unmeasured.startswith("10 rows came of 37 that are declared")


def test_a_server_that_refuses_unknown_parameters():
    def answer(call: Call) -> Any:
        return (
            Reply({"error": "unknown parameter"}, 400)
            if set(call.query) - {"page", "limit"}
            else paged(ROWS, "page", "limit")(call)
        )

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["page_param"], style["size_param"]) == ("page", "page", "limit")
    assert whole(read)


def test_rows_in_another_order_each_time_are_no_pages():
    turn = iter(range(10_000))

    def answer(call: Call) -> Any:
        start = next(turn) % 37
        return (ROWS[start:] + ROWS[:start])[: capped(call, "limit", 10)]

    assert measured(answer, ["offset", "limit"])[0]["kind"] == "none"


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("most", [10, 15, 30])
def test_a_silent_limit(most):
    style, facts, read, _ = measured(offset(ROWS, "offset", "limit", 10, most), ["offset", "limit"])
    assert (style["size"], facts["largestPageSize"]) == (most, str(most))
    assert whole(read)


@pytest.mark.parametrize(("words", "accepted"), [("limit must be at most 30", 30), ("bad limit", 25)])
def test_a_size_that_is_refused_is_stepped_down(words, accepted):
    def answer(call: Call) -> Any:
        return Reply({"error": words}, 422) if call.number("limit", 10) > 30 else offset(ROWS, "offset", "limit")(call)

    style, facts, read, _ = measured(answer, ["offset", "limit"])
    assert (style["size"], facts["largestPageSize"]) == (accepted, str(accepted))
    assert whole(read)


def past(kind: str) -> Any:
    def answer(call: Call) -> Any:
        page, size = call.number("page", 1), capped(call, "per_page", 10, 20)
        found = ROWS[(page - 1) * size : page * size]
        if found or kind == "empty":
            return found
        last = (len(ROWS) - 1) // size * size
        return ROWS[:size] if kind == "firstPage" else ROWS[last:] if kind == "lastPage" else Reply({"error": "none"}, int(kind))

    return answer


@pytest.mark.parametrize("kind", ["empty", "404", "400", "firstPage", "lastPage"])
def test_past_the_end(kind):
    _, facts, read, _ = measured(past(kind), ["page", "per_page"])
    assert facts["pastTheEnd"] == kind
    assert whole(read)


@pytest.mark.parametrize("told", [True, False])
def test_a_list_that_never_ends_is_not_read(told):
    def answer(call: Call) -> Any:
        page = call.number("page", 1)
        body = {"items": rows(20, page * 20)}
        return body | {"next": link(call, "", page=page + 1)} if told else body

    _, facts, _, sent = measured(answer)
    assert (facts["pastTheEnd"], facts["availability"]) == ("endless", "endless")
    assert sent < 30
    with ListServer({"/things": answer}) as server, server.client() as client:
        explorer = Explorer(Wire(client, 10), pack("/things"), {}, endless={"/things"})
        assert "never ends" in explorer.listing(Asked("/things")).failure
        assert not server.calls


@pytest.mark.parametrize(
    ("declared", "verdict"), [(lambda rows: 37, "credible"), (len, "notCredible"), (lambda rows: 36, "notCredible"), (lambda rows: 99, "notCredible")]
)  # fmt: skip
def test_a_total_is_checked_by_counting(declared, verdict):
    def answer(call: Call) -> Any:
        found = offset(ROWS, "offset", "limit", 10, 20)(call)
        return {"data": found, "meta": {"page": {"total": declared(found)}}}

    _, facts, _, _ = measured(answer, ["offset", "limit"])
    assert (facts["declaredTotal"], facts["totalAt"]) == (verdict, "meta.page.total")


def test_a_total_in_a_header():
    def answer(call: Call) -> Any:
        return Reply(offset(ROWS, "offset", "limit")(call), headers={"X-Total-Count": "37"})

    _, facts, _, _ = measured(answer, ["offset", "limit"])
    assert (facts["declaredTotal"], facts["totalAt"]) == ("credible", "header X-Total-Count")


# ---------------------------------------------------------------- where records are, and budgets


def test_the_records_are_what_changes_from_page_to_page():
    def answer(call: Call) -> Any:
        found = offset(ROWS, "offset", "limit")(call)
        return {"data": [{"label": "constant"}], "batch": [{"number": row["id"], "id": row["id"]} for row in found], "more": True}

    style, _, read, _ = measured(answer, ["offset", "limit"])
    assert (style["kind"], read.location) == ("offset", "batch")
    assert whole(read)


def test_two_rows_are_enough_to_prove_a_style():
    style, facts, read, _ = measured(offset(rows(2), "offset", "limit"), ["offset", "limit"])
    assert (style["kind"], facts["offsetIgnored"]) == ("offset", "false")
    assert whole(read, 2)


def test_a_short_list_pages_as_its_siblings_do():
    habits = Habits()
    routes = {
        "/long": offset(ROWS, "offset", "limit"),
        "/short": lambda call: rows(1),
        "/also": offset(rows(9), "offset", "limit"),
    }
    with ListServer(routes) as server, server.client() as client:
        explorer = Explorer(Wire(client, 100), pack("/long", "/short", "/also"), {})
        measure(explorer, Asked("/long"), [], [], 500, habits=habits)
        before = len(server.calls)
        short = measure(explorer, Asked("/short"), [], [], 500, habits=habits)
        also = measure(explorer, Asked("/also"), [], [], 500, habits=habits)
        assert (also.paging.kind, len(server.calls) - before) == ("offset", 6)
    (finding,) = (each for each in short.findings if each.constraint == "paging")
    assert (short.paging.kind, finding.confidence) == ("offset", 0.5)
    assert "as shown by /long" in finding.evidence


def test_a_list_that_came_whole_is_asked_again_once_another_shows_pages():
    """As GitLab: one project has 9 requests of a first page of 20, which say that there are 9; the issues are more."""

    def linked(count: int) -> Any:
        def answer(call: Call) -> Any:
            page, size = call.number("page", 1), capped(call, "per_page", 20, 100)
            headers = {"X-Total": str(count)}
            if page * size < count:
                headers["Link"] = f'<{link(call, "", page=page + 1)}>; rel="next"'
            return Reply(rows(count)[(page - 1) * size : page * size], headers=headers)

        return answer

    row = {
        "category": "readable",
        "reason": None,
        "probedWith": None,
        "answerShape": "array",
        "queryParameters": [],
        "latencyMs": 1,
    }
    reads = {"/requests": {**row, "entity": "request", "rowCount": 9}, "/issues": {**row, "entity": "issue", "rowCount": 20}}
    with ListServer({"/requests": linked(9), "/issues": linked(37)}) as server, server.client() as client:
        survey = _Survey(Explorer(Wire(client, 200), pack("/requests", "/issues"), {}), reads, 500, Habits())

        def style(found: Any) -> dict[str, Any]:
            return json.loads(next(finding.value for finding in found[0] if finding.constraint == "paging"))

        assert style(survey.route("/requests"))["kind"] == "none"
        assert (style(survey.route("/issues"))["kind"], style(survey.route("/issues"))["size_param"]) == ("link", "per_page")
        assert survey.early == ["/requests"]
        assert style(survey.once_more("/requests"))["kind"] == "link"


def strict(all_rows: list[Any], *known: str) -> Any:
    """A list that refuses names it does not know, one at a time, as Socrata and Elasticsearch do."""

    def answer(call: Call) -> Any:
        strange = next((name for name in call.query if name not in known), "")
        if strange:
            return Reply({"error": True, "message": f"Unrecognized arguments [{strange}]"}, 400)
        return offset(all_rows, known[-1], known[0], default=10)(call)

    return answer


def test_what_a_refusal_names_is_left_out_until_the_rest_is_taken():
    style, _, read, sent = measured(strict(ROWS, "$limit", "$offset"))
    assert (style["kind"], style["offset_param"], style["size_param"]) == ("offset", "$offset", "$limit")
    assert whole(read)
    assert sent <= 50


def test_refused_parameters_are_no_proof_that_all_rows_came():
    routes = {"/things": strict(rows(50), "nobodyKnows", "norThis"), "/few": strict(rows(7), "nobodyKnows", "norThis")}
    with ListServer(routes) as server, server.client() as client:
        explorer = Explorer(Wire(client, 300), pack(*routes), {})
        found = {path: measure(explorer, Asked(path), [], [], 500) for path in routes}
    assert "10 rows came, as many as pages often have" in found["/things"].unmeasured
    assert "notMeasured" in {finding.constraint for finding in found["/things"].findings}
    assert found["/few"].unmeasured == ""


@pytest.mark.parametrize("count", [37, 9])
def test_a_size_alone_leaves_a_doubt_where_more_come_or_the_rows_are_those_of_a_page(count):
    def answer(call: Call) -> Any:
        return rows(count)[: capped(call, "limit", 10)]

    with ListServer({"/things": answer}) as server, server.client() as client:
        result = measure(Explorer(Wire(client, 200), pack("/things"), {}), Asked("/things"), [], [], 500)
    assert ("there may be more than 10" in result.unmeasured) == (count == 37)


def test_a_token_called_like_a_number_of_a_row():
    """As Airtable: `offset` in the answer is a text, which goes back as `offset`."""

    def answer(call: Call) -> Any:
        token = call.query.get("offset", "itr0/rec0")
        if not token.startswith("itr"):
            return Reply({"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}, 422)
        start, size = int(token.partition("rec")[2]), capped(call, "pageSize", 10, 10)
        more = {"offset": f"itr9/rec{start + size}"} if start + size < len(ROWS) else {}
        return {"records": ROWS[start : start + size], **more}

    style, _, read, _ = measured(answer)
    assert (style["kind"], style["cursor_param"], style["next"]) == ("cursor", "offset", "offset")
    assert whole(read)


def test_the_budget_holds():
    styles = [OffsetPaging(offset_param="offset", size_param="limit", size=500)]
    with ListServer({"/things": paged(ROWS, "page", "per_page")}) as server, server.client() as client:
        wire = Wire(client, 5)
        result = measure(Explorer(wire, pack("/things"), {}), Asked("/things"), styles, [], 500)
        assert len(server.calls) <= 5
    assert "budget" in result.unmeasured


# ---------------------------------------------------------------- a server that fails meanwhile


def test_what_an_error_hid_is_measured_once_more():
    """Pages of 500 rows answer 500 for a while: smaller ones are no fact, once it is over."""
    failing = True

    def answer(call: Call) -> Any:
        long = call.number("limit", 10) > 100
        return Reply({"error": "internal"}, 500) if failing and long else offset(rows(800), "offset", "limit")(call)

    row = {"category": "readable", "reason": None, "entity": "thing", "probedWith": None, "answerShape": "array",
           "queryParameters": [], "rowCount": 10, "latencyMs": 1}  # fmt: skip
    with ListServer({"/things": answer}) as server, server.client() as client:
        explorer = Explorer(Wire(client, 200), pack("/things", query=["offset", "limit"]), {})
        survey = _Survey(explorer, {"/things": row}, 500, Habits())

        def largest(found: Any) -> str:
            return next(finding.value for finding in found[0] if finding.constraint == "largestPageSize")

        assert (largest(survey.route("/things")), list(survey.faulty)) == ("100", ["/things"])
        assert survey.again("/things") is None
        failing = False
        assert largest(survey.again("/things")) == "500"
