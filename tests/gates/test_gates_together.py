"""Many tables that lose much at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.build import Extraction, Flattening
from spectra_assets.covenant.model import Table
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


def rows(promised: Table, keys: range) -> list[Row]:
    """Every key refers to the one of the same number above."""
    return [dict.fromkeys(promised.columns, key) for key in keys]


class Source:
    """Tables as they stand, with 40 records each, and what Extract has of them now."""

    def __init__(self, bench: Bench, now: dict[str, range], above: dict[str, str], falls: str = "0") -> None:
        self.bench, self.now = bench, now
        self.tables = {name: clean(name, above.get(name)) for name in now}
        for name, promised in self.tables.items():
            bench.publish(promised, rows(promised, range(40)), falls=falls)
            bench.publish(
                extracted(name), [{"record": f'{{"id": {key}, "aboveId": {key}}}', "parentKey": None} for key in now[name]]
            )

    def candidate(self, name: str, accepted: str = "") -> Any:
        mine = self.tables[name]
        others = [each for other, each in self.tables.items() if other != name] + [extracted(each) for each in self.now]
        found = self.bench.candidate(mine, rows(mine, self.now[name]), others)
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
    ],
)
def test_many_tables_that_lose_much_at_once_stay(
    bench: Bench, now: tuple[range, ...], above: dict[str, str], passed: bool
) -> None:
    result = Source(bench, dict(zip(NAMES, now, strict=True)), above).judge("area")
    assert result.passed == passed, result.message
    if not passed:
        assert {"table": "clean.area", "before": 40, "now": 20, "version": 0} in [dict(row) for row in result.sample]


def test_a_loss_that_a_person_accepted_is_taken_over_once(bench: Bench) -> None:
    source = Source(bench, dict.fromkeys(NAMES, HALF), {})
    assert source.judge("area", "clean.area@0, clean.shop@0").passed
    assert not source.judge("visit", "clean.area@0, clean.shop@0").passed
    assert not source.judge("area", "clean.area@1").passed  # another version


def test_what_is_purged_again_and_again_is_usual(bench: Bench) -> None:
    source = Source(bench, dict.fromkeys(NAMES, HALF), {}, falls="2")
    assert source.judge("area").passed
    assert carried(source.candidate("area")) == "3"


def test_a_source_that_grows_has_no_fall(bench: Bench) -> None:
    source = Source(bench, dict.fromkeys(NAMES, range(60)), {})
    assert source.judge("area").passed
    assert carried(source.candidate("area")) == "0"
