"""What Source and Prepare could not prove leaves the discovered pack as a gap."""

from __future__ import annotations

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.covenant.model import Severity
from spectra_assets.discovery.proven import without
from spectra_assets.engine.run import refuted_by
from spectra_assets.gates.judgement import Result
from spectra_assets.intelligence.model import Endpoint, EntityHint, Identifier, Pack

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
