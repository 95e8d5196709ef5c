"""What may be done to all records at once, and what life does to them: one table as it was, and each time as it came."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import Column, DataType, PiiLevel
from spectra_assets.gates.altered import words_of
from spectra_assets.gates.evaluate import evaluate
from spectra_assets.gates.judgement import Result
from spectra_assets.gates.lasting import making
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from tests.gates.conftest import Bench, column, table, text

Row = dict[str, Any]
Change = Callable[[Row], Row]

COUNT = 60
COLUMNS = [
    column("customerId", required=True, source=["id"]),
    text("firstName", pii=PiiLevel.DIRECT, source=["first"]),
    text("lastName", pii=PiiLevel.DIRECT, source=["last"]),
    text("note", source=["note"]),
    text("status", source=["status"]),
    text("batch", source=["batch"]),
    column("level", source=["level"]),
    text("zip", source=["zip"]),
    column("vip", DataType.BOOL, source=["vip"]),
    column("groupId", references="group.id", source=["groupId"]),
    column("visits", source=["visits"]),
    column("balance", DataType.FLOAT64, source=["balance"]),
    column("score", DataType.FLOAT64, source=["score"]),
    column("latitude", DataType.FLOAT64, source=["lat"]),
    column("longitude", DataType.FLOAT64, source=["lon"]),
    column("birthday", DataType.DATE, source=["birthday"]),
    column("createdAt", DataType.TIMESTAMP, source=["createdAt"]),
    column("closedAt", DataType.TIMESTAMP, source=["closedAt"]),
    column("updatedAt", DataType.TIMESTAMP, source=["updatedAt"]),
]
PROMISED = table("clean.customer", "values_stay", columns=COLUMNS, primary_key=["customerId"], build=Flattening())
WORDS = ("PLANNED", "OPEN", "HELD", "CLOSED")
START = datetime(2025, 1, 1, 8, 15, 30, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)


def customer(key: int) -> Row:
    return {
        "customerId": key,
        "firstName": f"{('Zoë', 'Ødur', 'Jürg', 'Ann')[key % 4]}{'abcdefghij'[key % 10]}{key // 2}",
        "lastName": f"{('Müller', 'Ñandú', 'Cole')[key % 3]}-{chr(97 + key % 26)}{key}",
        "note": f"lot {key}: fragile & <heavy> freight of the customer",
        "status": WORDS[key % 4],
        "batch": f"run-{key % 7:04}",
        "level": key % 3,
        "zip": f"0{1000 + key}" if key % 15 == 4 else f"{20000 + key % 9}",
        "vip": key % 3 == 0,
        "groupId": key % 17,
        "visits": key % 11,
        "balance": round(12.35 * key + 0.17, 2),
        "score": key / 7,
        "latitude": 50 + key / 60,
        "longitude": 9 - key / 60,
        "birthday": date(1970, 1, 1) + timedelta(days=97 * key + 1),
        "createdAt": START + timedelta(hours=31 * key),
        "closedAt": START + timedelta(hours=43 * key) if key % 3 else None,
        "updatedAt": NOW - timedelta(minutes=key),
    }


HELD = [customer(key) for key in range(COUNT)]


@pytest.fixture(scope="module")
def published(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    lakehouse = Lakehouse(str(tmp_path_factory.mktemp("altered")), "acme")
    with Staging(lakehouse, "run1", engine) as staging:
        bench = Bench(engine, lakehouse, staging)
        bench.publish(PROMISED, HELD, made=json.dumps(making(PROMISED)))
        yield bench


def judged(bench: Bench, change: Change, accepted: str = "") -> Result:
    rows = [{**row, **change(row)} for row in HELD]
    candidate = replace(bench.candidate(PROMISED, rows), accepted_changes=frozenset(accepted.split(", ")))
    (result,) = evaluate(candidate)
    return result


def to(name: str, value: Any) -> Change:
    return lambda row: {name: value(row[name]) if callable(value) else value}


def hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def since_1970(at: datetime, factor: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + factor * (at - datetime(1970, 1, 1, tzinfo=UTC))


def halved(row: Row) -> bool:
    return bool(row["customerId"] % 2)


DONE: dict[str, tuple[Change, set[str], str]] = {
    "masked": (to("lastName", "***"), {"lastName"}, "are *** now, of 60 different ones"),
    "a default": (to("note", "string"), {"note"}, "are string now"),
    "all zero": (to("score", 0.0), {"score"}, "are 0 now"),
    "emptied": (to("note", None), {"note"}, "60 of 60 values of note are empty now"),
    "references emptied": (to("groupId", None), {"groupId"}, "are empty now"),
    "one parent": (to("groupId", 3), {"groupId"}, "are 3 now"),
    "words become numbers": (to("status", lambda word: str(WORDS.index(word))), {"status"}, "PLANNED is 0, OPEN is 1"),
    "words in small letters": (to("status", str.lower), {"status"}, "OPEN is open"),
    "other words": (to("status", lambda word: f"S_{word[0]}"), {"status"}, "one for one"),
    "yes is no": (to("vip", lambda value: not value), {"vip"}, "the contrary"),
    "a number for none": (lambda row: {"visits": -999999 if row["customerId"] % 4 == 0 else row["visits"]}, {"visits"}, "-999999"),
    "minus one": (lambda row: {"balance": -1 if row["customerId"] % 9 == 0 else row["balance"]}, {"balance"}, "are -1 now"),
    "a day for none": (
        to("closedAt", lambda at: at or datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)), {"closedAt"}, "9999-12-31T23:59:59Z",
    ),
    "a birthday for none": (to("birthday", lambda day: date(1900, 1, 1) if day.day % 3 == 0 else day), {"birthday"}, "1900-01-01"),
    "a word for none": (lambda row: {"note": "N/A" if halved(row) else row["note"]}, {"note"}, "30 of 60 values of note are N/A"),
    "cents": (to("balance", lambda value: value * 100), {"balance"}, "100 times"),
    "with tax": (to("balance", lambda value: round(value * 1.19, 2)), {"balance"}, "1.19 times"),
    "the other sign": (to("balance", lambda value: -value), {"balance"}, "-1 times"),
    "no decimals": (to("balance", lambda value: round(value)), {"balance"}, "lost their decimals"),
    "rounded to a tenth": (to("latitude", lambda value: round(value, 1)), {"latitude"}, "are rounded to 0.1"),
    "two digits": (to("balance", lambda value: float(f"{value:.1e}")), {"balance"}, "are rounded to 2 digits"),
    "no seconds": (to("createdAt", lambda at: at.replace(second=0)), {"createdAt"}, "lost their seconds"),
    "last words": (to("lastName", lambda name: name.split("-")[1]), {"lastName"}, "lost a part of their words"),
    "initials": (to("note", lambda words: " ".join(["l", *words.split()[1:]])), {"note"}, "lost a part of their words"),
    "another zone": (to("createdAt", lambda at: at + timedelta(hours=1)), {"createdAt"}, "moved by hours"),
    "seconds read as milliseconds": (
        lambda row: {name: since_1970(row[name], 0.001) for name in ("createdAt", "updatedAt")},
        {"createdAt", "updatedAt"},
        "0.001 times as far from 1970",
    ),
    "half read as milliseconds": (
        lambda row: {"createdAt": since_1970(row["createdAt"], 0.001) if halved(row) else row["createdAt"]},
        {"createdAt"},
        "30 of 60 values of createdAt are 0.001 times as far",
    ),
    "seconds read as microseconds": (to("updatedAt", lambda at: since_1970(at, 1e-6)), {"updatedAt"}, "1e-06 times as far"),
    "no time of day": (to("createdAt", lambda at: at.replace(hour=0, minute=0, second=0)), {"createdAt"}, "time of day"),
    "a day off": (to("birthday", lambda day: day - timedelta(days=1)), {"birthday"}, "a day earlier"),
    "hashed": (
        lambda row: {"firstName": hashed(row["firstName"]), "lastName": hashed(row["lastName"])}, {"firstName", "lastName"},
        "codes of 64 characters",
    ),
    "partly masked": (to("lastName", lambda name: f"{name[0]}****{name[-1]}"), {"lastName"}, "are masked"),
    "cut": (to("note", lambda words: words[:29]), {"note"}, "end after 29 characters"),
    "capitals": (to("note", str.upper), {"note"}, "capital"),
    "another charset": (to("lastName", lambda name: name.encode().decode("latin-1")), {"lastName"}, "lost letters"),
    "question marks": (to("lastName", lambda name: name.encode("ascii", "replace").decode()), {"lastName"}, "lost letters"),
    "as in HTML": (to("note", html.escape), {"note"}, "as in HTML"),
    "as in an address": (to("note", quote), {"note"}, "an address"),
    "as in JSON": (to("lastName", lambda name: json.dumps(name)[1:-1]), {"lastName"}, "as in JSON"),
    "base64": (to("note", lambda words: base64.b64encode(words.encode()).decode()), {"note"}, "as in base64"),
    "a former copy": (
        lambda row: {"updatedAt": row["updatedAt"] - timedelta(days=row["customerId"])} if row["customerId"] < 15 else {},
        {"updatedAt"}, "went back",
    ),
    "the words change places": (
        to("status", lambda word: WORDS[3 - WORDS.index(word)]), {"status"}, "stand where another one stood: ",
    ),
    "levels from one": (to("level", lambda level: level + 1), {"level"}, "0 is 1, 1 is 2"),
    "codes came as numbers": (to("zip", lambda code: code.lstrip("0")), {"zip"}, "lost the noughts in front of them"),
    "a prefix": (to("lastName", lambda name: f"C-{name}"), {"lastName"}, "got the same at an end: C-"),
    "names change places": (
        lambda row: {"firstName": row["lastName"], "lastName": row["firstName"]}, {"firstName", "lastName"}, "changed places",
    ),
    "half in grams": (
        lambda row: {"score": row["score"] * 1000 if row["customerId"] % 2 else row["score"]}, {"score"}, "are 1000 times what they were",
    ),
    "half in grams, and one has another score": (
        lambda row: {"score": row["score"] * (7 if row["customerId"] == 1 else 1000) if halved(row) else row["score"]},
        {"score"}, "are 1000 times what they were",
    ),
    "three names go round": (
        lambda row: {"firstName": row["lastName"], "lastName": row["note"], "note": row["firstName"]},
        {"firstName", "lastName", "note"},
        "firstName and lastName and note changed places",
    ),
    "latitude is longitude": (
        lambda row: {"latitude": row["longitude"], "longitude": row["latitude"]}, {"latitude", "longitude"}, "changed places",
    ),
    "other records": (
        lambda row: {name: f"{hashed(row[name])[:5]} {row['customerId'] % 50}x" for name in ("firstName", "lastName", "note")},
        {"firstName", "lastName", "note"},
        "other records",
    ),
    "the same names under other keys": (
        lambda row: {"lastName": customer((row["customerId"] + 1) % COUNT)["lastName"]}, {"lastName"}, "under other keys now",
    ),
    "other keys": (lambda row: {"customerId": 7000 + row["customerId"]}, {"customerId"}, "60 of 60 records have another customerId"),
}  # fmt: skip

LIVED: dict[str, Change] = {
    "nothing": lambda row: {},
    "a score is calculated anew": lambda row: {"score": (row["score"] * 7919) % 13},
    "balances change everywhere": lambda row: {"balance": row["balance"] + row["customerId"] % 23 + 1},
    "all are touched": to("updatedAt", NOW),
    "all are imported again": lambda row: {"updatedAt": NOW, "batch": "run-0008"},
    "one is renamed everywhere": lambda row: {"lastName": "New"} if row["customerId"] in range(3) else {},
    "dearer by three in a hundred": to("balance", lambda value: round(value * 1.03, 2)),
    "the year is closed": to("status", "CLOSED"),
    "each status goes on": to("status", lambda word: WORDS[min(3, WORDS.index(word) + 1)]),
    "counters begin again": to("visits", 0),
    "all are touched again, some were put right": lambda row: {
        "updatedAt": row["updatedAt"] + timedelta(hours=-3 if row["customerId"] < 15 else 5)
    },
    "times of change are others": to("updatedAt", lambda at: at - timedelta(days=300)),
    "counters go on": to("visits", lambda count: count + 1),
    "some are closed": to("closedAt", lambda at: at or NOW),
    "half are anonymous": lambda row: {"firstName": "gone", "lastName": "gone"} if halved(row) else {},
    "half lose a note": lambda row: {"note": None if halved(row) else row["note"]},
    "half change their names": lambda row: {"lastName": customer((row["customerId"] + 2) % COUNT)["lastName"]} if halved(row) else {},
    "all get a default": to("closedAt", lambda at: at or datetime(2027, 3, 31, tzinfo=UTC)),
    "groups are made anew": to("groupId", lambda group: 100 + group % 5),
    "notes are written anew": to("note", lambda words: f"{hashed(words)[:3]} {words[::-1]}"),
    "many are new": lambda row: {"customerId": 7000 + row["customerId"] if halved(row) else row["customerId"]},
    "a former figure goes on": lambda row: {"score": row["balance"], "balance": row["balance"] + row["customerId"] % 23 + 1},
    "others came in their place": lambda row: {**customer(500 + 3 * row["customerId"]), "note": f"n{row['customerId']}"},
    "plans move": to("closedAt", lambda at: at and at + timedelta(days=7)),
}  # fmt: skip


@pytest.mark.parametrize("name", DONE)
def test_what_is_done_to_all_at_once_is_not_published(published: Bench, name: str) -> None:
    change, columns, told = DONE[name]
    result = judged(published, change)
    assert {row["column"] for row in result.sample} == columns, result.message
    assert told in "; ".join(row["told"] for row in result.sample)
    personal = {str(row[each.name]) for row in HELD for each in COLUMNS if each.pii != PiiLevel.NONE}
    assert not any(value in result.message for value in personal)


@pytest.mark.parametrize("name", LIVED)
def test_what_lives_is_published(published: Bench, name: str) -> None:
    result = judged(published, LIVED[name])
    assert result.passed, result.message


def test_a_person_takes_one_state_over_once(published: Bench) -> None:
    version = published.lakehouse.describe(PROMISED.ref).version
    change, other = DONE["cents"][0], DONE["all zero"][0]
    for accepted in (f"clean.customer.balance@{version}", f"clean.customer@{version}", "clean.customer.balance"):
        assert judged(published, change, accepted).passed
    for accepted in (f"clean.customer.balance@{version + 1}", f"clean.customer.score@{version}", "clean.order"):
        assert not judged(published, change, accepted).passed
    both = judged(published, lambda row: {**change(row), **other(row)}, f"clean.customer.balance@{version}")
    assert [row["column"] for row in both.sample] == ["score"]
    assert judged(published, DONE["other keys"][0], f"clean.customer.customerId@{version}").passed


def test_new_words_stand_for_the_old_ones_where_each_became_one() -> None:
    both = [("open", "1"), ("paid", "2"), ("open", "1")] * 20
    assert words_of(both) == {"1": "open", "2": "paid"}
    assert words_of([*both, ("open", "9")]) == {"1": "open", "2": "paid"}  # one of sixty is life
    assert words_of([*both, *[("open", "2")] * 20]) == {}
    assert words_of([("open", "1"), ("paid", "1")] * 20) == {}


def test_what_a_rule_lets_be_empty_may_be(published: Bench) -> None:
    sparse: list[Column] = [each.model_copy(update={"sparse": each.name == "note"}) for each in COLUMNS]
    promised = PROMISED.model_copy(update={"schema_": sparse})
    assert published.judge(promised, [{**row, "note": None} for row in HELD]).passed


@pytest.mark.parametrize(("key", "count", "stays"), [("colourId", 15, False), ("colourId", 7, True), ("rank", 15, True)])
def test_a_few_names_that_all_stand_under_other_keys_are_seen(
    engine: Engine, tmp_path: Path, key: str, count: int, stays: bool
) -> None:
    """Where the key is a place, another one stands there each day; of a handful it may be chance."""
    columns = [column(key, required=True, source=[key]), text("name", source=["name"])]
    promised = table("clean.colour", "values_stay", columns=columns, primary_key=[key], build=Flattening())
    rows = [{key: place, "name": f"colour {'abcdefghijklmno'[place]}"} for place in range(count)]
    lakehouse = Lakehouse(str(tmp_path), "acme")
    with Staging(lakehouse, "run1", engine) as staging:
        bench = Bench(engine, lakehouse, staging)
        bench.publish(promised, rows, made=json.dumps(making(promised)))
        turned = [{key: row[key], "name": rows[place - 1]["name"]} for place, row in enumerate(rows)]
        assert bench.judge(promised, turned).passed is stays
        assert bench.judge(promised, [*rows[1:], {key: 99, "name": "new"}]).passed
