"""Moulds: what a struct takes, the canon lets pass; what is read by it is written as by a dict; what drifts is still found."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.model import DataType
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.extract.landing import hash_of
from spectra_assets.stages.prepare.fields.canonise import canonise

SAMPLE = {
    "id": 1, "name": "a", "big": 2**70, "rate": 1.5, "on": True, "when": "2025-01-01T10:00:00Z", "none": None, "é": "x", "$ref": 1,
    "owner": {"id": 5, "team": {"z": 1, "a": "b"}}, "tags": ["x", "y"], "steps": [{"order": 1, "note": None}, {"order": 2}],
    "open": {"k1": 1, "k2": [1, {"b": 1, "a": 2}]}, "a.b": 4, "with space": 9, "ID": 7,
}  # fmt: skip


def canon(*records: dict, key: str = "id") -> CanonEntity:
    fetch = Fetch(entity="thing", path="/things", primary_key=key)
    hint = EntityHint(entity="thing", description="", routes=["/things"])
    entity, _ = canonise(hint, fetch, 0, list(records or (SAMPLE,)), None, (), set())
    return entity


def text(record: object, **how: object) -> bytes:
    return json.dumps(record, ensure_ascii=False, **how).encode()  # type: ignore[arg-type]


def is_moulded(read: object) -> bool:
    return isinstance(read, msgspec.Struct)


def test_a_record_like_those_before_is_read_by_the_mould():
    watch = DriftWatch(canon())
    read = [watch.read([text(SAMPLE)])[0] for _ in range(3)]
    assert [is_moulded(each) for each in read] == [False, True, True]
    assert msgspec.to_builtins(read[1]) == SAMPLE
    assert watch.keys(read[1:]) == [1, 1]
    assert watch.finish() == {}
    assert watch.records == 3


def mutated(chance: random.Random, value: object) -> object:
    """The value with keys in another order, some left out, null or of another kind."""
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        made = {key: mutated(chance, value[key]) for key in keys if chance.random() > 0.03}
        return made if chance.random() > 0.01 else {**made, "new": 1}
    if isinstance(value, list):
        return [mutated(chance, each) for each in value][: chance.randint(0, 3)]
    if chance.random() < 0.06:
        return chance.choice([None, "", " ", "12", "-0.50", "true", "x", 0, 1, -7, 1.0, 1e3, 2**64, True, [], {}, [1], {"a": 1}])
    return value


@pytest.mark.parametrize("seed", range(8))
def test_with_and_without_a_mould_the_same_is_found_and_hashed(seed):
    chance = random.Random(seed)  # noqa: S311
    separators = (",", ":") if seed % 2 else (", ", ": ")
    records = [mutated(chance, SAMPLE) for _ in range(1500)]
    texts = [text(record, separators=separators) for record in records]
    plain, moulded = DriftWatch(canon()), DriftWatch(canon())
    for record in texts:
        value = msgspec.json.decode(record)
        plain.watch(value)
    read = [each for start in range(0, len(texts), 100) for each in moulded.read(texts[start : start + 100])]
    assert moulded.finish() == plain.finish()
    assert moulded.records == plain.records
    assert [hash_of(each) for each in read] == [hash_of(msgspec.json.decode(each)) for each in texts]
    assert sum(map(is_moulded, read)) > 200
    assert {"tags", "steps"} <= moulded.elements.keys()
    assert dict(moulded.elements) == {path: sum(held(record, path.split(".")) for record in records) for path in moulded.elements}


def held(value: object, way: list[str]) -> int:
    """Elements of the list on this way."""
    for name in way:
        value = value.get(name) if isinstance(value, dict) else None
    return len(value) if isinstance(value, list) else 0


@pytest.mark.parametrize(
    ("known", "value", "fits"),
    [
        (5, "12", True), (5, "012", False), (5, "", True), (5, 1.0, False), (5, True, False), (5, 2**90, True),
        (1.5, 2, True), (1.5, " -2.50 ", True), (1.5, "1e3", False), (1.5, "1,5", False),
        (True, "Yes", True), (True, " off", True), (True, "ye\u017f", False), (True, "", True),
        ("a", 5, True), ("a", False, True), ("a", {}, True), ("a", {"x": 1}, False), ("a", [1], False),
        ({"x": 1}, [], True), ({"x": 1}, "", True), ({"x": 1}, [1], False), ({"x": 1}, {"y": 1}, False), ({"x": 1}, {}, True),
        ([1], ["2", None], True), ([1], ["b"], False), ([{"x": 1}], [None, {}], True), ([1], "", True),
        ("2025-01-01", "yesterday", True), ("2025-01-01", 5, False),
    ],
)  # fmt: skip
def test_what_the_mould_refuses_is_judged_by_the_canon(known, value, fits):
    """The mould never lets pass what is drift, and what it refuses without reason is none."""
    entity = canon({"id": 1, "v": known}, {"id": 2, "v": known})
    plain, moulded = DriftWatch(entity), DriftWatch(entity)
    moulded.read([text({"id": 1, "v": known})] * 2)
    read = moulded.read([text({"id": 3, "v": value})])
    plain.watch({"id": 1, "v": known})
    plain.watch({"id": 3, "v": value})
    kinds = {path: entry["kind"] for path, entry in plain.finish().items()}
    assert {path: entry["kind"] for path, entry in moulded.finish().items()} == kinds
    assert (not kinds) == fits
    assert hash_of(read[0]) == hash_of({"id": 3, "v": value})


@pytest.mark.parametrize("known", [5, 1.5, True])
def test_a_megabyte_of_blanks_is_read_as_soon_as_any_other_text(known):
    """When two runs of blanks met in the pattern this took an hour, and the timeout of a test ended it."""
    watch = DriftWatch(canon({"id": 1, "v": known}, {"id": 2, "v": known}))
    watch.read([text({"id": 1, "v": known})] * 2)
    blanks = " " * (1 << 20)
    watch.read([text({"id": 3, "v": each}) for each in (blanks + "x", "1" + blanks + "x", blanks)])
    assert {path: (each["kind"], each["count"]) for path, each in watch.finish().items()} == {"v": ("changedType", 2)}


def test_a_field_that_comes_late_is_seen_and_then_moulded():
    watch = DriftWatch(canon({"id": 1, "late": {"n": 1}}, {"id": 2}))
    first = watch.read([text({"id": n}) for n in range(3)])
    second = watch.read([text({"id": 4}), text({"id": 5, "late": {"n": 1}}), text({"id": 6})])
    third = watch.read([text({"id": 7, "late": {"n": None}})])
    assert [is_moulded(each) for each in (*first, *second, *third)] == [False] * 3 + [True, False, True, True]
    assert watch.finish() == {}


def test_a_field_that_never_comes_is_missing():
    watch = DriftWatch(canon({"id": 1, "gone": 1}))
    watch.read([text({"id": 1})])
    watch.read([text({"id": 2})])
    assert {path: (entry["kind"], entry["count"]) for path, entry in watch.finish().items()} == {"gone": ("missingField", 2)}


@pytest.mark.parametrize("key", ['a"b', "back\\slash", "line\nbreak", "\0"])
def test_keys_that_no_struct_can_have_are_read_without_a_mould(key):
    record = {"id": 1, key: "x"}
    watch = DriftWatch(canon(record))
    read = [watch.read([text(record)])[0] for _ in range(2)]
    assert read == [record, record]
    assert watch.keys(read) is None
    assert watch.finish() == {}


def test_a_key_that_is_no_plain_value_or_was_never_seen_has_no_mould():
    nested = {"key": {"id": 1}, "keys": [{"id": 1}]}
    for path, moulds in (("key.id", True), ("keys[].id", False), ("key", False), ("nowhere", False)):
        watch = DriftWatch(canon(nested, key=path))
        watch.read([text(nested)])
        read = watch.read([text(nested)])
        assert is_moulded(read[0]) == moulds
        assert watch.keys(read) == ([1] if moulds else None)
        assert watch.keys(watch.read([text({"key": None})])) is None


def test_a_sample_without_the_field_types_of_the_canon():
    """A person's rule may say another type than was seen; the mould follows it."""
    entity = canon({"id": 1, "n": "7"})
    fields = tuple(f.model_copy(update={"type": DataType.JSON}) if f.raw == "n" else f for f in entity.fields)
    watch = DriftWatch(entity.model_copy(update={"fields": fields}))
    watch.read([text({"id": 1, "n": "7"})])
    read = watch.read([text({"id": 2, "n": {"b": 1, "a": [1.50]}})])
    assert is_moulded(read[0])
    assert hash_of(read[0]) == hash_of({"n": {"a": [1.5], "b": 1}, "id": 2})
