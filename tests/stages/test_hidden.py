"""Rows that lists keep back, and the parameter that brings them, on real servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spectra_assets.covenant.access import NoPaging
from spectra_assets.intelligence.model import Parameter
from spectra_assets.stages.asking.sampling import Asked, Explorer
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.prepare.paging.limits import Finding
from spectra_assets.stages.prepare.paging.measuring import _Survey
from spectra_assets.stages.prepare.paging.searching import Habits
from spectra_assets.stages.prepare.paging.spans import spanned
from tests.stages.listserver import Call, ListServer, Reply, capped, link, pack

ROW = {"category": "readable", "reason": None, "probedWith": None, "answerShape": "array", "queryParameters": [], "latencyMs": 1}


def listed(rows: list[dict[str, Any]], parameter: str, usual: set[str]) -> Any:
    """A list in pages of at most 100, by the header Link, of the usual states unless `all` are asked for."""

    def answer(call: Call) -> Any:
        kept = [row for row in rows if call.query.get(parameter) == "all" or row[parameter] in usual]
        page, size = call.number("page", 1), capped(call, "per_page", 20, 100)
        more = {"Link": f'<{link(call, "", page=page + 1)}>; rel="next"'} if page * size < len(kept) else {}
        return Reply(kept[(page - 1) * size : page * size], headers=more)

    return answer


def findings(routes: dict[str, Any], query: tuple[str, ...] = ()) -> dict[str, list[Finding]]:
    """Path → what was found, of lists that nothing describes but `query`."""
    with ListServer(routes) as server, server.client() as client:
        reads = {path: {**ROW, "entity": path[1:], "rowCount": None} for path in routes}
        survey = _Survey(Explorer(Wire(client, 300), pack(*routes, query=query), {}), reads, 500, Habits())
        for path in routes:
            survey.route(path)
        return survey.kept_back(list(routes))


def kept_back(routes: dict[str, Any], query: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
    """Path → what must be sent along."""
    found = findings(routes, query)
    return {path: json.loads(finding.value or "") for path, (finding,) in found.items() if finding.constraint == "requiredQuery"}


def states(count: int, *names: str) -> list[dict[str, Any]]:
    return [{"id": n, "title": f"t{n}", "state": names[n % len(names)], "status": names[n % len(names)]} for n in range(count)]


@pytest.mark.parametrize("known", [(), ("page", "per_page", "page_info")])
def test_what_one_list_keeps_back_short_ones_do_too(known: tuple[str, ...]) -> None:
    """As GitHub: open issues and pull requests by default; names of pages that a header told describe no other parameter."""
    issues, pulls = states(50, "open", "closed"), states(6, "open", "closed")
    routes = {"/pulls": listed(pulls, "state", {"open"}), "/issues": listed(issues, "state", {"open"})}
    assert kept_back(routes, known) == {path: {"state": "all"} for path in routes}


def test_of_two_full_pages_the_values_tell() -> None:
    assert kept_back({"/issues": listed(states(1_500, "open", "closed"), "state", {"open"})}) == {"/issues": {"state": "all"}}


def test_several_states_may_be_those_that_are_shown_only() -> None:
    """As Stripe's subscriptions: all but the cancelled ones."""
    rows = states(60, "active", "trialing", "past_due", "canceled")
    assert kept_back({"/subscriptions": listed(rows, "status", {"active", "trialing", "past_due"})}) == {
        "/subscriptions": {"status": "all"}
    }


def test_a_time_that_no_record_has_tells_of_those_that_have_one() -> None:
    """As Shopify: orders that are closed come by `status=any` alone, and no field is called status."""
    rows = [{"id": n, "name": f"#{n}", "closed_at": f"2026-01-{n % 28 + 1:02d}" if n % 3 else None} for n in range(60)]

    def answer(call: Call) -> Any:
        return [row for row in rows if call.query.get("status") == "any" or row["closed_at"] is None]

    assert kept_back({"/orders": answer}) == {"/orders": {"status": "any"}}


def pulls(call: Call, shown: set[str] = frozenset({"OPEN"})) -> Any:
    """Bitbucket's pull requests: the open ones, unless those of another state are asked for."""
    wanted = {call.query["state"]} if "state" in call.query else {*shown}
    if not wanted <= {"OPEN", "MERGED", "DECLINED"}:
        return Reply({"error": {"message": "Invalid state"}}, status=400)
    return [row for row in states(12, "OPEN", "MERGED", "DECLINED", "MERGED") if row["state"] in wanted]


