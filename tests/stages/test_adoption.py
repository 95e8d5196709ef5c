"""What rules change is taken over, what the data changed beside it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField
from spectra_assets.stages.adoption import ruled


def entity(name: str, types: dict[str, str], key: str = "id", path: str | None = None) -> CanonEntity:
    fields = tuple(
        CanonField(raw=raw, structure="scalar", target=raw.replace(".", ""), type=kind, group=name)
        for raw, kind in {key: "int64", **types}.items()
    )
    fetch = Fetch(entity=name, path=path or f"/{name}s", primary_key=key)
    return CanonEntity(entity=name, order=1, fetch=fetch, primary_key=key, sample_size=1, fields=fields)


def rule(kind: str, of: str = "*", field: str = "*", **more: Any) -> dict[str, Any]:
    return {"id": "r", "kind": kind, "scope": {"source": "*", "entity": of, "field": field}, **more}


BEFORE = Canon(
    entities=(entity("call", {"at": "timestamp", "size": "int64"}), entity("ship", {"tons": "int64", "owner.id": "int64"}))
)
NOW = Canon(
    entities=(
        entity("call", {"at": "text", "size": "text", "note": "text"}),
        entity("ship", {"tons": "text", "owner.id": "text"}, path="/v2/ships"),
        entity("port", {"name": "text"}),
    )
)


def types(canon: Canon) -> dict[str, str]:
    return {
        f"{each.entity}.{field.raw}": str(field.type) for each in canon.entities for field in each.fields if field.raw != "id"
    }


UNCHANGED = types(BEFORE)


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        ([], {}),
        ([rule("setting")], {}),
        ([rule("kpi", name="x")], {}),
        ([rule("type", "call", "size")], {"call.size": "text"}),
        ([rule("type", "*", "tons"), rule("type", "call", "nothing")], {"ship.tons": "text"}),
        ([rule("required", "ship", "owner")], {"ship.owner.id": "text"}),
        ([rule("alias", "call", "at", also=["note"])], {"call.at": "text", "call.note": "text"}),
        ([rule("aliases", "call", paths={"at": "size"})], {"call.at": "text", "call.size": "text"}),
        ([rule("paging", "ship")], {"ship.tons": "text", "ship.owner.id": "text"}),
        ([rule("endpoint", path="/ships", instead="/v2/ships")], {"ship.tons": "text", "ship.owner.id": "text"}),
        ([rule("type", "ship", "id")], {"ship.tons": "text", "ship.owner.id": "text"}),
        ([rule("route", "port", path="/ports")], {"port.name": "text"}),
    ],
)
def test_what_a_rule_is_about_is_as_it_is_now_and_nothing_else(rules: Sequence[dict[str, Any]], changes: dict[str, str]) -> None:
    assert types(ruled(BEFORE, NOW, rules)) == UNCHANGED | changes


def test_an_entity_that_a_rule_leaves_out_goes() -> None:
    canon = ruled(BEFORE, Canon(entities=NOW.entities[:1]), [rule("endpoint", path="/ships", instead=None)])
    assert [each.entity for each in canon.entities] == ["call"]


def test_fields_keep_their_places() -> None:
    found = ruled(BEFORE, NOW, [rule("type", "call", "at")]).entity("call")
    assert [field.raw for field in found.fields] == ["id", "at", "size"]


def targets(canon: Canon) -> dict[str, str]:
    return {field.raw: field.target for field in canon.entities[0].fields}


def called(**names: str) -> Canon:
    known = entity("call", dict.fromkeys(names, "text"))
    fields = tuple(field.model_copy(update={"target": names.get(field.raw, field.target)}) for field in known.fields)
    return Canon(entities=(known.model_copy(update={"fields": fields}),))


def test_what_is_new_takes_no_name_of_what_stays() -> None:
    found = ruled(called(note="note"), called(NOTE="note", note="note2"), [rule("field", "call", "NOTE")])
    assert targets(found) == {"id": "id", "note": "note", "NOTE": "note2"}


def test_a_column_keeps_its_name_where_a_rule_is_about_it() -> None:
    now = called(NOTE="note", note="note2", remark="note2")
    found = ruled(called(note="note"), now, [rule("alias", "call", "note", also=["remark"])])
    assert targets(found) == {"id": "id", "note": "note", "remark": "note"}


def test_a_person_may_rename_a_column() -> None:
    found = ruled(called(note="note"), called(note="remark"), [rule("rename", "call", "note", name="remark")])
    assert targets(found) == {"id": "id", "note": "remark"}
