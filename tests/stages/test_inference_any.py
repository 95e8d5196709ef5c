"""What inference must see in records of any API: dates, numbers, truth values, maps, odd keys, descriptions that are wrong."""

from __future__ import annotations

import random
import time

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity, from_rows, to_row
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.intelligence.model import EntityHint, FieldSpec
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.dayfirst import settled
from spectra_assets.stages.prepare.fields.ends import spanned
from spectra_assets.stages.prepare.fields.inference import Typed, typed
from spectra_assets.stages.prepare.fields.naming import named
from spectra_assets.stages.prepare.fields.personal import by_place, by_values, look_of
from spectra_assets.stages.prepare.prepare import schema_table
from spectra_assets.stages.rulings import with_aliases
from spectra_assets.stages.values.dates import reading
from spectra_assets.stages.values.shapes import shape_of
from tests.covenant.canons import SOURCE, playbooks, rule

SECONDS = 1_735_689_600


def column(leaf, values, spec=None) -> Typed:
    described = FieldSpec(raw=leaf, type=spec) if spec else None
    return typed(leaf, shape_of({leaf: value} for value in values).fields[leaf], described)


def canon(records, specs=(), entity="thing", **fetch) -> CanonEntity:
    hint = EntityHint(entity=entity, description="", routes=["/thing"], fields=list(specs))
    return canonise(hint, Fetch(entity=entity, path="/thing", **fetch), 0, records, None, [], {entity})[0]


def targets(records, **fetch) -> dict[str, str]:
    (result,) = named([canon(records, **fetch)], {}, lambda *_: None)
    return {field.raw: field.target for field in result.fields if field.group == "thing"}


@pytest.mark.parametrize(
    ("leaf", "values", "spec", "kind"),
    [
        ("n", [2**53 + 1, 5], None, DataType.INT64),
        ("n", [2**53 + 1, 0.5], None, DataType.DECIMAL),
        ("n", [2**63, 0.1234567891], None, DataType.TEXT),
        ("n", [10**29], None, DataType.TEXT),
        ("n", [5, 0.1], None, DataType.FLOAT64),
        ("price", ["12.50", "3.10"], None, DataType.DECIMAL),
        ("price", ["12.50"], "text", DataType.DECIMAL),
        ("x", ["12.50", "3"], "number", DataType.DECIMAL),
        ("price", ["0.0000000001"], None, DataType.TEXT),
        ("x", ["1.5", "2.25", "3.75"], None, DataType.FLOAT64),
        ("x", ["3.9", "3.10", "3.11"], None, DataType.TEXT),
        ("version", ["1.5", "2.5", "3.5"], None, DataType.TEXT),
        ("x", ["0.250", "12", "1.500"], None, DataType.DECIMAL),
        ("weight", ["0.25", "12", "3.10"], None, DataType.DECIMAL),
        ("x", ["0.25", "12", "3.10"], None, DataType.TEXT),
        ("version", ["0.250", "12.100", "1.500"], None, DataType.TEXT),
        ("phone", ["030 123,5", "040 123,5", "050 1"], None, DataType.TEXT),
        ("x", ["01,5", "02,5", "03,5"], None, DataType.TEXT),
        ("x", ["1,2,3", "4,5", "6,7"], None, DataType.TEXT),
        ("pairIds", ["1,2", "4,5", "6,7"], None, DataType.TEXT),
        ("x", ["12,5", "7", "3"], None, DataType.TEXT),
        ("x", ["12,5 kg", "7,5 kg", "3,5 kg"], None, DataType.TEXT),
        ("x", ["555 123", "555 124", "555 125"], None, DataType.TEXT),
        ("price", [1.5, "12.50"], None, DataType.DECIMAL),
        ("qty", [5, "", None], None, DataType.INT64),
        ("flag", ["true", "False"], None, DataType.BOOL),
        ("flag", [True, "false"], None, DataType.BOOL),
        ("flag", ["Y", "N"], None, DataType.BOOL),
        ("flag", ["Y", "Y"], None, DataType.TEXT),
        ("flag", ["Y", "Y"], "boolean", DataType.BOOL),
        ("flag", ["yes", "no", "perhaps"], None, DataType.TEXT),
        ("flag", [0, 1], None, DataType.INT64),
        ("flag", [0, 1], "boolean", DataType.BOOL),
        ("a", [1, [1]], None, DataType.JSON),
        ("a", [[1, {"b": 2}]], None, DataType.JSON),
        ("a", [[[1]]], None, DataType.JSON),
        ("startsIn", ["10:30", "11:45", "12:00"], None, DataType.TEXT),
        ("duration", ["PT5M", "PT1H", "P1D"], None, DataType.TEXT),
    ],
)
def test_types(leaf, values, spec, kind):
    assert column(leaf, values, spec).type == kind