def gaps(routes: dict[str, Any]) -> dict[str, str]:
    """Path → what the gap says, of lists that keep rows back which no parameter gives together with the others."""
    return {
        path: f"{each.value} {each.evidence}" for path, (each,) in findings(routes).items() if each.constraint == "hiddenRows"
    }


def test_few_rows_in_the_usual_state_are_enough_to_ask_for_others() -> None:
    told = gaps({"/pulls": pulls})["/pulls"]
    assert told.startswith("state=… ")
    assert "state is open in all 3 records, and state=ALL is refused (400: Invalid state)" in told
    assert "--list" in told


def test_other_rows_in_place_of_those_are_told() -> None:
    def answer(call: Call) -> Any:
        return [row for row in states(9, "open", "closed") if row["state"] == call.query.get("state", "open")]

    assert gaps({"/cases": answer})["/cases"].startswith("state=closed ")


def test_a_server_that_minds_any_parameter_keeps_nothing_back() -> None:
    def strict(call: Call) -> Any:
        return Reply({"message": "Bad Request"}, status=400) if call.query else states(6, "open")

    def deaf(call: Call) -> Any:
        return states(6, "open")

    assert gaps({"/strict": strict, "/deaf": deaf}) == {}


def test_a_list_that_gives_all_states_is_left_as_it_is() -> None:
    rows = states(60, "open", "closed")
    assert kept_back({"/issues": listed(rows, "state", {"open", "closed"}), "/jobs": lambda call: rows[:30:2]}) == {}


def spans(answer: Any, *parameters: Parameter, summary: str = "") -> list[Finding]:
    """What is found of one list with these parameters."""
    with ListServer({"/events": answer}) as server, server.client() as client:
        known = pack("/events", query=tuple(each.name for each in parameters), parameters=parameters)
        endpoint = known.endpoint("/events").model_copy(update={"summary": summary})
        return spanned(Explorer(Wire(client, 50), known, {}), Asked("/events"), NoPaging(), endpoint, True)


DAYS = [{"id": n, "on": f"2026-01-{n:02}"} for n in range(1, 29)]


def since(call: Call) -> Any:
    return [row for row in DAYS if row["on"] >= call.query.get("since", "2026-01-20")]


def test_a_span_that_the_description_tells_is_widened() -> None:
    (found,) = spans(since, Parameter(name="since", type="text", omitted="Default: last 9 days"))
    assert (found.constraint, json.loads(found.value or "")) == ("requiredQuery", {"since": "1970-01-01"})
    assert "28 rows, without it 9 come" in found.evidence


def test_a_span_that_the_answer_tells_is_widened_by_the_same_name() -> None:
    (found,) = spans(lambda call: {"since": call.query.get("since", "2026-01-20"), "data": since(call)})
    assert (found.constraint, json.loads(found.value or "")) == ("requiredQuery", {"since": "1970-01-01"})


def test_a_span_that_nothing_widens_is_a_gap() -> None:
    (told,) = spans(lambda call: {"from": "2026-01-20", "to": "2026-01-29", "data": DAYS[19:]})
    (said,) = spans(lambda call: DAYS[19:], summary="Events of the last 9 days")
    refusing = lambda call: Reply({"message": "at most 90 days"}, 400) if call.query else DAYS[19:]  # noqa: E731
    (refused,) = spans(refusing, Parameter(name="since", type="text", omitted="Default: last 9 days"))
    assert {each.constraint for each in (told, said, refused)} == {"hiddenRows"}
    assert "from is 2026-01-20" in told.evidence
    assert "at most 90 days" in refused.evidence


def test_what_tells_no_span_is_left_alone() -> None:
    plain = [Parameter(name="from", type="integer", default="0"), Parameter(name="start_date", type="text", omitted="optional")]
    assert spans(lambda call: {"from": 0, "start": 1, "data": DAYS}, *plain, summary="All events, newest first") == []
    assert spans(lambda call: DAYS, Parameter(name="after", type="text", omitted="Without it the first page comes")) == []
