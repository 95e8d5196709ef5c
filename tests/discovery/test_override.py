"""A person's corrections: merged over what discovery wrote, and still there after it is written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.model import Endpoint, EntityHint, Identifier, Pack, known_packs, load_pack, pack_as_written
from spectra_assets.intelligence.writing import text_of, write

PACK = Pack(
    source="shop",
    title="Shop",
    server=Server(base_url_env="SHOP_BASE_URL", auth=Auth(kind="none"), probe="/orders"),
    endpoints=[Endpoint(method="GET", path=path, group="x") for path in ("/orders", "/lines", "/users/{id}/orders")],
    entities=[
        EntityHint(entity="order", description="Orders.", routes=["/orders", "/users/{id}/orders"]),
        EntityHint(entity="line", description="Lines.", routes=["/lines"]),
    ],
    identifiers=[Identifier(parameter="id", candidates=["user.id"], path="/users/{id}/orders")],
    origin="discovered",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, PACK)
    return tmp_path


def correct(folder: Path, text: str) -> Pack:
    (folder / "shop.override.yaml").write_text(text, encoding="utf-8")
    return load_pack("shop", folder)


def test_a_pack_is_written_and_read_the_same(folder: Path) -> None:
    assert load_pack("shop", folder) == PACK
    assert write(folder, PACK) is False
    assert text_of(load_pack("shop", folder)) == (folder / "shop.yaml").read_text(encoding="utf-8")
    assert "shop" in known_packs(folder)


def test_entries_are_completed_replaced_and_added(folder: Path) -> None:
    pack = correct(
        folder,
        "title: The shop\n"
        "server: {in_flight: 2}\n"
        "entities:\n"
        "- {entity: order, key: orderNo, routes: [/orders]}\n"
        "- {entity: product, description: Products., routes: [/products]}\n"
        "endpoints:\n- {method: GET, path: /products, group: product}\n",
    )
    assert (pack.title, pack.server.in_flight, pack.server.base_url_env) == ("The shop", 2, "SHOP_BASE_URL")
    assert pack.entity("order").key == "orderNo"
    assert pack.entity("order").description == "Orders."
    assert pack.entity("order").routes == ["/orders"]
    assert pack.entity("product").routes == ["/products"]
    assert len(pack.endpoints) == 4


def test_what_is_removed_is_excluded_with_its_reason(folder: Path) -> None:
    pack = correct(folder, "remove: [line, '/users/{id}/orders']\n")
    assert [hint.entity for hint in pack.entities] == ["order"]
    assert pack.entity("order").routes == ["/orders"]
    assert pack.excluded == {"/lines": "left out by the override", "/users/{id}/orders": "left out by the override"}
    assert pack.identifiers == []


def test_it_survives_that_discovery_writes_again(folder: Path) -> None:
    correct(folder, "entities:\n- {entity: line, key: lineNo}\n")
    write(folder, PACK.model_copy(update={"title": "Found again"}))
    pack = load_pack("shop", folder)
    assert (pack.title, pack.entity("line").key) == ("Found again", "lineNo")
    assert pack_as_written("shop", folder).entity("line").key is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("entites: []\n", ["unknown key 'entites'", "entities"]),
        ("entities:\n- {entity: order, ky: x}\n", ["ky", "valid keys", "key"]),
        ("entities:\n- {entity: loan, key: id}\n", ["entities[loan].routes: Field required"]),
        ("entities:\n- {key: x}\n", ["entities", "mapping with entity"]),
        ("remove: [ordr]\n", ["'ordr' is no entity", "line or order"]),
        ("remove: order\n", ["a list of entities and paths"]),
        ("- a\n", ["a mapping is expected"]),
        ("excluded: [a]\nremove: [order]\n", ["excluded", "valid dictionary"]),
        ("postponed: [{}]\nremove: [order]\n", ["postponed.0.hint", "required"]),
        ("a: &x 1\nb: *x\n", ["anchors"]),
        ("a: [1\n", ["not valid YAML"]),
        ("server: {in_flight: many}\n", ["server.in_flight"]),
        ("entities:\n- {entity: order, fields: [{raw: x, tpe: text}]}\n", ["unknown key", "tpe", "type"]),
    ],
)
def test_a_mistake_names_file_place_and_what_is_valid(folder: Path, text: str, words: list[str]) -> None:
    with pytest.raises(DocumentError) as caught:
        correct(folder, text)
    assert "shop.override.yaml" in str(caught.value)
    for word in words:
        assert word in str(caught.value), caught.value


@pytest.mark.parametrize(
    ("pack", "words"), [("", "a mapping is expected"), ("- a\n", "a mapping"), ("entities: [1]\n", "source: Field required")]
)
def test_an_override_of_a_pack_that_is_none_names_the_pack(folder: Path, pack: str, words: str) -> None:
    (folder / "shop.yaml").write_text(pack, encoding="utf-8")
    with pytest.raises(DocumentError, match=words) as caught:
        correct(folder, "title: The shop\nentities:\n- {entity: order, key: x}\n")
    assert "shop.yaml" in str(caught.value)