@pytest.mark.parametrize(
    ("leaf", "values", "spec", "expected"),
    [
        ("x", ["1.234,50", "12,5", "7"], None, "decimal_comma"),
        ("x", ["12,5", "0,75", "-3,25"], None, "decimal_comma"),
        ("x", ["1 234,50", "12,5", "1\u00a0000\u00a0000"], None, "decimal_comma"),
        ("x", ["1.234", "12,50", "0,5"], None, "decimal_comma"),
        ("price", ["12,5"], None, "decimal_comma"),
        ("price", ["12,5"], "text", "decimal_comma"),
        ("x", ["12,5", "3"], "number", "decimal_comma"),
        ("x", ["1,234.50", "12.5", "1,234,567"], None, "decimal_grouped"),
        ("price", ["1,234.5"], None, "decimal_grouped"),
        ("price", ["1,234", "2,345", "3,456"], None, None),
        ("x", ["1,234.50", "1.234,50", "3"], None, None),
        ("price", ["12,5", "on request"], None, None),
        ("price", ["12,5", 3.5], None, None),
    ],
)
def test_commas_in_numbers(leaf, values, spec, expected):
    found = column(leaf, values, spec)
    assert (found.type, found.date_format) == ((DataType.DECIMAL if expected else DataType.TEXT), expected)
    assert ("told apart" in found.note) == (values[0] == "1,234"), "what can't be decided is said"


