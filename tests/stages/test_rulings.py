"""What rules say over a source's pack and the names of its fields."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.intelligence.model import Endpoint, EntityHint, FieldSpec, Pack
from spectra_assets.stages.rulings import is_sole, names_of, ruled_pack, ruled_server
from tests.covenant.canons import SOURCE, playbooks, rule

SERVER = Server(base_url_env="ACME_URL", auth=Auth(kind="none"), probe="/orders")
PACK = Pack(
    source=SOURCE,
    title="Acme",
    server=SERVER,
    endpoints=[
        Endpoint(method="GET", path="/orders", group="", query=["page"]),
        Endpoint(method="POST", path="/orders", group=""),
    ],
    entities=[EntityHint(entity="order", description="", routes=["/orders"])],
)


def moved(path: str, instead: str):
    return playbooks(rule(id="moved", kind="endpoint", path=path, instead=instead, reason="it went"))


def test_a_field_has_all_the_names_that_rules_tell_one_by_one_or_together() -> None:
    here = {"source": SOURCE, "entity": "order"}
    told = playbooks(
        rule(id="one", kind="alias", scope={**here, "field": "note"}, also=["remark"]),
        rule(id="several", kind="aliases", scope=here, paths={"note": "node.note", "id": "node.id"}, lesson="a-lesson"),
    )
    assert [tuple(names) for names in names_of(told, SOURCE, "order")] == [
        ("note", ["remark", "node.note"], "playbook"),
        ("id", ["node.id"], "lesson"),
    ]
    assert names_of(told, SOURCE, "customer") == []


@pytest.mark.parametrize(("path", "probe"), [("/orders", "/v2/orders"), ("/customers", "/orders")])
def test_what_proves_the_credential_moves_with_its_endpoint(path: str, probe: str) -> None:
    assert ruled_server(SERVER, moved(path, "/v2/orders"), SOURCE).probe == probe


def test_an_endpoint_that_is_only_written_another_way_is_the_same_one() -> None:
    pack = ruled_pack(PACK, moved("/orders", "/orders/"))
    assert [(each.method, each.path, each.query) for each in pack.endpoints] == [
        ("GET", "/orders/", ["page"]),
        ("POST", "/orders/", []),
    ]
    assert pack.entities[0].routes == ["/orders/"]


def test_another_endpoint_comes_beside_the_one_that_is_gone() -> None:
    pack = ruled_pack(PACK, moved("/orders", "/purchases"))
    assert [(each.method, each.path) for each in pack.endpoints] == [
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/purchases"),
    ]
    assert pack.excluded == {"/orders": "it went"}


def test_a_field_is_what_the_description_says_of_it_by_each_of_its_names() -> None:
    described = EntityHint(
        entity="order", routes=["/orders"], fields=[FieldSpec(raw="id", type="text", description="its number")]
    )
    told = playbooks(
        rule(id="several", kind="aliases", scope={"source": SOURCE, "entity": "order"}, paths={"id": "node.id", "x": "node.x"})
    )
    pack = ruled_pack(PACK.model_copy(update={"entities": [described]}), told)
    assert [(spec.raw, spec.type) for spec in pack.entities[0].fields] == [("id", "text"), ("node.id", "text")]


@pytest.mark.parametrize(("more", "sole"), [({}, True), ({"lesson": "l-1"}, False), ({"style": "link"}, False)])
def test_a_person_alone_says_that_a_list_has_no_pages(more: dict[str, str], sole: bool) -> None:
    told = playbooks(
        rule(**{"id": "r", "kind": "paging", "scope": {"source": SOURCE, "entity": "order"}, "style": "none", **more})
    )
    assert is_sole(told, SOURCE, "order") == sole
    assert not is_sole(told, SOURCE, "customer")
