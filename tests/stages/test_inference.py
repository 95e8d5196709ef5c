"""Types, structures, twins, keys and routes by evidence, on records made for it."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.model import DataType
from spectra_assets.intelligence.model import EntityHint, FieldSpec
from spectra_assets.stages.asking.answers import flattened, recursive_field, sight_of, values_at
from spectra_assets.stages.asking.sampling import Listing, ends, nonsense, spread
from spectra_assets.stages.extract.drift import DriftWatch, masked
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.echoes import echoes
from spectra_assets.stages.prepare.fields.inference import typed
from spectra_assets.stages.prepare.fields.naming import named
from spectra_assets.stages.prepare.routes.proof import inclusion, judge
from spectra_assets.stages.prepare.routes.routes import Candidate, Trial, best
from spectra_assets.stages.values.shapes import shape_of

JAN_1, DAY = 1_735_689_600_000, 86_400_000


def column(values, leaf="amount", spec=None):
    """Type of a field that holds these values, one per record."""
    return typed(leaf, shape_of({leaf: value} for value in values).fields[leaf], spec)


def canon(records, specs=(), **fetch) -> tuple[CanonEntity, dict[str, str]]:
    hint = EntityHint(entity="thing", description="", routes=["/thing"], fields=list(specs))
    plan = Fetch(entity="thing", path="/thing", **fetch)
    return canonise(hint, plan, 0, records, None, (), {"thing"})


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, None], DataType.INT64),
        ([1, 2.5], DataType.FLOAT64),
        ([True, False], DataType.BOOL),
        (["a", ""], DataType.TEXT),
        ([1, "seven"], DataType.TEXT),
        ([True, 1], DataType.TEXT),
        (["1", "2", "3"], DataType.INT64),
        (["1", "2"], DataType.TEXT),
        (["01", "02", "03"], DataType.TEXT),
        (["1", "2", "3", ""], DataType.TEXT),
        ([*map(str, range(1, 31)), "", ""], DataType.INT64),
        ([*map(str, range(1, 31)), "", "n/k"], DataType.TEXT),
        ([{"a": 1}, 5], DataType.JSON),
        ([{}, {}], DataType.JSON),
        ([[], []], DataType.JSON),
        ([2**63], DataType.DECIMAL),
        ([-(2**63)], DataType.INT64),
        ([None, None], DataType.TEXT),
    ],
)
def test_a_type_holds_every_value(values, kind):
    assert column(values).type == kind


@pytest.mark.parametrize(
    ("leaf", "values", "kind", "format_"),
    [
        ("height", ["172", "unknown", "96", "202"], DataType.FLOAT64, "number_or_none"),
        ("credits", ["3500000", "unknown", "150", "n/a", "12"], DataType.FLOAT64, "number_or_none"),
        ("size", [4, "unknown", 7, 12.5], DataType.FLOAT64, "number_or_none"),
        ("size", [4, 5, 7, "none", "seven"], DataType.TEXT, None),
        ("mass", ["77", "1,358", "78.2", "unknown", "32"], DataType.DECIMAL, "decimal_grouped_or_none"),
        ("length", ["1,600", "36.8", "n/a", "10.4"], DataType.DECIMAL, "decimal_grouped_or_none"),
        ("crew", ["46", "1", "30-165", "unknown", "7"], DataType.TEXT, None),
        ("speed", ["1000", "unknown", "n/a", "unknown"], DataType.TEXT, None),
        ("version", ["unknown", "n/a", "none", "unknown"], DataType.TEXT, None),
        ("phone", ["123", "unknown", "456", "789"], DataType.TEXT, None),
    ],
)
def test_numbers_beside_words_for_none_are_numbers(leaf, values, kind, format_):
    found = column(values, leaf)
    assert (found.type, found.date_format) == (kind, format_)


@pytest.mark.parametrize("leaf", ["externalId", "name", "tag", "zipCode", "build", "phone"])
def test_digits_in_a_name_stay_text(leaf):
    assert column(["1", "2", "3"], leaf).type == DataType.TEXT


def test_the_description_decides_on_texts_that_hold_integers():
    spec = FieldSpec(raw="amount", type="integer")
    assert column(["1"], spec=spec).type == DataType.INT64
    assert column(["1", "n/a"], spec=spec).type == DataType.TEXT
    assert column(["1", "2", "3"], spec=FieldSpec(raw="amount", type="text")).type == DataType.TEXT


@pytest.mark.parametrize(
    ("leaf", "values", "kind"),
    [
        ("createdOn", [JAN_1, JAN_1 + DAY], DataType.TIMESTAMP),
        ("startDate", [JAN_1], DataType.TIMESTAMP),
        ("size", [JAN_1], DataType.INT64),
        ("createdOn", [0, JAN_1], DataType.INT64),
        ("updated", [17], DataType.INT64),
    ],
)
def test_epoch_milliseconds_need_a_name_that_says_so(leaf, values, kind):
    assert column(values, leaf).type == kind


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (["03/25/2025", "01/02/2025"], "MM/dd/yyyy"),
        (["25/03/2025", "01/02/2025"], "dd/MM/yyyy"),
        (["2025-03-25"], "yyyy-MM-dd"),
        (["2019-04-12-08:00", "2025-03-25+02:00", "2025-03-25Z"], "iso8601"),
        (["2025-03-25T10:00:00Z", "2025-03-26T10:00:00+01:00"], "yyyy-MM-dd'T'HH:mm:ssXXX"),
        (["3/5/2025", "12/25/2025"], "M/d/yyyy"),
    ],
)
def test_text_dates_show_their_order(values, pattern):
    found = column(values, "dueDate")
    timed = "HH" in pattern
    assert (found.type, found.date_format) == (DataType.TIMESTAMP if timed else DataType.DATE, pattern)


def test_a_few_bad_dates_do_not_change_a_described_type():
    values = ["01/02/2025"] * 9 + ["soon"]
    assert column(values, "dueDate", FieldSpec(raw="dueDate", type="date")).share == 0.9
    assert column(values, "dueDate").type == DataType.TEXT


def test_twins_are_found_by_the_day_they_show():
    records = [
        {"id": n, "startDate": JAN_1 + n * DAY, "changed": JAN_1 + n * DAY + 5, "planStart": f"01/0{n + 1}/2025"}
        for n in range(5)
    ]
    _, twins = canon(records)
    assert twins == {"planStart": "startDate"}


def test_one_differing_day_makes_no_twins():
    records = [{"id": n, "startDate": JAN_1 + n * DAY, "start": "01/01/2025"} for n in range(3)]
    assert canon(records)[1] == {}


def test_a_twin_decides_an_ambiguous_order():
    records = [{"id": 1, "startDate": JAN_1 + DAY, "start": "02/01/2025"}]
    entity, twins = canon(records)
    assert twins == {"start": "startDate"}
    assert next(field.date_format for field in entity.fields if field.raw == "start") == "dd/MM/yyyy"


def test_structures():
    records = [
        {"id": 1, "tags": ["a", "b"], "owner": {"id": 3}, "lines": [{"id": 7, "parts": [1]}], "map": {}, "none": []},
        {"id": 2, "tags": [], "owner": None, "lines": [], "map": {"9": 1}, "none": [], "new.key": 1},
    ]
    entity, _ = canon(records)
    found = {field.raw: (field.group, field.structure, str(field.type)) for field in entity.fields}
    assert found == {
        "id": ("thing", "scalar", "int64"),
        "tags[]": ("thingTag", "scalar", "text"),
        "owner.id": ("thing", "scalar", "int64"),
        "lines[].id": ("thingLine", "scalar", "int64"),
        "lines[].parts": ("thingLine", "array", "json"),
        "map": ("thing", "objectDump", "json"),
        "none": ("thing", "array", "json"),
        "new\\.key": ("thing", "scalar", "int64"),
    }


def test_what_only_the_description_knows_stays():
    specs = [
        FieldSpec(raw="id", type="integer"),
        FieldSpec(raw="lines", type="array", items="record"),
        FieldSpec(raw="lines[].amount", type="number"),
        FieldSpec(raw="due", type="date"),
    ]
    entity, _ = canon([{"id": 1, "lines": [], "extra": 1}], specs)
    found = [(field.raw, field.group, str(field.type), field.evidence) for field in entity.fields]
    assert found == [
        ("id", "thing", "int64", "sample"),
        ("lines[].amount", "thingLine", "float64", "spec"),
        ("due", "thing", "timestamp", "spec"),
        ("extra", "thing", "int64", "sample"),
    ]


@pytest.mark.parametrize("records", [[], [{"id": 1}], [{"id": 1, "tagIds": [], "lines": []}], [{"id": 1, "tagIds": None}]])
def test_arrays_that_only_the_description_knows_are_tables(records):
    specs = [
        FieldSpec(raw="id", type="integer"),
        FieldSpec(raw="tagIds", type="array", items="integer"),
        FieldSpec(raw="misc", type="array", items="unknown"),
        FieldSpec(raw="lines", type="array", items="record"),
        FieldSpec(raw="lines[].id", type="integer"),
        FieldSpec(raw="lines[].sizes", type="array", items="integer"),
    ]
    entity, _ = canon(records, specs)
    assert [(field.raw, field.group, str(field.type), field.key) for field in entity.fields] == [
        ("id", "thing", "int64", True),
        ("tagIds[]", "thingTag", "int64", False),
        ("misc", "thing", "json", False),
        ("lines[].id", "thingLine", "int64", True),
        ("lines[].sizes", "thingLine", "json", False),
    ]


def test_what_an_array_holds_wins_over_its_description():
    specs = [FieldSpec(raw="tags", type="array", items="integer")]
    assert [(f.raw, str(f.type)) for f in canon([{"tags": ["a"]}], specs)[0].fields] == [("tags[]", "text")]
    assert [f.raw for f in canon([{"id": 1, "tags": [{"a": 1}]}], specs)[0].fields] == ["id", "tags[].a"]


@pytest.mark.parametrize(
    ("lines", "shared"),
    [
        ([[{"thingId": 1}, {"thingId": 1}], [{"thingId": 2}]], True),
        ([[{"thingId": 1}], []], True),
        ([[{"thingId": 1}], [{"thingId": 1}]], False),
        ([[{"thingId": 1}, {"thingId": None}], []], False),
        ([[{"thingId": 1}, {"n": 1}], []], False),
        ([[{"thingId": "1"}], [{"thingId": "2"}]], False),
        ([[], []], False),
    ],
)
def test_a_field_that_always_repeats_the_key_around_shares_its_column(lines, shared):
    records = [{"id": number, "lines": held} for number, held in enumerate(lines, 1)]
    entity, twins = canon(records, [FieldSpec(raw="lines[].thingId", type="integer")])
    found = echoes(entity, records)
    assert found == (["lines[].thingId"] if shared else [])
    (result,) = named([entity], {"thing": twins}, lambda *_: None, {"thing": found})
    names = [(field.raw, field.target) for field in result.fields if field.group == "thingLine"]
    echo = ("lines[].thingId", "thingId" if shared else "thingId2")
    assert [name for name in names if name[0] != "lines[].n"] == (
        [("id", "thingId"), echo, ("@index", "thingLineIndex")]
        if shared
        else [("id", "thingId"), ("@index", "thingLineIndex"), echo]
    )


def test_a_field_that_repeats_the_key_under_another_name_keeps_it():
    records = [{"id": 1, "lines": [{"owner": 1}]}]
    entity, _ = canon(records)
    (result,) = named([entity], {}, lambda *_: None, {"thing": echoes(entity, records)})
    assert [field.target for field in result.fields] == ["thingId", "thingId", "thingLineIndex", "owner"]


def test_colliding_names_get_a_suffix_and_links_come_first():
    entity, twins = canon([{"id": 1, "ID": 2, "thing_id": 3, "lines": [{"thingId": 4}]}])
    (result,) = named([entity], {"thing": twins}, lambda *_: None)
    assert [(field.raw, field.target) for field in result.fields] == [
        ("ID", "id"),
        ("id", "thingId"),
        ("thing_id", "thingId2"),
        ("id", "thingId"),
        ("@index", "thingLineIndex"),
        ("lines[].thingId", "thingId2"),
    ]


def test_an_array_that_holds_its_own_kind_is_a_tree():
    records = [{"id": 1, "name": "a", "kids": [{"id": 2, "name": "b", "kids": [], "up": 1}]}, {"id": 3, "name": "c", "kids": []}]
    assert recursive_field(records) == "kids"
    assert [record["id"] for record in flattened(records, "kids")] == [1, 2, 3]
    assert recursive_field([{"id": 1, "lines": [{"amount": 2, "tax": 1}]}]) is None


@pytest.mark.parametrize(
    ("value", "hint", "shape", "location"),
    [
        ([{"id": 1}], None, "array", ""),
        ([1, 2], None, "array", ""),
        ({"total": 1, "results": [{"id": 1}]}, None, "envelope", "results"),
        ({"id": 1, "steps": [{"id": 2}]}, None, "object", "$"),
        ({"id": 1, "steps": [{"id": 2}]}, "steps", "envelope", "steps"),
        ({"a": [{}], "b": [{}]}, None, "object", "$"),
        ({}, None, "empty", None),
        (7, None, "text", None),
    ],
)
def test_where_records_are(value, hint, shape, location):
    found = sight_of(value, hint)
    assert (found.shape, found.location) == (shape, location)


def test_values_at_a_path():
    record = {"a": [{"b": {"c.d": 1}}, {"b": None}, {"b": {"c.d": 2}}]}
    assert list(values_at(record, "a[].b.c\\.d")) == [1, 2]


# ---------------------------------------------------------------- routes


def trial(rows, parameter="parentid", **changes) -> Trial:
    result = Trial(Candidate("child", f"/child/{parameter}", parameter, "query", ("parent", "id")))
    result.tried = {parent: Listing(list(records)) for parent, records in rows.items()}
    result.rows = {parent: list(records) for parent, records in rows.items()}
    for name, value in changes.items():
        setattr(result, name, value)
    return result


def test_the_same_rows_for_two_parents_refute_a_parameter():
    found = trial({"1": [{"id": 1}], "2": [{"id": 1}]})
    judge(found, [{"id": 1}])
    assert found.verdict == "ignored"


def test_the_same_children_of_two_parents_are_no_refutation_if_nonsense_has_none():
    found = trial({"1": [{"id": 1}], "2": [{"id": 1}]})
    judge(found, [])
    assert (found.verdict, found.overlap) == ("proven", 1.0)


def test_rows_that_name_another_parent_contradict():
    found = trial({"1": [{"id": 1, "parentId": 8}], "2": [{"id": 2, "parentId": 9}]}, "parentId")
    judge(found, [])
    assert found.verdict == "contradicted"


def test_one_orphan_in_ten_does_not_contradict():
    rows = {str(p): [{"id": 100 * p + n, "parentId": 999 if n == 3 else p} for n in range(10)] for p in (1, 2)}
    found = trial(rows, "parentId")
    judge(found, [])
    assert (found.verdict, found.inclusion_field, found.inclusion) == ("proven", "parentId", 0.9)


def test_a_number_that_happens_to_equal_one_parent_is_no_reference():
    assert inclusion({"1": [{"id": 5, "order": 1}], "2": [{"id": 6, "order": 1}]}, "parentid") == (None, None)


def test_the_route_with_more_rows_wins_over_the_cheaper_one():
    small = trial({"": [{"id": 1}]}, verdict="complete", predicted=1)
    small.candidate = Candidate("child", "/child")
    large = trial({"1": [{"id": 1, "p": 1}], "2": [{"id": 2, "p": 2}]}, verdict="proven", predicted=9)
    assert best([small, large], "id", lambda *_: {})[0] is large
    assert "misses 1 rows" in small.evidence


def test_samples():
    assert spread(list(range(100)), 3) == [0, 50, 99]
    assert spread([1, 2], 8) == [1, 2]
    assert ends([{"n": n} for n in range(9)], 3) == [{"n": 0}, {"n": 1}, {"n": 8}]
    assert int(nonsense([3, 5])) > 5
    assert nonsense(["a-b"]).startswith("no-such")


# ---------------------------------------------------------------- drift


def watch(records, sample) -> dict[str, str]:
    entity, _ = canon(sample)
    watcher = DriftWatch(entity)
    for record in records:
        watcher.watch(record)
    return {path: entry["kind"] for path, entry in watcher.finish().items()}


def test_drift():
    sample = [{"id": 1, "name": "a", "owner": {"id": 2}, "tags": ["x"], "dump": {}, "when": JAN_1, "none": None}]
    assert watch(sample, sample) == {}
    changed = {"id": "7", "name": 8, "owner": 3, "tags": [{"a": 1}], "dump": [1], "when": "01/01/2025", "none": None}
    assert watch([changed], sample) == {
        "owner": "changedType",
        "tags[]": "changedType",
        "when": "changedType",
        "owner.id": "missingField",
    }
    assert watch([{**sample[0], "id": "x1"}], sample) == {"id": "changedType"}
    assert watch([{**sample[0], "more": 1}] * 3, sample) == {"more": "newField"}


def test_drift_is_bounded():
    sample = [{"id": 1}]
    records = [{"id": 1, f"key{n}": n} for n in range(5_000)]
    assert len(watch(records, sample)) == 200


def test_examples_are_masked():
    assert [masked(value) for value in ("secret", {"a": 1}, [1], 5)] == ["text(6)", "record(1 keys)", "array(1)", "5"]


def test_a_parents_id_that_no_record_names_becomes_a_field():
    link = ParentKey(entity="parent", path="id", parameter="p")
    hint = EntityHint(entity="thing", description="", routes=["/thing"])
    entity, _ = canonise(
        hint, Fetch(entity="thing", path="/thing", parent=link), 0, [{"id": 1}], None, [DataType.INT64], {"thing"}
    )
    assert [(field.raw, field.required) for field in entity.fields] == [("id", True), ("@parent", True)]