@pytest.mark.parametrize(
    ("leaf", "values", "spec", "expected"),
    [
        ("created", [SECONDS, SECONDS + 5], None, (DataType.TIMESTAMP, "epoch_seconds")),
        ("created_at", [SECONDS + 0.25], None, (DataType.TIMESTAMP, "epoch_seconds")),
        ("ts", [SECONDS * 1000], None, (DataType.TIMESTAMP, None)),
        ("updatedAt", [SECONDS * 10**6], None, (DataType.TIMESTAMP, "epoch_micros")),
        ("time", [SECONDS * 10**9], None, (DataType.TIMESTAMP, "epoch_nanos")),
        ("createdAt", [str(SECONDS), str(SECONDS + 1)], None, (DataType.TIMESTAMP, "epoch_seconds")),
        ("x", [SECONDS], "epoch", (DataType.TIMESTAMP, "epoch_seconds")),
        ("views", [SECONDS, SECONDS + 1], None, (DataType.INT64, None)),
        ("responseTime", [SECONDS], None, (DataType.INT64, None)),
        ("created", [SECONDS, SECONDS * 1000], None, (DataType.INT64, None)),
        ("day", ["20250325", "20250401", "20250402"], None, (DataType.INT64, None)),
        ("startDate", ["20250325", "20250401"], None, (DataType.DATE, "yyyyMMdd")),
        ("startDate", [20250325, 20250401], None, (DataType.DATE, "yyyyMMdd")),
        ("x", ["2025-03-25T10:00:00.1Z", "2025-03-25T10:00:00.123456789+02:00"], None, (DataType.TIMESTAMP, "iso8601")),
        ("x", ["2025-03-25T10:00:00+0200", "2025-03-25 10:00"], None, (DataType.TIMESTAMP, "iso8601")),
        ("born", ["2025-03-25", "2025-03-26", "2025-03-27"], None, (DataType.DATE, "yyyy-MM-dd")),
        ("x", ["2025-02-30", "2025-03-26", "2025-03-27"], None, (DataType.TEXT, None)),
        ("x", ["Tue, 25 Mar 2025 10:00:00 GMT"], None, (DataType.TIMESTAMP, "EEE, d MMM yyyy HH:mm:ss z")),
        ("x", ["5 Mar 2025 10:00:00 +0200"], None, (DataType.TIMESTAMP, "d MMM yyyy HH:mm:ss xx")),
        ("x", ["Wed Oct 10 20:19:24 +0000 2018"], None, (DataType.TIMESTAMP, "EEE MMM d HH:mm:ss xx yyyy")),
        ("x", ["/Date(1735689600000)/"], None, (DataType.TIMESTAMP, "odata")),
        ("date", ["3/25/2025 1:05 PM", "12/5/2025 11:00 AM"], None, (DataType.TIMESTAMP, "M/d/yyyy h:mm a")),
        ("date", ["25.03.2025 9:05", "01.02.2025 10:05"], None, (DataType.TIMESTAMP, "dd.MM.yyyy H:mm")),
        ("date", ["25-Mar-2025"], None, (DataType.DATE, "d-MMM-yyyy")),
        ("date", ["March 5, 2025", "May 6, 2025"], None, (DataType.DATE, "MMMM d, yyyy")),
        ("date", ["March 5, 2025", "Mar 6, 2025"], None, (DataType.TEXT, None)),
        ("date", ["25/03/2025", "03/25/2025"], None, (DataType.TEXT, None)),
    ],
)
def test_moments(leaf, values, spec, expected):
    found = column(leaf, values, spec)
    assert (found.type, found.date_format) == expected


def test_a_day_that_can_only_be_one_decides_for_all():
    many = [f"{month:02}/{day:02}/2025" for month in range(1, 13) for day in range(1, 13)]
    assert reading(many).ambiguous
    assert reading([*many, "02/13/2025"]).pattern == "MM/dd/yyyy"
    assert reading([*many, "13/02/2025"]).pattern == "dd/MM/yyyy"
    assert not reading([*many, "13/02/2025"]).ambiguous


@pytest.mark.parametrize(("text", "share"), [("3 Sep 2025", 1.0), ("3 Sept 2025", 0.5), ("3 Augustus 2025", 0.5)])
def test_only_names_of_months_are_read_that_the_engine_reads(text, share):
    assert reading([text, "4 Aug 2025"], 0.5).share == share


def orders(records, others=()):
    entities = {"thing": canon(records), "other": canon(list(others) or [{"id": 1}], entity="other")}
    done = settled(entities, {"thing": records, "other": list(others)}, {})
    return next(field for field in done["thing"].fields if field.raw == "due")


def test_the_same_day_beside_it_decides_the_order():
    records = [{"id": n, "due": f"0{n}/04/2025", "dueIso": f"2025-04-0{n}T10:00:00Z"} for n in (1, 2, 3)]
    found = orders(records)
    assert (found.date_format, found.confidence > 0.7) == ("dd/MM/yyyy", True)
    assert "dueIso" in found.note
    seconds = [{"id": n, "due": f"0{n}/01/2025", "createdAt": SECONDS + (n - 1) * 86_400} for n in (1, 2, 3)]
    assert orders(seconds).date_format == "dd/MM/yyyy"


def test_other_dates_of_the_source_decide_the_order():
    records = [{"id": n, "due": "03/04/2025", "paidDate": "25/04/2025"} for n in range(3)]
    found = orders(records)
    assert (found.date_format, found.confidence < 0.71) == ("dd/MM/yyyy", True)
    elsewhere = [{"id": n, "closedDate": "25/12/2025"} for n in range(3)]
    assert orders([{"id": 1, "due": "03/04/2025"}], elsewhere).date_format == "dd/MM/yyyy"


