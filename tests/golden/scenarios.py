"""The transformations on small hostile data. Each scenario gives named lists of rows; every engine must give the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tests.relational import Row, World

Result = dict[str, list[Row] | Any]
SCENARIOS: dict[str, Callable[[World], Result]] = {}

TS = pa.timestamp("us", "UTC")
DAY = [datetime(2024, 6, day, 12, 30, 15, 123456, tzinfo=UTC) for day in range(1, 10)]


def scenario(function: Callable[[World], Result]) -> Callable[[World], Result]:
    SCENARIOS[function.__name__] = function
    return function


def column(name: str, kind: str, *source: str, **more: Any) -> Row:
    return {"name": name, "type": kind, "source": list(source), **more}


# ---------------------------------------------------------------- Clean

ITEMS = [
    {"id": 1, "Name": "  Ärger 😀\u00a0", "qty": 12, "price": 1.5, "amount": 1.1, "on": True, "at": 1714521600123,
     "meta": {"a": [1, "x"]}},
    {"id": 2, "Name": "\t\n ", "qty": "12.0", "price": "1e3", "amount": "12.1234567895", "on": "FALSE",
     "at": "2024-02-29T23:59:59.5+02:00"},
    {"id": 3, "Name": None, "qty": 1.5, "price": "abc", "amount": "x", "on": "maybe", "at": "2024-02-30", "day": "13/13/2024"},
    {"id": "4", "Name": 'q"uo\\te', "qty": 9223372036854775808, "price": "1e400", "amount": 10**40, "on": 1, "at": -1,
     "meta": "text"},
    {"id": 5, "qty": 1e3, "price": -0.5, "amount": "-7", "on": 0, "at": "2024-02-29 10:11", "day": "02/29/2024", "meta": 12},
    {"id": 5, "qty": 5, "at": "", "day": None, "millis": 1709164800000, "meta": True},
    {"id": 6, "day": "02/30/2024", "millis": "1709164800000", "ID": "upper",
     "nested": {"deep": {"x.y": "dotted", "`q": "ticked"}}},
    {"id": 7, "day": "2/9/2024", "at": "now", "nested": 5, "qty": {"not": "a number"}, "meta": []},
    {"id": 8, "at": 10**15, "qty": "9223372036854775807", "nested": {"deep": [1]}, "price": " 2.50 ", "meta": "{broken"},
    {"id": 9, "at": "0000-01-01", "qty": "+7", "price": ".5", "day": "02/29/2024x", "millis": "x", "meta": "007"},
    {"id": 10, "at": "9999-12-31T23:59:59Z", "qty": "0012", "on": "", "price": "NaN", "meta": "null"},
    {"id": 11, "at": "2024-01-02 03:04:05.123456789", "qty": "12 3", "price": "Infinity", "Name": "line\nbreak"},
    {"id": None, "qty": 1},
    {"Name": "no id"},
    "[]",
    "null",
    '{"id": 12, "broken',
    "",
    '"text"',
    '{"id": 13, "id": 14, "Name": "twice"}',
    {"id": 11, "at": 0, "Name": "older"},
]  # fmt: skip


@scenario
def clean_entity(world: World) -> Result:
    world.records("extract.items", ITEMS, [("p1", "t1"), ("p2", None)])
    table = world.declare(
        table="clean.item",
        **{"from": ["extract.items", "prepare.schema"]},
        primary_key=["itemId"],
        build={"kind": "flattening", "deduplicate_by": "at"},
        schema=[
            column("itemId", "int64", "id", required=True),
            column("upper", "text", "ID"),
            column("itemName", "text", "Name"),
            column("qty", "int64", "qty"),
            column("price", "float64", "price"),
            column("amount", "decimal", "amount"),
            column("isOn", "bool", "on"),
            column("at", "timestamp", "at"),
            column("day", "timestamp", "millis", "day", date_format="MM/dd/yyyy"),
            column("date", "date", "day", "millis", date_format="MM/dd/yyyy"),
            column("meta", "json", "meta"),
            column("dotted", "text", "nested.deep.x\\.y"),
            column("ticked", "text", "nested.deep.`q"),
            column("deep", "json", "nested.deep"),
            column("parentId", "text", "@parent"),
            column("treeParentId", "text", "@treeParent"),
            column("nowhere", "int64"),
        ],
    )
    return {"rows": world.made(table), "rows_in": world.last.rows_in, "columns": list(world.last.frame.columns)}


ORDERS = [
    {"id": 1, "name": "one",
     "lines": [{"id": 10, "sku": " a ", "tags": ["x", None, " y "]}, {"id": 11, "qty": "2"}, None, 5, {"id": 10}]},
    {"id": 2, "name": "two", "lines": [], "tags": ["p", 1, {"o": 1.0}, None, ""]},
    {"id": 3, "name": "three", "lines": {"id": 12}, "tags": "scalar"},
    {"id": 4, "lines": None, "tags": []},
    {"id": 1, "name": "one again", "lines": [{"id": 10, "sku": "newer"}, {"id": 13, "tags": [True, [1, 2]]}]},
    {"id": 5, "lines": [{"sku": "no id"}, {"id": "x"}, "text"]},
    "nonsense",
]  # fmt: skip


@scenario
def clean_composite(world: World) -> Result:
    """What several values of a parent were asked with is a JSON array of texts; the hash of a record may be its key."""
    table = world.declare(
        table="clean.issue",
        entity="issue",
        **{"from": ["extract.issues"]},
        primary_key=["owner", "repo", "number"],
        build={"kind": "flattening"},
        schema=[
            column("owner", "text", "@parent[0]"),
            column("repo", "int64", "@parent[1]"),
            column("number", "int64", "number"),
            column("hash", "text", "@hash"),
            column("title", "text", "title"),
        ],
    )
    records = [{"number": 1, "title": "a"}, {"number": 1, "title": "b"}, {"number": 1, "title": "c"}, {"number": 1, "title": "d"}]
    parents = [('["oc\\"to","7"]', None), ('["x","8"]', None), ('["x","8"]', None), ("plain", None)]
    world.records("extract.issues", records, parents)
    return {"clean.issue": world.made(table)}


@scenario
def clean_arrays(world: World) -> Result:
    world.records("extract.orders", ORDERS)
    line = world.declare(
        table="clean.orderLine",
        **{"from": ["extract.orders"]},
        primary_key=["lineId"],
        build={"kind": "flattening", "array": "lines"},
        schema=[
            column("orderId", "int64", "id"),
            column("lineIndex", "int64", "@index"),
            column("orderName", "text", "name"),
            column("lineId", "int64", "lines[].id", required=True),
            column("sku", "text", "lines[].sku"),
            column("qty", "int64", "lines[].qty"),
        ],
    )
    tag = world.declare(
        table="clean.orderTag",
        **{"from": ["extract.orders"]},
        primary_key=["orderId", "tagIndex"],
        build={"kind": "flattening", "array": "tags", "scalar": True},
        schema=[
            column("orderId", "int64", "id"),
            column("tagIndex", "int64", "@index"),
            column("tag", "text", "tags[]", required=True),
        ],
    )
    deep = world.declare(
        table="clean.lineTag",
        **{"from": ["extract.orders"]},
        primary_key=["lineId", "tagIndex"],
        build={"kind": "flattening", "array": "lines[].tags", "scalar": True},
        schema=[
            column("orderId", "int64", "id"),
            column("lineId", "int64", "lines[].id"),
            column("tagIndex", "int64", "@index"),
            column("tag", "text", "lines[].tags[]"),
        ],
    )
    result: Result = {}
    for table in (line, tag, deep):
        result[table.table] = world.made(table)
        result[f"{table.table} rows_in"] = world.last.rows_in
    return result


MOMENTS = [
    {"id": 1, "seconds": 1735689600, "micros": 1735689600123456, "nanos": 1735689600123456789, "rfc": "Tue, 25 Mar 2025 10:00:00 GMT",
     "mail": "Tue, 5 Mar 2025 10:00:00 +0200", "ctime": "Wed Oct 10 20:19:24 +0000 2018", "odata": "/Date(1735689600000)/",
     "iso": "2025-03-25T10:00:00.1Z", "noon": "3/25/2025 1:05 PM", "german": "25.03.2025", "named": "25-Mar-2025",
     "compact": "20250325", "long": "March 5, 2025", "yes": "Y", "money": "12.50"},
    {"id": 2, "seconds": 1735689600.25, "micros": "1735689600123456", "nanos": "1735689600000000999", "rfc": "25 Mar 2025 10:00:00 GMT",
     "mail": "Mon, 31 Feb 2025 10:00:00 +0200", "ctime": "Oct 10 2018", "odata": "/Date(1735689600000+0100)/",
     "iso": "2025-03-25 10:00", "noon": "12/5/2025 12:00 am", "german": "31.04.2025", "named": "5-may-2025",
     "compact": 20250325, "long": "May 15, 2025", "yes": "no", "money": 12345678901234.12},
    {"id": 3, "seconds": "1735689600.123456789", "micros": -1, "nanos": 10**19, "rfc": "Tue, 25 Mar 2025 10:00:00",
     "mail": "x", "odata": "/Date(x)/", "iso": "2025-03-25T10:00:00,123456789+0200", "noon": "25/3/2025 1:05 PM", "german": "1.4.2025",
     "compact": "20251325", "long": "Marc 5, 2025", "yes": "off", "money": 0.1},
    {"id": 4, "seconds": 1735689600000, "micros": 10**30, "nanos": "x", "iso": "2025-03-25", "yes": "maybe", "money": "1e3",
     "odata": 1735689600000, "rfc": "2025-03-25T10:00:00Z", "compact": 1735689600000},
    {"id": 5, "seconds": "2025-03-25T10:00:00Z", "micros": 1.5, "seconds2": None, "iso": 1735689600000, "money": 9007199254740993},
    {"id": 6, "seconds": 0, "micros": 0, "nanos": -1500, "money": "-0.000000001", "iso": "2025-02-30T10:00:00Z", "yes": True},
    {"id": 7, "money": 10**20 + 1, "": "no name", "@type": "T", "list": [{"": [7, 8]}], "odd": {"": 1, "a[0]": 2, "b[]": 5, "@x": 6, "Case": 3, "case": 4, "it's": 10**20 + 1}},
]  # fmt: skip


@scenario
def clean_moments(world: World) -> Result:
    world.records("extract.moments", MOMENTS)
    formats = {
        "seconds": "epoch_seconds", "micros": "epoch_micros", "nanos": "epoch_nanos", "odata": "odata", "iso": "iso8601",
        "rfc": "EEE, d MMM yyyy HH:mm:ss z", "mail": "EEE, d MMM yyyy HH:mm:ss xx", "ctime": "EEE MMM d HH:mm:ss xx yyyy",
        "noon": "M/d/yyyy h:mm a",
    }  # fmt: skip
    days = {"german": "dd.MM.yyyy", "named": "d-MMM-yyyy", "compact": "yyyyMMdd", "long": "MMMM d, yyyy"}
    table = world.declare(
        table="clean.moment",
        **{"from": ["extract.moments", "prepare.schema"]},
        primary_key=["id"],
        build={"kind": "flattening"},
        schema=[
            column("id", "int64", "id", required=True),
            *(column(name, "timestamp", name, date_format=pattern) for name, pattern in formats.items()),
            *(column(name, "date", name, date_format=pattern) for name, pattern in days.items()),
            column("yes", "bool", "yes"),
            column("money", "decimal", "money"),
            column("nameless", "text", "\\0"),
            column("type", "text", "\\@type"),
            column("at", "int64", "odd.\\@x"),
            column("inner", "int64", "odd."),
            column("bracket", "int64", "odd.a[0]"),
            column("brackets", "int64", "odd.b\\[\\]"),
            column("upper", "int64", "odd.Case"),
            column("lower", "int64", "odd.case"),
        ],
    )
    return {"rows": world.made(table)}


# ---------------------------------------------------------------- Transform

CYCLE = {"cycleId": pa.int64(), "cycleName": pa.string(), "startDate": TS, "weight": pa.float64()}


def dimension(world: World, extra: bool = False) -> Any:
    """Natural keys 1, 2, 3, … with one attribute under another name; the members -1, 0, and 2 unless it is delivered."""
    inherited = {"cycleId": "int64", "cycleName": "text", "startDate": "timestamp"}
    members = [
        {"cycleId": -1, "cycleName": "Unknown"},
        {"cycleId": 2, "cycleName": "declared"},
        {"cycleId": 0, "cycleName": "Anyone"},
    ]
    return world.declare(
        table="transform.dimCycle",
        **{"from": ["clean.cycle"]},
        primary_key=["cycleKey"],
        build={"kind": "dimension", "natural_key": "cycleId", "surrogate_key": "cycleKey", "members": members},
        schema=[
            column("cycleKey", "int64"),
            *(column(name, kind, lineage=[f"clean.cycle.{name}"]) for name, kind in inherited.items()),
            column("weightKg", "float64", lineage=["clean.cycle.weight"]),
            *([column("owner", "text")] if extra else []),
            column("validFrom", "timestamp"),
            column("validTo", "timestamp"),
            column("isCurrent", "bool"),
        ],
    )


@scenario
def history(world: World) -> Result:
    """Three loads and their repetitions: a change, a member that vanishes and comes back, a new one, a new attribute."""
    table = dimension(world)
    result: Result = {}

    def load(name: str, rows: list[tuple[Any, ...]], now: datetime, of: Any = table, schema: dict[str, Any] = CYCLE) -> None:
        world.rows("clean.cycle", schema, rows)
        result[name] = world.made(of, now, publish=True)

    first = [(1, "one", DAY[0], 0.5), (2, "two", None, None), (3, "drei 😀", None, -1.0)]
    load("1 first", first, DAY[1])
    load("1 again later", first, DAY[2])
    second = [(1, "ONE", DAY[0], 0.5), (2, "two", None, None), (4, "vier", None, None)]
    load("2 changed, vanished, new", second, DAY[3])
    load("2 again in the same instant", second, DAY[3])
    load("2 other change in the same instant", [(1, "uno", DAY[0], 0.5), (2, "two", None, None), (4, "vier", None, 1.0)], DAY[3])
    load("2 new member vanishes in the same instant", [(1, "uno", DAY[0], 0.5), (2, "two", None, None)], DAY[3])
    load("3 back", [(1, "uno", DAY[0], 0.5), (2, "two", DAY[0], None), (3, "drei 😀", None, -1.0)], DAY[4])
    load("4 clock ran backwards", [(1, "eins", DAY[0], 0.5), (3, "drei 😀", None, -1.0)], DAY[2])
    wider = dimension(world, extra=True)
    rows = [(1, "eins", DAY[0], 0.5, "ann"), (3, "drei 😀", None, -1.0, None)]
    load("5 new attribute", rows, DAY[6], wider, {**CYCLE, "owner": pa.string()})
    load("6 changed new attribute", [(1, "eins", DAY[0], 0.5, "bob"), rows[1]], DAY[7], wider, {**CYCLE, "owner": pa.string()})
    load("7 nothing delivered", [], DAY[8], wider, {**CYCLE, "owner": pa.string()})
    return result


STAR_SCHEMA = {
    "id": pa.int64(),
    "cyclePhaseId": pa.int64(),
    "status": pa.int64(),
    "at": TS,
    "due": TS,
    "text": pa.string(),
    "tester": pa.string(),
}


def status(world: World) -> Any:
    return world.declare(
        table="transform.dimStatus",
        **{"from": ["clean.execution"]},
        primary_key=["statusKey"],
        build={
            "kind": "enumeration", "column": "clean.execution.status", "natural_key": "statusId", "surrogate_key": "statusKey",
            "label": "statusName", "labels": {1: "PASS", 2: "FAIL"}, "absent": "NOT EXECUTED", "unmapped": "UNMAPPED",
        },
        schema=[
            column("statusKey", "int64"), column("statusId", "int64"), column("statusName", "text"),
            column("validFrom", "timestamp"), column("validTo", "timestamp"), column("isCurrent", "bool"),
        ],
    )  # fmt: skip


def calendar(world: World) -> Any:
    names = {"date": "date", "monthName": "text", "dayName": "text", "isWeekend": "bool"}
    columns = (
        "dateKey",
        "date",
        "year",
        "quarter",
        "month",
        "monthName",
        "week",
        "weekYear",
        "dayOfMonth",
        "dayOfWeek",
        "dayName",
        "isWeekend",
    )
    return world.declare(
        table="transform.dimDate",
        **{"from": ["clean.execution"]},
        primary_key=["dateKey"],
        build={"kind": "calendar", "columns": ["clean.execution.at", "clean.execution.due"]},
        schema=[column(name, names.get(name, "int64")) for name in columns],
    )


@scenario
def star(world: World) -> Result:
    """A fact with hops, versions by instant, absent and unknown values, and a bridge."""
    cycles = dimension(world)
    for number, name in ((1, "one"), (3, "ONE")):
        world.rows("clean.cycle", CYCLE, [(1, name, None, None), (2, "two", None, None)])
        world.made(cycles, DAY[number], publish=True)
    world.rows("clean.cycle", CYCLE, [(1, "ONE", None, None), (2, "two", None, None), (5, "late", None, None)])
    result: Result = {"dimCycle": world.made(cycles, DAY[5], publish=True)}
    phases = [(10, 1), (10, 1), (11, 2), (12, None), (13, 99), (14, 5), (None, 1)]
    world.rows("clean.cyclePhase", {"cyclePhaseId": pa.int64(), "cycleId": pa.int64()}, phases)
    silly = datetime(1066, 10, 14, tzinfo=UTC)
    world.rows(
        "clean.execution",
        STAR_SCHEMA,
        [
            (1, 10, 1, DAY[0], DAY[0], "before", "1"),
            (2, 10, 2, DAY[2], None, "during the first version", "2"),
            (3, 10, None, DAY[3], datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC), "as the second begins", None),
            (4, 10, 7, None, silly, "latest", "x"),
            (5, None, 1, DAY[7], None, "no phase", "-1"),
            (6, 12, -1, DAY[7], None, "phase without cycle", "0"),
            (7, 13, 1, DAY[7], None, "cycle nobody knows", "1.0"),
            (8, 77, 1, DAY[7], None, "phase nobody knows", " 1"),
            (9, 14, 1, DAY[1], datetime(2024, 2, 29, tzinfo=UTC), "before its cycle was seen", "5"),
            (10, 11, 1, datetime(2031, 1, 1, tzinfo=UTC), None, "far ahead", "0"),
        ],
    )
    result["dimStatus"] = world.made(status(world), DAY[5], publish=True)
    days = world.made(calendar(world), DAY[5])
    result["dimDate"] = [row for row in days if str(row["date"])[:7] in ("2024-02", "2023-12", "2024-12", "None")]
    result["dimDate size"] = len(days)
    hop = [{"table": "clean.cyclePhase", "key": "cyclePhaseId", "take": "cycleId"}]
    fact = world.declare(
        table="transform.factExecution",
        **{"from": ["clean.execution", "clean.cyclePhase", "transform.dimCycle", "transform.dimStatus", "transform.dimDate"]},
        primary_key=["id"],
        build={
            "kind": "fact",
            "event_time": "at",
            "references": [
                {"name": "cycleKey", "dimension": "dimCycle", "column": "cyclePhaseId", "via": hop},
                {"name": "sameCycleKey", "dimension": "dimCycle", "column": "cyclePhaseId", "via": hop},
                {"name": "statusKey", "dimension": "dimStatus", "column": "status"},
                {"name": "testerKey", "dimension": "dimCycle", "column": "tester"},
            ],
            "scalars": ["status", "at", "text"],
            "dates": {"atKey": "at", "dueKey": "due"},
        },
        schema=[
            *(
                column(n, "int64")
                for n in ("id", "cycleKey", "sameCycleKey", "statusKey", "testerKey", "atKey", "dueKey", "status")
            ),
            column("at", "timestamp"),
            column("text", "text"),
        ],
    )
    result["factExecution"] = world.made(fact, DAY[5], publish=True)
    result["factExecution rows_in"] = world.last.rows_in
    world.rows(
        "clean.link",
        {"phase": pa.int64(), "status": pa.int64()},
        [(10, 1), (10, 1), (10, 2), (None, 1), (10, None), (11, 1), (99, 1)],
    )
    bridge = world.declare(
        table="transform.bridgeLink",
        **{"from": ["clean.link", "clean.cyclePhase", "transform.dimCycle", "transform.dimStatus"]},
        primary_key=["phaseKey", "statusKey"],
        build={
            "kind": "bridge",
            "references": [
                {"name": "phaseKey", "dimension": "dimCycle", "column": "phase", "via": hop},
                {"name": "statusKey", "dimension": "dimStatus", "column": "status"},
            ],
        },
        schema=[column("phaseKey", "int64"), column("statusKey", "int64")],
    )
    result["bridgeLink"] = world.made(bridge, DAY[5])
    result["bridgeLink rows_in"] = world.last.rows_in
    return result


@scenario
def empty_star(world: World) -> Result:
    world.rows("clean.cycle", CYCLE, [])
    world.rows("clean.execution", STAR_SCHEMA, [])
    return {
        "dimCycle": world.made(dimension(world), DAY[0]),
        "dimStatus": world.made(status(world), DAY[0]),
        "dimDate": world.made(calendar(world), DAY[0]),
    }


@scenario
def composed_star(world: World) -> Result:
    """Members told by several columns, references to them, and values that no member has."""
    world.rows(
        "clean.issue",
        {"repo": pa.string(), "number": pa.int64(), "title": pa.string()},
        [('a"\\b', 1, "odd 😀"), ("é", 1, "one"), ("é", 2, "two"), (None, 3, "no repo")],
    )
    issues = world.declare(
        table="transform.dimIssue",
        **{"from": ["clean.issue"]},
        primary_key=["issueKey"],
        build={
            "kind": "dimension",
            "natural_key": "issueNaturalKey",
            "surrogate_key": "issueKey",
            "composed_of": ["repo", "number"],
            "members": [{"issueNaturalKey": "-1", "title": "Unknown"}],
        },
        schema=[
            column("issueKey", "int64"),
            column("issueNaturalKey", "text", lineage=["clean.issue.repo", "clean.issue.number"]),
            *(column(name, kind, lineage=[f"clean.issue.{name}"]) for name, kind in
              {"repo": "text", "number": "int64", "title": "text"}.items()),
            column("validFrom", "timestamp"), column("validTo", "timestamp"), column("isCurrent", "bool"),
        ],
    )  # fmt: skip
    result: Result = {"dimIssue": world.made(issues, DAY[0], publish=True)}
    said = [
        (1, "é", "1", DAY[1]),
        (2, "é", "2.0", None),
        (3, 'a"\\b', "1", DAY[1]),
        (4, "é", "9", DAY[1]),
        (5, None, "1", DAY[1]),
    ]
    world.rows("clean.remark", {"id": pa.int64(), "repo": pa.string(), "issue": pa.string(), "at": TS}, said)
    open_ = {"name": "issueKey", "dimension": "dimIssue", "column": "issue", "key": "number", "also": {"repo": "repo"}}
    for unmatched in ("block", "unknown"):
        remarks = world.declare(
            table="transform.factRemark",
            **{"from": ["clean.remark", "transform.dimIssue"]},
            primary_key=["id"],
            build={"kind": "fact", "event_time": "at", "references": [{**open_, "unmatched": unmatched}], "scalars": ["repo"]},
            schema=[column("id", "int64"), column("issueKey", "int64"), column("repo", "text")],
        )
        result[f"factRemark {unmatched}"] = world.made(remarks, DAY[1])
    titled = {"name": "titleKey", "dimension": "dimIssue", "column": "repo", "key": "title", "unmatched": "unknown"}
    pairs = world.declare(
        table="transform.bridgeRemark",
        **{"from": ["clean.remark", "transform.dimIssue"]},
        primary_key=["issueKey", "titleKey"],
        build={"kind": "bridge", "references": [{**open_, "unmatched": "unknown"}, titled]},
        schema=[column("issueKey", "int64"), column("titleKey", "int64")],
    )
    result["bridgeRemark"] = world.made(pairs, DAY[1])
    result["bridgeRemark rows_in"] = world.last.rows_in
    return result


# ---------------------------------------------------------------- Refine and Analyse

FACT = {"id": pa.int64(), "cycleKey": pa.int64(), "cycleId": pa.int64(), "status": pa.int64(), "at": TS, "minutes": pa.float64()}
FACTS = [
    (1, 100, 1, 1, DAY[0], 1.25), (2, 100, 1, 2, DAY[0], None), (3, 100, 1, None, None, 3.0), (4, 200, 2, 1, DAY[2], 0.1),
    (5, 200, 2, 1, DAY[2], 0.2), (6, -1, None, 1, DAY[3], 7.0), (7, 300, None, None, None, None),
]  # fmt: skip
NAMES = {"cycleKey": pa.int64(), "cycleId": pa.int64(), "cycleName": pa.string(), "validFrom": TS, "isCurrent": pa.bool_()}
NAMED = [
    (100, 1, "old name", DAY[0], False),
    (101, 1, "Zyklus 😀", DAY[1], True),
    (200, 2, "two", DAY[0], True),
    (-1, None, "Unknown", DAY[0], True),
]


RULES = [
    {"kind": "derive", "rule": "r1", "column": "isPassed", "expression": "coalesce(status = 1, false)"},
    {
        "kind": "enrich",
        "rule": "r2",
        "table": "transform.dimCycle",
        "on": {"cycleId": "cycleId"},
        "columns": {"cycleName": "upper(cycleName)", "cycleId": "cycleId"},
    },
    {"kind": "derive", "rule": "r3", "column": "label", "expression": "concat(cycleName, ' ', CAST(isPassed AS STRING))"},
    {
        "kind": "enrich",
        "rule": "r4",
        "table": "transform.factExecution",
        "on": {"cycleId": "cycleId", "status": "status"},
        "columns": {"peers": "count(*)", "statuses": "count(DISTINCT status)"},
        "aggregate": True,
    },
    {"kind": "derive", "rule": "r5", "column": "share", "expression": "round(100.0D * minutes / nullif(peers, 0), 1)"},
]


def refined(world: World) -> Any:
    world.rows("transform.factExecution", FACT, FACTS)
    world.rows("transform.dimCycle", NAMES, NAMED)
    return world.declare(
        table="refine.factExecution",
        **{"from": ["transform.factExecution", "transform.dimCycle"]},
        primary_key=["id"],
        build={"kind": "refinement", "rules": RULES},
    )


@scenario
def refine(world: World) -> Result:
    table = refined(world)
    return {"rows": world.made(table, publish=True), "columns": list(world.last.frame.columns), "rows_in": world.last.rows_in}


def kpi(world: World, name: str, **build: Any) -> Any:
    reconcile = {"expression": "sum(1)", "table": "refine.factExecution", "equals": "count(*)"}
    build = {"kind": "kpi", "rule": name, "table": "refine.factExecution", "reconcile": reconcile, **build}
    return world.declare(table=f"analyse.{name}", **{"from": ["refine.factExecution", "transform.dimCycle"]}, build=build)


@scenario
def measures(world: World) -> Result:
    world.made(refined(world), publish=True)
    grouped = kpi(
        world,
        "byCycle",
        joins=[{"table": "transform.dimCycle", "on": {"cycleKey": "cycleKey"}, "columns": ["cycleName", "isCurrent"]}],
        where="id < 7",
        before={"day": "to_date(at)"},
        group_by=["cycleName", "isCurrent"],
        measures={"n": "count(*)", "passed": "count_if(isPassed)", "minutes": "round(sum(minutes), 6)", "last": "max(day)"},
        after={"rate": "round(100.0D * passed / n, 1)", "share": "round(100.0D * n / sum(n) OVER (), 1)"},
        keep="n > 0",
        order_by=["n DESC", "upper(cycleName) asc nulls first"],
    )
    window = "sum(n) OVER (ORDER BY day ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    burndown = kpi(
        world,
        "burndown",
        before={"day": "to_date(at)"},
        group_by=["day"],
        measures={"n": "count(*)"},
        after={"total": "sum(n) OVER ()", "done": window, "open": "total - done"},
        keep="day IS NOT NULL",
        order_by=["day"],
    )
    months = kpi(
        world,
        "derivedMonths",
        before={"month": "make_date(year(`at`), month(`at`), 1)", "hours": "round((unix_micros(`at`) - 5) / 3600000000.0D, 2)"},
        group_by=["month"],
        measures={"n": "count(*)", "hours": "max(hours)"},
        order_by=["`month`"],
    )
    members = kpi(
        world,
        "derivedMembers",
        group_by=["cycleId"],
        measures={"n": "count(*)"},
        after={
            "totalCount": "sum(`n`) OVER ()",
            "sharePct": "round(100.0D * `n` / `totalCount`, 1)",
            "place": "row_number() OVER (ORDER BY `n` DESC, `cycleId` ASC NULLS LAST)",
        },
        keep="`place` <= 3",
        order_by=["`place`"],
    )
    total = kpi(world, "total", measures={"n": "count(*)", "none": "sum(minutes)"}, where="false")
    rows = kpi(world, "rowLevel", where="status IS NULL", before={"x": "id * 2"}, order_by=["id desc"])
    groups = kpi(world, "groups", group_by=["status"])
    return {table.table: world.made(table) for table in (grouped, burndown, months, members, total, rows, groups)}
