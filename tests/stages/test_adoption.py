"""What rules change is taken over, what the data changed beside it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spectra_assets.covenant.access import Auth, Fetch, Server
from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField
from spectra_assets.covenant.files import covenant_file, plain, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import StorageError
from spectra_assets.intelligence.model import Endpoint, EntityHint, Pack, load_pack
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import Made, _without, adopt, as_before, keep_canon, kept_canon, ruled, taken_over
from spectra_assets.stages.design import design

REPOSITORY = Path(__file__).parent.parent.parent


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
        ([rule("paging", "ship")], {}),
        ([rule("endpoint", path="/ships", instead="/v2/ships")], {}),
        ([rule("paging", "call")], {"call.note": "text"}),
        ([rule("paging", "ship"), rule("primary_key", "ship", path="id")], {"ship.tons": "text", "ship.owner.id": "text"}),
        ([rule("type", "ship", "id")], {"ship.tons": "text", "ship.owner.id": "text"}),
        ([rule("route", "port", path="/ports")], {"port.name": "text"}),
        ([rule("withhold", field="SIZE")], {"call.size": "text"}),
        ([rule("withhold", field="owner.ID", how="hash")], {"ship.owner.id": "text"}),
        ([rule("withhold", field="nowhere")], {}),
        ([rule("pii", field="Owner", level="high")], {"ship.owner.id": "text"}),
        ([rule("reference", "ship", "owner.id", to="port.id")], {"ship.owner.id": "text"}),
        ([rule("order", "ship", after=["call"])], {}),
    ],
)
def test_what_a_rule_is_about_is_as_it_is_now_and_nothing_else(rules: Sequence[dict[str, Any]], changes: dict[str, str]) -> None:
    assert types(ruled(BEFORE, NOW, rules)) == UNCHANGED | changes


@pytest.mark.parametrize("kind", ["records", "paging", "route"])
def test_how_an_entity_is_asked_for_takes_no_column_with_it(kind: str) -> None:
    """A list's envelope and a field had other names at once: the lesson about the envelope took the field's column."""
    now = Canon(entities=(entity("ship", {"load": "int64", "owner.id": "int64"}, path="/v2/ships"),))
    found = ruled(BEFORE, now, [rule(kind, "ship")]).entity("ship")
    assert [field.raw for field in found.fields] == ["id", "tons", "owner.id", "load"]
    assert found.fetch.path == "/v2/ships"


def counting(canon: Canon, totals: str) -> Canon:
    """The canon, the numbers of rows that its lists declare believed or not."""
    fetches = {each.entity: each.fetch.model_copy(update={"totals": totals}) for each in canon.entities}
    return Canon(entities=tuple(each.model_copy(update={"fetch": fetches[each.entity]}) for each in canon.entities))


@pytest.mark.parametrize("kind", ["paging", "primary_key"])
@pytest.mark.parametrize(("before", "now"), [("credible", "notCredible"), ("notCredible", "credible")])
def test_no_rule_gives_up_a_total_that_is_believed(kind: str, before: str, now: str) -> None:
    found = ruled(counting(BEFORE, before), counting(NOW, now), [rule(kind, "ship", path="id")]).entity("ship").fetch
    assert (found.path, found.totals) == ("/v2/ships", "credible")


def test_a_total_that_is_believed_is_held_and_one_of_a_new_source_is_not(tmp_path: Path) -> None:
    settings, pack = Settings(project=REPOSITORY, lakehouse_root=str(tmp_path)), little("crew")
    true = Canon(entities=(keyed(entity("crew", {"name": "text"})),))
    untrue = counting(true, "notCredible")
    now = design(settings, pack, true)[0]
    keep_canon(settings, now, true)
    made = Made(design(settings, pack, untrue)[0], untrue)
    taken = adopt(settings, pack, now, made, {"extract.crews"})
    assert taken.made.covenant == now
    assert [(change.table, change.breaking) for change in taken.held] == [("extract.crews", True)]
    assert taken_over(settings, pack, None, (), untrue).covenant == made.covenant
    assert adopt(settings, pack, made.covenant, Made(now, true), {"extract.crews"}).made.covenant == now


def test_an_entity_that_a_rule_leaves_out_goes() -> None:
    canon = ruled(BEFORE, Canon(entities=NOW.entities[:1]), [rule("endpoint", path="/ships", instead=None)])
    assert [each.entity for each in canon.entities] == ["call"]


def test_fields_keep_their_places() -> None:
    found = ruled(BEFORE, NOW, [rule("type", "call", "at")]).entity("call")
    assert [field.raw for field in found.fields] == ["id", "at", "size"]


def test_a_field_that_a_rule_withholds_goes() -> None:
    now = Canon(entities=(entity("call", {"at": "timestamp"}),))
    found = ruled(Canon(entities=BEFORE.entities[:1]), now, [rule("withhold", field="size")])
    assert [field.raw for field in found.entities[0].fields] == ["id", "at"]


def documented(covenant: Covenant, documents: str) -> Covenant:
    """The covenant as other rules would make it, of a version called like them."""
    changes = {"documents": documents, "version": documents}
    return covenant.model_copy(update={"pipeline": covenant.pipeline.model_copy(update=changes)})


def broken(covenant: Covenant, table: str, column: str) -> Covenant:
    """The covenant with a column that is text."""
    content = plain(covenant)
    found = next(
        each
        for stage in content["pipeline"]["stages"]
        for made in stage["outputs"]
        if made["table"] == table
        for each in made["schema"]
        if each["name"] == column
    )
    found["type"] = "text"
    return Covenant.model_validate(content)


@pytest.fixture(scope="module")
def zephyr() -> Covenant:
    return read(covenant_file(REPOSITORY / "covenants", "zephyr"))


@pytest.mark.parametrize("same", [True, False])
def test_what_breaks_is_held_back_where_nobody_knows_what_the_covenant_was_made_from(
    tmp_path: Path, zephyr: Covenant, same: bool
) -> None:
    settings = Settings(project=tmp_path, lakehouse_root=str(tmp_path / "lakehouse"))
    table = zephyr.table("clean.project")
    new = broken(zephyr if same else documented(zephyr, "other"), "clean.project", table.primary_key[0])
    made, pack = Made(new, NOW), load_pack("zephyr")
    taken = adopt(settings, pack, zephyr, made, {"clean.project"})
    assert (taken.made.covenant, taken.made.kept) == (zephyr, False)
    assert [change.table for change in taken.held] == ["clean.project"]
    assert ("not known" in taken.why) == (not same)
    assert adopt(settings, pack, zephyr, made, set()).made == made  # nothing that is published breaks


def keyed(made: CanonEntity, **references: str) -> CanonEntity:
    """The entity with its key as a key, and references by path."""
    key = {"key": True, "required": True, "nullable": False}
    fields = tuple(
        field.model_copy(update=key if field.raw == made.primary_key else {"references": references.get(field.raw)})
        for field in made.fields
    )
    return made.model_copy(update={"fields": fields})


def little(*names: str) -> Pack:
    """A pack of lists at the root."""
    endpoints = [Endpoint(method="GET", path=f"/{name}s", group="") for name in names]
    entities = [EntityHint(entity=name, description="", routes=[f"/{name}s"]) for name in names]
    server = Server(base_url_env="DEMO_BASE_URL", auth=Auth(kind="none"), probe="/")
    return Pack(source="demo", title="Demo", server=server, endpoints=endpoints, entities=entities, origin="discovered")


@pytest.mark.parametrize("joined", ["timestamp", "text"])
def test_a_star_that_new_entities_arrange_anew_is_taken_over_and_what_the_data_break_is_not(tmp_path: Path, joined: str) -> None:
    """With launches the crew is a dimension, and its figure by month is made no more; what its own column says is another matter."""
    settings = Settings(project=REPOSITORY, lakehouse_root=str(tmp_path))
    crew = {"name": "text", "agency": "text"}
    before = keyed(entity("crew", {**crew, "joined": "timestamp"}))
    launch = keyed(entity("launch", {"crewId": "int64", "at": "timestamp", "cost": "float64"}), crewId="crew.id")
    one, two = Canon(entities=(before,)), Canon(entities=(keyed(entity("crew", {**crew, "joined": joined})), launch))
    now, pack = design(settings, little("crew"), one)[0], little("crew", "launch")
    keep_canon(settings, now, one)
    made = Made(design(settings, pack, two)[0], two)
    taken = adopt(settings, pack, now, made, {table.table for table in now.tables()})
    tables = {table.table for table in taken.made.covenant.tables()}
    assert {"clean.launch", "clean.crew"} < tables
    assert "analyse.crewVolumeByMonth" not in tables
    assert {change.table for change in taken.held if change.table == "clean.crew"} == (
        {"clean.crew"} if joined == "text" else set()
    )
    assert str(taken.made.covenant.table("clean.crew").columns["joined"].type) == "timestamp"


@pytest.mark.parametrize(
    ("words", "held"),
    [(("Open", "Done"), True), (("open",), True), (("open", "done", "waiting", "lost"), False)],
)
def test_what_a_status_is_called_now_changes_no_meaning_by_itself(tmp_path: Path, words: tuple[str, ...], held: bool) -> None:
    """The run that found all words others had its flags ask for these, and found none once a person had them read as before."""
    settings, pack = Settings(project=REPOSITORY, lakehouse_root=str(tmp_path)), little("crew", "launch")

    def with_states(*values: str) -> Canon:
        launch = keyed(entity("launch", {"crewId": "int64", "at": "timestamp", "state": "text"}), crewId="crew.id")
        fields = tuple(field.model_copy(update={"values": values}) if field.raw == "state" else field for field in launch.fields)
        return Canon(entities=(keyed(entity("crew", {"name": "text"})), launch.model_copy(update={"fields": fields})))

    before, after = with_states("open", "done"), with_states(*words)
    now = design(settings, pack, before)[0]
    keep_canon(settings, now, before)
    new = design(settings, pack, after)[0]
    taken = adopt(settings, pack, now, Made(new, after), {table.table for table in now.tables()})
    assert taken.made.covenant == (now if held else new)
    assert taken.entities == (("launch",) if held else ())
    gained = {column for column in new.table("refine.factLaunch").columns if column.startswith("is")}
    assert held or gained == {"isOpen", "isStateOpen", "isDone", "isWaiting", "isLost"}


def test_the_canons_of_the_last_versions_are_known(tmp_path: Path, zephyr: Covenant) -> None:
    """A remedy for another source may have one written while this source's run adopts a newer one."""
    settings = Settings(project=REPOSITORY, lakehouse_root=str(tmp_path))
    made = [documented(zephyr, f"{number}") for number in range(10)]
    for number, covenant in enumerate(made):
        keep_canon(settings, covenant, NOW if number % 2 else BEFORE)
    assert [kept_canon(settings, covenant) for covenant in made] == [None, None, *[BEFORE, NOW] * 4]
    keep_canon(settings, made[2], NOW)
    assert kept_canon(settings, made[2]) == NOW
    assert kept_canon(settings, made[3]) == NOW