def test_without_evidence_the_order_is_the_usual_one_and_unsure():
    found = orders([{"id": n, "due": "03/04/2025"} for n in range(9)])
    assert (found.date_format, found.confidence < 0.5) == ("MM/dd/yyyy", True)
    assert "can't be told apart" in found.note


def test_ten_thousand_keys_are_one_column():
    every = {f"k{number:05}": number for number in range(10_000)}
    spread = [{"id": n, "scores": dict(list(every.items())[n * 50 : n * 50 + 50])} for n in range(200)]
    assert [(f.raw, f.type) for f in canon(spread).fields] == [("id", "int64"), ("scores", "json")]
    assert [f.raw for f in canon([{"id": 1, "scores": every}]).fields] == ["id", "scores"]


@pytest.mark.parametrize(
    ("keys", "is_map"),
    [
        (["2025-01-01", "2025-01-02", "2025-01-03"], True),
        ([f"{n:08x}-0000-4000-8000-000000000000" for n in range(3)], True),
        (["user-10", "user-11", "user-12"], True),
        (["a@x.example", "b@mail.x.example", "c.d@y.example"], True),
        (["a@x", "b@y", "c@z"], False),
        (["first", "second", "third"], False),
        (["a1", "b2", "c3"], False),
    ],
)
def test_keys_that_are_data(keys, is_map):
    found = canon([{"id": n, "held": dict.fromkeys(keys, n)} for n in range(3)])
    assert ("held" in [field.raw for field in found.fields]) == is_map


@pytest.mark.parametrize(
    "key",
    [f"a@{'.' * 1_000_000} ", f"a@{'b.' * 500_000} ", f"a@{'b' * 1_000_000} ", "a" * 1_000_000],
    ids=["dots", "dotted", "one name", "no address"],
)
def test_a_key_as_long_as_a_page_takes_no_longer_than_it_is(key):
    """By a pattern that tries each dot anew the first one took hours: it would end by the test's timeout."""
    shape = shape_of([{f"{key}{n}": 1} for n in range(3)])
    assert not shape.is_map


def test_a_record_with_many_different_fields_is_no_map():
    wide = {f"field{n}": n if n % 2 else str(n) for n in range(250)}
    assert len(canon([{"id": 1, "wide": wide}]).fields) == 251


def test_what_stands_for_nothing_changes_no_structure():
    records = [{"id": 1, "owner": {"id": 5}, "n": 5}, {"id": 2, "owner": [], "n": ""}, {"id": 3, "owner": "", "n": 6}]
    entity = canon(records)
    assert [(field.raw, field.type) for field in entity.fields] == [("id", "int64"), ("n", "int64"), ("owner.id", "int64")]
    watch = DriftWatch(entity)
    for record in records:
        watch.watch(record)
    assert watch.finish() == {}


def test_enumerations_are_sorted_bounded_and_no_ids():
    records = [
        {"id": n, "state": "ba"[n % 2], "level": n % 3, "teamId": n % 3, "note": "x" * 101, "k": n % 60} for n in range(300)
    ]
    found = {field.raw: field.values for field in canon(records).fields}
    assert found == {"id": (), "state": ("a", "b"), "level": ("0", "1", "2"), "teamId": (), "note": (), "k": ()}


def test_what_differs_from_the_description_is_noted():
    specs = [FieldSpec(raw="n", type="integer"), FieldSpec(raw="t", type="text"), FieldSpec(raw="a", type="array")]
    found = {field.raw: field for field in canon([{"id": 1, "n": "x", "t": "y", "a": 5}], specs).fields}
    assert found["n"].note == "described as integer, seen text"
    assert (found["n"].type, found["t"].note, found["a"].note) == (DataType.TEXT, "", "described as array, seen int")


