"""A parameter counts only if rows prove that it gives exactly what changed: servers that filter, and servers that seem to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from spectra_assets.covenant.access import Auth, OffsetPaging, Search, Server
from spectra_assets.intelligence.model import Endpoint, Parameter
from spectra_assets.stages.asking.moments import forms_like, micros, reader, written
from spectra_assets.stages.asking.sampling import Asked, Explorer, Listing
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.prepare.increments.naming import candidates, tells_change
from spectra_assets.stages.prepare.increments.proof import PAGES, Known, Proven, Seeker, chosen, known_list
from tests.stages.listserver import Call, ListServer, Reply, pack

START = datetime(2026, 3, 1, 8, 30, 15, tzinfo=UTC)
PAGING = OffsetPaging(offset_param="offset", size_param="size", size=20)
NAMES = ["since", "updated_since", "modifiedAfter"]


def moment(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def iso(hours: float) -> str:
    return moment(hours).strftime("%Y-%m-%dT%H:%M:%SZ")


def millis(hours: float) -> int:
    return int(moment(hours).timestamp() * 1000)


def rows(write: Callable[[float], Any] = iso, count: int = 30, parent: int = 0) -> list[dict[str, Any]]:
    """Made in one order, changed in another."""
    return [
        {"id": parent * 100 + n, "createdAt": write(n), "updatedAt": write(40 + (n * 7) % count), "name": f"row {n}"}
        for n in range(count)
    ]


def served(held: list[dict[str, Any]], keep: Callable[[dict[str, Any], dict[str, str]], bool]) -> Callable[[Call], Any]:
    def answer(call: Call) -> Any:
        found = [row for row in held if keep(row, call.query)]
        start, size = call.number("offset", 0), min(call.number("size", 20), 20)
        return found[start : start + size]

    return answer


def since(name: str, field: str = "updatedAt", strictly: bool = False, read: Callable[[str], Any] = str) -> Any:
    def keep(row: dict[str, Any], query: dict[str, str]) -> bool:
        if name not in query:
            return True
        return bool(row[field] > read(query[name]) if strictly else row[field] >= read(query[name]))

    return keep


def sought(answering: Callable[[Call], Any], names: list[str] | None = None) -> tuple[Proven | None, Seeker, ListServer]:
    with ListServer({"/rows": answering}) as server:
        explorer = Explorer(Wire(server.client(), 100), pack("/rows"), {"/rows": PAGING}, {"/rows": ""})
        asked = Asked("/rows")
        known = known_list(asked, explorer.listing(asked, PAGES), "updatedAt")
        assert known is not None
        seeker = Seeker(explorer, [known])
        return seeker.found(names or NAMES), seeker, server


@pytest.mark.parametrize(("strictly", "boundary"), [(False, "inclusive"), (True, "exclusive")])
def test_a_filter_is_proven_with_its_boundary(strictly: bool, boundary: str) -> None:
    found, _, _ = sought(served(rows(), since("updated_since", strictly=strictly)))
    assert found is not None
    assert (found.parameter, found.form, found.boundary) == ("updated_since", "%Y-%m-%dT%H:%M:%SZ", boundary)
    assert "of 30 rows" in found.evidence


def test_epochs_are_asked_for_as_epochs() -> None:
    found, _, _ = sought(served(rows(millis), since("modifiedAfter", read=int)))
    assert found is not None
    assert (found.parameter, found.form) == ("modifiedAfter", "epoch_millis")


def test_a_day_is_enough_where_the_server_takes_no_more() -> None:
    def keep(row: dict[str, Any], query: dict[str, str]) -> bool:
        return row["updatedAt"][:10] >= query.get("updated_since", "")

    def answer(call: Call) -> Any:
        if len(call.query.get("updated_since", "2026-03-01")) != 10:
            return Reply({"error": "not a date"}, 400)
        return served(rows(), keep)(call)

    found, _, _ = sought(answer, ["updated_since"])
    assert found is not None
    assert found.form == "%Y-%m-%d"


@pytest.mark.parametrize(("kind", "write", "read"), [("text", iso, str), ("integer", millis, int)])
def test_a_search_by_post_takes_the_instant_in_its_body(kind: Any, write: Any, read: Any) -> None:
    search = Endpoint(
        method="POST", path="/rows", group="", reads=True, body={}, query=["offset", "size", "changedSince"],
        parameters=[Parameter(name="offset", type="integer"), Parameter(name="size", type="integer"), Parameter(name="changedSince", type=kind)],
    )  # fmt: skip
    with ListServer({"/rows": served(rows(write), since("changedSince", read=read))}) as server:
        api = Server(
            base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/", searches=[Search(path="/rows", allowed_by="a test")]
        )
        known_pack = pack("/rows").model_copy(update={"endpoints": [search], "server": api})
        explorer = Explorer(Wire(server.client(searches=("/rows",)), 100), known_pack, {"/rows": PAGING}, {"/rows": ""})
        asked = Asked("/rows")
        known = known_list(asked, explorer.listing(asked, PAGES), "updatedAt")
        assert known is not None
        found = Seeker(explorer, [known]).found(candidates(search, "updatedAt"))
        assert found is not None
        assert (found.parameter, found.boundary) == ("changedSince", "inclusive")
        assert server.methods == {"POST"}


def test_a_page_that_can_not_be_had_proves_and_refutes_nothing() -> None:
    whole = served(rows(), since("updated_since"))
    found, seeker, _ = sought(
        lambda call: Reply("no", 500) if call.query.get("offset") == "20" else whole(call), ["updated_since"]
    )
    assert found is not None, "the rows before that page are known, and the answers are short"
    assert "20 rows" in found.evidence

    def answer(call: Call) -> Any:
        return Reply("no", 500) if "updated_since" in call.query and call.number("offset", 0) else whole(call)

    found, seeker, _ = sought(answer, ["updated_since"])
    assert found is not None
    many = served(rows(count=80), since("updated_since"))
    found, seeker, _ = sought(
        lambda call: Reply(b"[{", 200) if "updated_since" in call.query and call.number("offset", 0) else many(call),
        ["updated_since"],
    )
    assert found is None
    assert seeker.torn.startswith("page 2 could not be read (the body is no JSON")


def test_an_ignored_parameter_costs_one_request_per_form() -> None:
    found, seeker, server = sought(served(rows(), lambda row, query: True))
    assert found is None
    assert "ignored" in seeker.why
    assert len([call for call in server.calls if "since" in call.query]) == len(forms_like(iso(0)))


@pytest.mark.parametrize(
    "keep",
    [
        since("updated_since", "createdAt"),
        lambda row, query: "updated_since" not in query or row["updatedAt"] <= query["updated_since"],
        lambda row, query: "updated_since" not in query or (row["updatedAt"] >= query["updated_since"] and row["id"] % 5 > 0),
        lambda row, query: "updated_since" not in query,
    ],
    ids=["by creation", "until", "leaves some out", "gives nothing"],
)
def test_what_only_looks_like_it_is_refuted(keep: Any) -> None:
    found, seeker, _ = sought(served(rows(), keep))
    assert found is None
    assert seeker.why


def test_where_creation_and_change_are_the_same_the_name_must_tell() -> None:
    held = [{**row, "createdAt": row["updatedAt"]} for row in rows()]
    found, seeker, _ = sought(served(held, since("since")), ["since"])
    assert found is None
    assert "nothing shows which it goes by" in seeker.why
    found, _, _ = sought(served(held, since("updated_since")), ["updated_since"])
    assert found is not None


def test_a_server_that_refuses_what_it_does_not_know() -> None:
    def answer(call: Call) -> Any:
        if set(call.query) - {"offset", "size", "modifiedAfter"}:
            return Reply({"error": "unknown parameter"}, 400)
        return served(rows(), since("modifiedAfter"))(call)

    found, _, _ = sought(answer)
    assert found is not None
    assert found.parameter == "modifiedAfter"


def test_names_are_taken_from_the_description_and_guessed_only_without_one() -> None:
    query = ["page", "updatedBefore", "updated_since", "sort", "since", "modifiedBy", "name"]
    described = Endpoint(method="GET", path="/rows", group="", query=query)
    assert candidates(described, "updatedAt") == ["updated_since", "since"]
    assert candidates(described.model_copy(update={"query": ["page"]}), "updatedAt") == []
    found = Endpoint(method="GET", path="/rows", group="", origin="discovered")
    assert {"updatedAt_gte", "updated_since", "since"} <= set(candidates(found, "updatedAt"))
    assert tells_change("meta.lastModified")
    assert not tells_change("createdAt")


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        ("2026-03-01T08:30:15Z", "%Y-%m-%dT%H:%M:%SZ", "2026-03-01T08:30:15Z"),
        ("2026-03-01T08:30:15.123456789+00:00", "%Y-%m-%dT%H:%M:%S+00:00", "2026-03-01T08:30:15+00:00"),
        ("2026-03-01 08:30:15", "%Y-%m-%d %H:%M:%S", "2026-03-01 08:30:15"),
        ("2026-03-01T08:30:15", "%Y-%m-%dT%H:%M:%S", "2026-03-01T08:30:15"),
        (1772353815123, "epoch_millis", "1772353815123"),
        (1772353815, "epoch_seconds", "1772353815"),
        ("2026-03-01", "%Y-%m-%d", "2026-03-01"),
    ],
)
def test_instants_are_written_as_they_were_read(value: Any, form: str, text: str) -> None:
    instant = micros(value)
    assert instant is not None
    assert forms_like(value)[0] == form
    assert written(instant, form) == text


@pytest.mark.parametrize("value", ["yesterday", "", None, True, 7, "2026-13-01", "2026-03-01T25:00:00Z", {}, 9.9e20])
def test_what_is_no_instant(value: Any) -> None:
    assert micros(value) is None


def test_a_value_is_read_without_the_rest() -> None:
    read = reader("meta.updated")
    assert read(b'{"id": 1, "meta": {"x": [1, 2], "updated": "now"}}') == "now"
    assert [read(text) for text in (b'{"meta": null}', b'{"meta": {}}', b"[]", b"{}", b"nonsense")] == [None] * 5


def known(count: int, seed: int) -> Known:
    """Some rows that changed after they were made, many of them at the same time."""
    second = 1_000_000
    moments = {str(n): (n * n * 31 + n * seed) % count * second for n in range(count)}
    made = {row: moment - (0, 0, second, 5 * second)[(int(row) * 7 + seed) % 4] for row, moment in moments.items()}
    return Known(Asked("/things"), Listing(), "updatedAt", moments, {"createdAt": made, "same": dict(moments)}, iso(0))


def test_instants_that_tell_fields_apart_come_first() -> None:
    for seed in range(20):
        about = known(20, seed)
        ranks: dict[int, tuple[int, int]] = {}
        for instant in (*about.instants[1:-1], *((one + other) // 2 for one, other in pairwise(about.instants))):
            instant -= instant % 1_000_000  # as whole seconds say it
            later = {row for row, moment in about.moments.items() if moment >= instant}
            others = [{row for row, moment in field.items() if moment >= instant} for field in about.others.values()]
            if 0 < len(later) < 20:
                ranks.setdefault(instant, (-sum(other != later for other in others), abs(2 * len(later) - 20)))
        assert list(chosen(about, "%Y-%m-%dT%H:%M:%SZ")) == sorted(ranks, key=lambda instant: ranks[instant])


def test_instants_of_many_rows_are_chosen_in_time_that_grows_with_their_number() -> None:
    assert next(iter(chosen(known(10_000, 1), "epoch_seconds"))) > 0