def test_a_canon_that_cannot_be_read_is_no_unknown_one(tmp_path: Path, zephyr: Covenant) -> None:
    settings = Settings(project=REPOSITORY, lakehouse_root=str(tmp_path))
    Lakehouse(str(tmp_path), "zephyr").files("canon.json").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"can't read .*canon\.json"):
        kept_canon(settings, zephyr)


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


@pytest.mark.parametrize("new", ["fleetSize2", "vehicleCount"])
def test_what_an_alias_follows_fills_the_column_that_was_promised(new: str) -> None:
    """A run by a sentence gave the new name a column of its own before anybody knew that it is the old one's."""
    before, now = called(size="fleetSize", vehicles=new), called(size="fleetSize", vehicles="fleetSize")
    found = ruled(before, now, [rule("alias", "call", "size", also=["vehicles"])])
    assert targets(found) == {"id": "id", "size": "fleetSize", "vehicles": "fleetSize"}


def test_what_only_the_last_run_brought_is_nothing_that_somebody_had(tmp_path: Path, engine: Engine) -> None:
    """A column, or a table, that goes is no loss if it came with the run; what stood before, or came nobody knows when, is."""
    wide, narrow = (
        Canon(entities=(keyed(entity("crew", {"a": "text", "b": "text"})),)),
        Canon(entities=(keyed(entity("crew", {})),)),
    )
    settings = Settings(project=REPOSITORY, lakehouse_root=str(tmp_path))
    now, new = (design(settings, little("crew"), canon)[0] for canon in (wide, narrow))
    lakehouse = Lakehouse(str(tmp_path), "demo")
    for run, columns in (("run-1", ("id", "a")), ("run-2", ("id", "a", "b"))):
        table = pa.table({now.table("clean.crew").primary_key[0] if name == "id" else name: ["x"] for name in columns})
        with Staging(lakehouse, run, engine) as staging:
            ref = TableRef("clean", "crew")
            lakehouse.publish(ref, staging.stage_arrow(ref, table), CommitInfo(run, "1"), "")
    found = {run: as_before(lakehouse, now, new, run) for run in ("run-1", "run-2", "run-3")}
    assert {run: found[run].table("clean.crew").columns.keys() >= {"a", "b"} for run in found} == {
        "run-1": False, "run-2": False, "run-3": True
    }  # fmt: skip
    assert "a" in found["run-2"].table("clean.crew").columns
    without = _without(now, {}, {"clean.crew"})
    tables = {run: {table.table for table in as_before(lakehouse, now, without, run).tables()} for run in ("run-1", "run-2")}
    assert {run: "clean.crew" in names for run, names in tables.items()} == {"run-1": False, "run-2": True}