def test_odd_keys_are_kept_and_read_back():
    record = {"id": 1, "ID": 2, "": 3, "a.b": 4, "c[]": 5, "d[0]": 6, "größe": 7, "😀": 8, "@type": "x", "$ref": "y", "with space": 9,
              "a-b": 10, "back\\slash": 11, "in": {"": 12, "x[]": 13}}  # fmt: skip
    entity = canon([record])
    assert len(entity.fields) == 15
    watch = DriftWatch(entity)
    watch.watch(record)
    assert watch.finish() == {}
    names = targets([record])
    assert len(set(map(str.lower, names.values()))) == len(names)
    assert (names["größe"], names["\\@type"], names["$ref"], names["a-b"]) == ("grosse", "type", "ref", "aB")


def test_names_drop_a_wrapper_that_all_fields_share():
    wrapped = targets([{"id": "1", "type": "t", "attributes": {"title": "x", "name": "y", "id": 3}}])
    assert wrapped == {
        "id": "thingId",
        "type": "type",
        "attributes.title": "title",
        "attributes.name": "thingName",
        "attributes.id": "thingId2",
    } | {key: wrapped[key] for key in ("id", "attributes.id")}
    assert {wrapped["id"], wrapped["attributes.id"]} == {"thingId", "thingId2"}
    related = targets(
        [{"id": "1", "attributes": {"title": "x", "body": "y"}, "relationships": {"author": {"data": {"id": "7", "type": "p"}}}}]
    )
    assert related["relationships.author.data.id"] == "authorId"
    assert targets([{"id": 1, "a": 1, "b": 2, "attributes": {"x": 1}}])["attributes.x"] == "attributesX"
    assert targets([{"_mapKey": "k", "size": 1}], primary_key="_mapKey") == {"_mapKey": "thingKey", "size": "size"}
    assert targets([{"_id": "k"}])["_id"] == "thingId"


@pytest.mark.parametrize(
    ("records", "cursor"),
    [
        ([{"id": 1, "createdAt": "2025-01-01T10:00:00Z", "lastModified": "2025-01-01T10:00:00Z"}], "lastModified"),
        ([{"id": 1, "createdAt": "2025-01-01T10:00:00Z", "updatedAt": None}], "createdAt"),
        ([{"id": 1, "_ts": SECONDS}], "_ts"),
        ([{"id": 1, "seenAt": SECONDS}], None),
        ([{"id": 1, "createdAt": SECONDS}, {"id": 2}], None),
    ],
)
def test_cursor(records, cursor):
    assert canon(records).cursor_field == cursor


@pytest.mark.parametrize(
    ("values", "level"),
    [
        (["a@b.de", "c.d@e.co.uk"], PiiLevel.DIRECT),
        (["+49 30 1234567", "+1 (555) 123-4567"], PiiLevel.DIRECT),
        (["192.168.0.1", "10.0.0.255"], PiiLevel.INDIRECT),
        (["DE89 3704 0044 0532 0130 00"], PiiLevel.DIRECT),
        (["1.2.3", "10.0"], PiiLevel.NONE),
        (["12:30", "a:b"], PiiLevel.NONE),
        ([5, None], PiiLevel.NONE),
    ],
)
def test_personal_by_look(values, level):
    assert look_of(values) == level


def test_personal_by_place():
    entity = canon(
        [{"id": 1, "name": "Ann", "author": {"id": 2, "name": "Bo"}, "product": {"name": "p"}, "where": "x@y.zz"}], entity="user"
    )
    assert {f.raw: by_place("user", f) for f in entity.fields if by_place("user", f) != "none"} == {
        "name": "direct",
        "author.name": "direct",
    }
    assert by_values(entity, [{"where": "x@y.zz"}]) == {"where": PiiLevel.DIRECT}


def test_a_first_name_in_capitals_within_a_record_of_merged_fields_names_a_person():
    fields = canon([{"id": 1, "merge_fields": {"FNAME": "Ann", "LNAME": "Ek", "PHONE": "1"}}], entity="member").fields
    assert {field.raw for field in fields if by_place("member", field) == PiiLevel.DIRECT} >= {
        "merge_fields.FNAME",
        "merge_fields.LNAME",
    }


