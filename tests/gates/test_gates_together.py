"""Many tables that lose much at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.build import Extraction, Flattening
from spectra_assets.covenant.model import Severity, Table
from spectra_assets.gates.evaluate import evaluate
from spectra_assets.gates.judgement import Result
from spectra_assets.gates.together import carried
from tests.gates.conftest import Bench, column, table, text

Row = dict[str, Any]
NAMES = ("area", "shop", "visit")


def clean(name: str, above: str | None = None) -> Table:
    columns = [column(f"{name}Id", required=True, source=["id"])]
    columns += [column("key0", source=["key"]), column("above0", source=["beside"])]  # a source may call its fields as it likes
    columns += [column("aboveId", source=["aboveId"], references=f"{above}.id")] if above else []
    return table(
        f"clean.{name}",
        "source_stays",
        columns=columns,
        primary_key=[f"{name}Id"],
        entity=name,
        build=Flattening(),
        **{"from": [f"extract.{name}s"]},
    )


def extracted(name: str) -> Table:
    build = Extraction(fetch=Fetch(entity=name, path=f"/{name}s"))
    return table(f"extract.{name}s", columns=[text("record"), text("parentKey")], entity=name, build=build)


def rows(promised: Table, keys: range, above: Callable[[int], int] = int) -> list[Row]:
    return [
        {**dict.fromkeys(promised.columns, key), **({"aboveId": above(key)} if "aboveId" in promised.columns else {})}
        for key in keys
    ]


class Source:
    """Tables as they stand, with 40 records each, and what Extract has of them now. A record refers to the one of its number."""

    def __init__(
        self,
        bench: Bench,
        now: dict[str, range],
        parents: dict[str, str],
        falls: str = "0",
        above: Callable[[int], int] = int,
        areas: int = 40,
    ) -> None:
        """`above` is what a record refers to, `areas` how many areas stand."""
        self.bench, self.now, self.above = bench, now, above
        self.tables = {name: clean(name, parents.get(name)) for name in now}
        for name, promised in self.tables.items():
            bench.publish(promised, rows(promised, range(areas if name == "area" else 40), above), falls=falls)
            records = [{"record": f'{{"id": {key}, "aboveId": {above(key)}}}', "parentKey": None} for key in now[name]]
            bench.publish(extracted(name), records)

    def candidate(self, name: str, accepted: str = "") -> Any:
        mine = self.tables[name]
        others = [each for other, each in self.tables.items() if other != name] + [extracted(each) for each in self.now]
        found = self.bench.candidate(mine, rows(mine, self.now[name], self.above), others)
        return replace(found, accepted_changes=frozenset(accepted.split(", ")))

    def judge(self, name: str, accepted: str = "") -> Result:
        (result,) = evaluate(self.candidate(name, accepted))
        return result


HALF, WHOLE = range(20), range(40)


@pytest.mark.parametrize(
    ("now", "above", "passed"),
    [
        ((HALF, HALF, HALF), {}, False),
        ((HALF, range(5, 30), HALF), {"visit": "shop"}, False),  # what is left above explains nothing
        ((HALF, WHOLE, WHOLE), {}, True),  # one old year is purged
        ((HALF, HALF, WHOLE), {}, False),  # two of three
        ((HALF, HALF, HALF), {"shop": "area", "visit": "shop"}, True),  # areas were deleted with all below
        ((range(30), range(30), range(30)), {}, True),
        ((range(19), WHOLE, WHOLE), {}, False),  # less than half
        ((range(0), WHOLE, WHOLE), {}, False),
    ],
)
def test_many_tables_that_lose_much_at_once_stay(
    bench: Bench, now: tuple[range, ...], above: dict[str, str], passed: bool
) -> None:
    result = Source(bench, dict(zip(NAMES, now, strict=True)), above).judge("area")
    assert result.passed == passed, result.message
    if not passed:
        fall = {"table": "clean.area", "before": 40, "now": len(now[0]), "version": 0}
        assert fall in [dict(row) for row in result.sample]


def test_a_loss_that_a_person_accepted_is_taken_over_once(bench: Bench) -> None:
    source = Source(bench, dict.fromkeys(NAMES, HALF), {})
    assert source.judge("area", "clean.area@0, clean.shop@0").passed
    assert not source.judge("visit", "clean.area@0, clean.shop@0").passed
    assert not source.judge("area", "clean.area@1").passed  # another version


@pytest.mark.parametrize(
    ("areas", "accepted", "passed"),
    [
        (range(1, 10), "", True),  # one area was deleted with all its visits
        (range(10), "", False),  # its visits are gone, and it is there
        (range(0), "", False),  # all areas are gone as well
        (range(8, 10), "", False),
        (range(0), "clean.visit", True),  # it lives so
    ],
)
def test_a_table_that_loses_more_than_half_alone_stays_unless_it_went_with_what_it_refers_to(
    bench: Bench, areas: range, accepted: str, passed: bool
) -> None:
    source = Source(
        bench, {"area": areas, "visit": range(30, 40)}, {"visit": "area"}, above=lambda key: max(0, key - 30), areas=10
    )
    result = source.judge("visit", accepted)
    assert result.passed == passed, result.message
    if not passed:
        assert "30 of 40 records went in one run, 10 are left" in result.message
        assert "lessons approve" in result.message


def test_what_came_and_went_twice_may_be_empty(bench: Bench) -> None:
    """A queue is, now and then."""
    assert Source(bench, {"area": range(0), "shop": WHOLE}, {}, falls="2").judge("area").passed


def test_other_records_in_the_place_of_those_that_went_count_like_a_fall(bench: Bench) -> None:
    source = Source(bench, {"area": range(30, 70), "shop": WHOLE}, {}, falls="1")
    turned = Result("records_stay", "clean.area", False, Severity.WARN, 1, 1, [], "records_stay", "", {})
    assert carried(source.candidate("area"), [turned]) == "2"
    assert carried(source.candidate("area")) == "1"


def test_what_is_purged_again_and_again_is_usual(bench: Bench) -> None:
    source = Source(bench, dict.fromkeys(NAMES, HALF), {}, falls="2")
    assert source.judge("area").passed
    assert carried(source.candidate("area")) == "3"


def test_a_source_that_grows_has_no_fall(bench: Bench) -> None:
    source = Source(bench, dict.fromkeys(NAMES, range(60)), {})
    assert source.judge("area").passed
    assert carried(source.candidate("area")) == "0"


LINES = table(
    "clean.areaLine",
    "source_stays",
    columns=[
        column("areaId", required=True, source=["id"], references="area.id"),
        column("areaLineIndex", required=True, source=["@index"]),
        column("likeId", source=["lines[].likeId"], references="area.id"),
    ],
    primary_key=["areaId", "areaLineIndex"],
    entity="area",
    build=Flattening(array="lines"),
    **{"from": ["extract.areas"]},
)


@pytest.mark.parametrize(
    ("areas", "lines", "falls", "accepted", "passed"),
    [
        (WHOLE, range(0), "0", "", False),  # the list has another name now
        (WHOLE, range(19), "0", "", False),
        (WHOLE, HALF, "0", "", True),
        (range(10), range(10), "0", "", True),  # what they lay in went, and is judged itself
        (range(30), range(0), "0", "", False),
        (range(10), range(0), "0", "", True),  # too few are left to tell
        (WHOLE, range(0), "0", "clean.areaLine@0", True),
        (WHOLE, range(0), "2", "", True),  # it lives so
    ],
)
def test_a_list_inside_of_records_that_stay_is_not_emptied_at_once(
    bench: Bench, areas: range, lines: range, falls: str, accepted: str, passed: bool
) -> None:
    source = Source(bench, {"area": areas}, {})

    def held(keys: range) -> list[Row]:
        return [{"areaId": key, "areaLineIndex": 0, "likeId": 99} for key in keys]

    bench.publish(LINES, held(WHOLE), falls=falls)
    candidate = bench.candidate(LINES, held(lines), [*source.tables.values(), extracted("area")])
    (result,) = evaluate(replace(candidate, accepted_changes=frozenset([accepted])))
    assert result.passed == passed, result.message
    assert carried(candidate) == str(int(falls) + (len(areas) >= 20 and len(lines) < 0.7 * len(areas)))
    if not passed:
        assert f"{len(areas) - len(lines)} of {len(areas)} rows of a list inside of records that stay went" in result.message


@pytest.mark.parametrize(
    ("now", "accepted", "told"),
    [
        (lambda count: min(count, 5), "", "no record has more than 5 rows of a list inside of it now"),
        (lambda count: min(count, 5), "clean.areaLine@0", None),
        (lambda count: count - (count > 5), "", None),  # each lost one
        (lambda count: min(count, 11), "", None),  # of two alone it may be chance
        (lambda count: count + 1, "", None),
        (lambda count: min(count, 2 + (count > 4)), "", None),  # of short lists three say nothing
    ],
)
def test_a_list_that_ends_after_as_many_rows_everywhere_is_cut(
    bench: Bench, now: Callable[[int], int], accepted: str, told: str | None
) -> None:
    """Of forty areas with up to twelve lines, a page of each is left: a seventh of the rows, which nothing else would tell."""
    source = Source(bench, {"area": range(40)}, {})
    counts = {key: 12 if key < 2 else (key % 3 + 6 if key < 8 else key % 5 + 1) for key in range(40)}

    def held(length: Callable[[int], int]) -> list[Row]:
        return [
            {"areaId": key, "areaLineIndex": place, "likeId": 99}
            for key, count in counts.items()
            for place in range(length(count))
        ]

    bench.publish(LINES, held(lambda count: count))
    candidate = bench.candidate(LINES, held(now), [*source.tables.values(), extracted("area")])
    (result,) = evaluate(replace(candidate, accepted_changes=frozenset([accepted])))
    assert result.passed == (told is None), result.message
    assert told is None or told in result.message


@pytest.mark.parametrize(
    ("before", "now", "passed"), [(130, 100, False), (130, 101, True), (118, 100, True), (260, 200, False), (400, 300, True)]
)
def test_a_list_that_ends_after_a_round_number_of_records_stays(bench: Bench, before: int, now: int, passed: bool) -> None:
    """Less than half is gone, and nothing else fell: a source that gives no more than so many says nothing of it."""
    result = Source(bench, {"area": range(now)}, {}, areas=before).judge("area")
    assert result.passed == passed, result.message
    assert passed or f"{before - now} of {before} records went in one run, {now} are left, a number after which" in result.message
