"""Internal errors (500) that pass, and those that stay: what is asked again, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.intelligence.model import Endpoint, EntityHint, Identifier, Pack
from spectra_assets.stages.asking.sampling import Explorer
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.prepare.routes.dependencies import Prover
from tests.stages.listserver import Call, ListServer, Reply, rows

MEMBERS = rows(12)
FAULT = Reply({"message": "oops"}, 500)
SERVER = Server(base_url_env="LITTLE_URL", auth=Auth(kind="none"), probe="/")


def little(**routes: str) -> Pack:
    return Pack(
        source="little",
        title="Little",
        server=SERVER,
        endpoints=[Endpoint(method="GET", path=path, group="", query=[]) for path in routes.values()],
        entities=[EntityHint(entity=name, description="", routes=[path]) for name, path in routes.items()],
        identifiers=[Identifier(parameter="memberid", candidates=["member.id"])],
        origin="discovered",
    )


def proven(server: ListServer, budget: int = 100) -> Prover:
    with server.client() as client:
        pack = little(member="/members", task="/members/{memberid}/tasks")
        prover = Prover(Explorer(Wire(client, budget), pack, {}), pack, parents=8, records=200)
        prover.run()
    assert prover.explorer.wire.sent == len(server.calls) <= budget
    return prover


def world() -> dict[str, Any]:
    tasks = {f"/members/{m['id']}/tasks": rows(2, 100 * m["id"]) for m in MEMBERS}
    return {"/members": lambda call: MEMBERS} | {path: lambda call, found=found: found for path, found in tasks.items()}


def failing_every(count: int, routes: dict[str, Any], start: int) -> dict[str, Any]:
    """The routes, with a 500 instead of every `count`-th answer, from number `start` on."""
    lock, left = threading.Lock(), iter(range(count - start, 10**6))

    def flaky(answer: Any) -> Any:
        def reply(call: Call) -> Any:
            with lock:
                fails = next(left) % count == 0
            return FAULT if fails else answer(call)

        return reply

    return {path: flaky(answer) for path, answer in routes.items()}


def test_every_tenth_request_fails_and_all_is_proven_nonetheless() -> None:
    for start in (0, 3, 8):
        with ListServer(failing_every(10, world(), start)) as server:
            prover = proven(server)
        assert not prover.unproven
        assert [known.trial.verdict for known in prover.known.values()] == ["complete", "proven"]
        assert not any(listing.failure for known in prover.known.values() for listing in known.trial.tried.values())


def test_what_always_fails_is_asked_twice_at_first_and_once_from_then_on() -> None:
    with ListServer({"/broken": lambda call: FAULT}) as server, server.client() as client:
        wire = Wire(client, 100)
        assert [wire.get("/broken", {"n": n}).status for n in range(5)] == [500] * 5
        assert wire.sent == len(server.calls) == 6


def test_an_endpoint_that_answered_has_another_chance() -> None:
    answers: Iterator[Any] = iter([FAULT, FAULT, [], FAULT, []])
    with ListServer({"/a": lambda call: next(answers)}) as server, server.client() as client:
        wire = Wire(client, 100)
        assert [wire.get("/a").status for _ in range(3)] == [500, 200, 200]
        assert wire.sent == len(server.calls) == 5


def test_an_id_that_is_none_is_asked_once_and_no_budget_is_exceeded() -> None:
    with ListServer({"/a": lambda call: FAULT, "/b": lambda call: FAULT}) as server, server.client() as client:
        wire = Wire(client, 2)
        wire.get("/a", once=True)
        wire.get("/b")
        assert wire.sent == len(server.calls) == 2


def test_a_failure_that_stays_is_told_as_one() -> None:
    with ListServer(world() | {"/members": lambda call: FAULT}) as server:
        prover = proven(server)
    assert set(prover.unproven) == {"member", "task"}
    assert prover.trials["member"][0].outage == "500: oops"
    assert "500: oops" in prover.unproven["member"]