def test_the_parts_of_a_name_and_the_number_of_a_document_name_a_person():
    records = [{"id": 1, "name": {"first": "Ann", "last": "Ek"}, "licence": {"number": "X1", "class": "B"}, "box": {"number": 7}}]
    for entity, direct in (("driver", {"name.first", "name.last", "licence.number"}), ("product", set())):
        fields = canon(records, entity=entity).fields
        assert {field.raw for field in fields if by_place(entity, field) == PiiLevel.DIRECT} == direct


def test_drift_keeps_records_of_every_kind_of_difference():
    kept: list[dict] = []
    watch = DriftWatch(canon([{"id": 1, "n": 1}]), kept.append)
    for number in range(50):
        watch.watch({"id": number, "n": number, "new": 1})
    watch.watch({"id": 99, "n": "text"})
    watch.watch({"id": 99, "n": 5, "rare": 1})
    assert [sorted(record) for record in kept] == [["id", "n", "new"]] * 3 + [["id", "n"], ["id", "n", "rare"]]


def test_the_value_of_a_quantity_is_read_by_the_quantitys_name():
    money = [{"amount": {"value": f"{n}.50", "currency": "EUR"}, "setting": {"value": f"{n}.10"}} for n in range(3)]
    types = {field.raw: field.type for field in canon([{"id": n, **each} for n, each in enumerate(money)]).fields}
    assert (types["amount.value"], types["setting.value"]) == (DataType.DECIMAL, DataType.TEXT)


def test_the_share_of_rows_with_a_value_is_known():
    lines = [{"sku": "a", "note": None}, {"sku": "b", "note": " "}, {"sku": "c", "note": "x"}, {"sku": "d"}]
    records = [{"id": n, "paid": "2025-01-01" if n < 3 else None, "who": {"mail": "a"} if n else None} for n in range(4)]
    entity = canon([{**record, "lines": lines if record["id"] == 0 else []} for record in records])
    shares = {field.raw: field.filled for field in entity.fields}
    assert shares == {"id": 1.0, "paid": 0.75, "who.mail": 0.75, "lines[].sku": 1.0, "lines[].note": 0.25}


def test_the_table_holds_the_whole_canon():
    entity = canon([{"id": n, "state": "ab"[n % 2], "due": "03/04/2025"} for n in range(20)])
    entity = entity.model_copy(
        update={"fields": tuple(f.model_copy(update={"references": "x.id", "target": "t"}) for f in entity.fields)}
    )
    assert from_rows([to_row(entity)]).entities == (entity,)
    read = from_rows(schema_table([entity]).to_pylist()).entities[0]
    assert read.fields == entity.fields
    old = {key: value for key, value in to_row(entity).items() if key not in ("references", "valuesSeen", "note")}
    assert from_rows([old]).entities[0].fields[0].references is None