def test_a_person_may_rename_a_column() -> None:
    found = ruled(called(note="note"), called(note="remark"), [rule("rename", "call", "note", name="remark")])
    assert targets(found) == {"id": "id", "note": "remark"}


def nested(array: str, group: str = "callLine") -> CanonEntity:
    bare = entity("call", {})
    inner = [
        CanonField(raw=raw, structure="scalar", target=target, type="int64", group=group)
        for raw, target in (("@index", "callLineIndex"), (f"{array}[].id", "lineId"))
    ]
    return bare.model_copy(update={"fields": (*bare.fields, *inner)})


def test_an_array_that_moved_has_a_table_of_its_own_as_long_as_both_are_known() -> None:
    made = ruled(
        Canon(entities=(nested("lines"),)), Canon(entities=(nested("content.lines"),)), [rule("field", "call", "content")]
    )
    held = {(field.group, field.raw) for field in made.entities[0].fields}
    assert held == {
        ("call", "id"),
        ("callLine", "@index"),
        ("callLine", "lines[].id"),
        ("callLine2", "@index"),
        ("callLine2", "content.lines[].id"),
    }


def test_an_array_that_a_rule_brings_comes_with_what_numbers_its_rows() -> None:
    made = ruled(Canon(entities=(entity("call", {}),)), Canon(entities=(nested("lines"),)), [rule("field", "call", "lines")])
    assert made == Canon(entities=(nested("lines"),))


def test_an_array_that_a_rule_calls_otherwise_keeps_its_table() -> None:
    now = nested("items")
    made = ruled(Canon(entities=(nested("lines"),)), Canon(entities=(now,)), [rule("alias", "call", "lines", also=["items"])])
    held = [(field.group, field.raw, field.target) for field in made.entities[0].fields if field.group == "callLine"]
    assert sorted(held) == [("callLine", "@index", "callLineIndex"), ("callLine", "items[].id", "lineId")]


def test_what_ties_an_element_to_its_record_is_its_key_once_its_own_may_be_empty() -> None:
    def keyed(*keys: str) -> Canon:
        made = nested("lines")
        fields = tuple(field.model_copy(update={"key": field.raw in keys}) for field in made.fields)
        return Canon(entities=(made.model_copy(update={"fields": fields}),))

    made = ruled(keyed("id", "lines[].id"), keyed("id", "@index"), [rule("required", "call", "lines[].id")])
    assert {field.raw for field in made.entities[0].fields if field.key} == {"id", "@index"}
