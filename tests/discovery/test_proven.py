"""What Source and Prepare could not prove leaves the discovered pack as a gap."""

from __future__ import annotations

from pathlib import Path

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.covenant.model import Severity
from spectra_assets.discovery.proven import resumed, without
from spectra_assets.engine.pipeline import refuted_by
from spectra_assets.gates.judgement import Result
from spectra_assets.intelligence.model import Endpoint, EntityHint, Identifier, Pack, load_pack
from spectra_assets.intelligence.writing import write
from spectra_assets.stages.asking.wire import NOT_TRIED

PACK = Pack(
    source="shop",
    title="Shop",
    server=Server(base_url_env="SHOP_BASE_URL", auth=Auth(kind="none"), probe="/orders"),
    endpoints=[Endpoint(method="GET", path=path, group="x") for path in ("/orders", "/orders/{id}/notes")],
    entities=[
        EntityHint(entity="order", description="Orders.", routes=["/orders"]),
        EntityHint(entity="note", description="Notes.", routes=["/orders/{id}/notes"]),
    ],
    identifiers=[Identifier(parameter="id", candidates=["order.id"]), Identifier(parameter="noteId", candidates=["note.id"])],
    origin="discovered",
)


def result(gate: str, sample: list[dict[str, object]]) -> Result:
    return Result(gate, "source.portfolio", False, Severity.ERROR, 1, 2, sample, gate, "1 of 2", {})


def test_the_gates_of_proof_name_what_is_not_proven() -> None:
    refused = {"entity": "note", "reachable": False, "reason": "404"}
    assert refuted_by([result("hierarchy_proven", [refused, {"source": "shop"}])]) == {"note": "404"}
    assert refuted_by([result("auth_valid", [refused])]) == {}


def test_it_is_a_gap_from_then_on_and_nothing_hangs_on_it() -> None:
    pack = without(PACK, {"note": "404"})
    assert [hint.entity for hint in pack.entities] == ["order"]
    assert [known.parameter for known in pack.identifiers] == ["id"]
    assert [(each.about, each.finding, each.evidence) for each in pack.evidence] == [
        ("GET /orders/{id}/notes", "gap", "note: 404")
    ]
    assert pack.endpoints == PACK.endpoints
    assert resumed(pack, 10_000) == (pack, []), "what was refuted is not taken up by itself"


def test_what_there_was_no_budget_for_is_postponed_and_taken_up_again() -> None:
    why = f"{NOT_TRIED}; no route is proven"
    pack = without(PACK, {"note": why}, budget=400)
    assert [hint.entity for hint in pack.entities] == ["order"]
    assert pack.candidates("noteId") == [], "nothing is filled from an entity that nobody asks for"
    (waiting,) = pack.postponed
    assert (waiting.hint.entity, waiting.why, waiting.hint.tries) == ("note", why, 1)
    again, taken = resumed(pack, 400)
    assert taken == ["note"]
    assert [hint.entity for hint in again.entities] == ["note", "order"]
    assert again.candidates("noteId") == [("note", "id")]
    assert again.postponed == []
    assert not [each for each in again.evidence if each.finding == "gap"]


def test_it_is_taken_up_a_few_times_and_then_once_more_may_be_asked() -> None:
    pack = PACK
    for _ in range(3):
        pack, taken = resumed(without(pack, {"note": NOT_TRIED}, budget=400), 400)
        if not taken:
            break
    assert (pack.postponed[0].hint.tries, resumed(pack, 400)[1]) == (3, [])
    again, taken = resumed(pack, 401)
    assert (taken, again.entity("note").tries) == (["note"], 3)


def test_a_person_may_leave_out_what_is_postponed(tmp_path: Path) -> None:
    write(tmp_path, without(PACK, {"note": NOT_TRIED}, budget=400))
    (tmp_path / "shop.override.yaml").write_text("remove: [note]\n")
    assert load_pack("shop", tmp_path).postponed == []