def test_five_thousand_records_of_sixty_fields_are_read_in_time():
    chance = random.Random(7)  # noqa: S311
    records = [
        {"id": n} | {f"text{k}": f"some {chance.random()}" for k in range(20)} | {f"n{k}": chance.randint(0, 9**9) for k in range(20)}
        | {f"at{k}": f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T10:00:{chance.randint(0, 59):02}Z" for k in range(10)}
        | {f"due{k}Date": f"{chance.randint(1, 12):02}/{chance.randint(1, 28):02}/2025" for k in range(9)}
        for n in range(5_000)
    ]  # fmt: skip
    start = time.process_time()
    assert len(canon(records).fields) == 60
    assert time.process_time() - start < 60


def test_a_renamed_key_ties_what_is_inside_of_records_by_both_of_its_names():
    entity = canon([{"thing_no": number, "lines": [{"label": "a"}]} for number in (1, 2)], primary_key="thing_no")
    scope = {"source": SOURCE, "entity": "thing", "field": "thingNo"}
    entity, aliases = with_aliases(entity, playbooks(rule(id="one", kind="alias", scope=scope, also=["thing_no"])), SOURCE)
    (result,) = named([entity], {"thing": aliases}, lambda *_: None)
    held = {group: [(f.raw, f.target, f.key) for f in result.fields if f.group == group] for group in ("thing", "thingLine")}
    both = [("thingNo", "thingNo", True), ("thing_no", "thingNo", True)]
    assert held == {"thing": both, "thingLine": [*both, ("@index", "thingLineIndex", True), ("lines[].label", "label", False)]}


def test_the_ends_of_a_span_are_of_one_type():
    rows = [
        {"validFrom": "2024-01-01", "validTo": None, "min_temp": 1.5, "max_temp": None, "from": "a", "to": None} for _ in range(9)
    ]
    found = {field.raw: field for field in spanned(canon(rows)).fields}
    assert (found["validTo"].type, found["validTo"].date_format) == (DataType.DATE, "yyyy-MM-dd")
    assert found["max_temp"].type == DataType.FLOAT64
    assert found["to"].type == DataType.TEXT
    assert "of the type of validFrom" in found["validTo"].note


def test_the_end_of_a_span_that_never_came_has_the_order_of_day_and_month_that_its_beginning_turned_out_to_have():
    rows = [{"startDate": "03/11/2025", "endDate": None, "paidDate": f"{day}/11/2025"} for day in (13, 14, 25)]
    (entity,) = settled({"thing": canon(rows)}, {"thing": rows}, {}).values()
    found = {field.raw: field.date_format for field in spanned(entity).fields}
    assert found == {"startDate": "dd/MM/yyyy", "endDate": "dd/MM/yyyy", "paidDate": "dd/MM/yyyy"}


def test_a_day_as_everybody_writes_it_is_one_even_alone():
    assert column("validTo", ["2024-12-31", None, "2024-12-31"]).type == DataType.DATE
    assert column("validTo", ["9999-12-31", "2024-12-31"]).type == DataType.DATE
    assert column("apiVersion", ["2024-12-31"]).type == DataType.TEXT


@pytest.mark.parametrize(
    ("entity", "leaf", "level"),
    [
        ("student", "matriculation", "direct"),
        ("student", "matrikelNummer", "direct"),
        ("kunde", "geburtsdatum", "direct"),
        ("kunde", "strasse", "direct"),
        ("laden", "strasse", "none"),
        ("demandeur", "nom", "direct"),
        ("quartier", "nom", "none"),
        ("demandeur", "numeroSecuriteSociale", "direct"),
        ("cliente", "apellidos", "direct"),
        ("cliente", "codigoPostal", "indirect"),
        ("tienda", "codigoPostal", "none"),
        ("company", "taxNumber", "none"),
        ("patient", "bloodType", "indirect"),
    ],
)
def test_personal_in_other_words_and_languages(entity, leaf, level):
    people = {"kunde", "demandeur", "cliente"}
    (field,) = (f for f in canon([{"id": n, leaf: f"x{n}"} for n in range(3)], entity=entity).fields if f.raw == leaf)
    assert by_place(entity, field, people) == level


def test_who_refers_to_a_person_points_to_one_whatever_the_entity_is_called():
    (found,) = (f for f in canon([{"id": 1, "halter": 5}], entity="vertrag").fields if f.raw == "halter")
    field = found.model_copy(update={"references": "halter.id"})
    assert by_place("vertrag", field, {"halter"}) == PiiLevel.INDIRECT
    assert by_place("vertrag", field) == PiiLevel.NONE


def test_a_list_that_a_rule_calls_otherwise_is_in_the_table_of_its_first_name() -> None:
    hint, fetch = EntityHint(entity="bill", description="", routes=["/bill"]), Fetch(entity="bill", path="/bill")
    records = [{"id": 1, "lineItems": [{"id": 5, "sku": "a"}], "notes": [{"id": 6, "said": "b"}]}]
    made, _ = canonise(hint, fetch, 0, records, None, [], {"bill"}, called={"lineItems": "lines"})
    groups = {field.raw: field.group for field in made.fields}
    assert groups["lineItems[].sku"] == "billLine"
    assert groups["notes[].said"] == "billNote"
