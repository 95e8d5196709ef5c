"""The short set of the gap bench (`python -m tests.learning.bench` runs all of it): a changed API, one pass of the loop, right data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spectra_assets.lakehouse.engine import Engine
from tests.learning.bench.__main__ import EVERY
from tests.learning.bench.bench import Bench
from tests.learning.bench.cases import CASES, Case
from tests.learning.bench.healthy import HEALTHY
from tests.learning.bench.unlisted import UNLISTED
from tests.learning.bench.zephyr import ZEPHYR

KINDS = (
    "add a field", "widen a type", "second date format", "mark nullable", "primary key", "de-duplicate", "ignored parameter",
    "paging style", "request rate", "gone endpoint", "forbidden endpoint", "broken endpoint", "changed envelope", "renamed field",
    "missing gate", "missing step", "late parent", "unmapped",
)  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("bench")) as bench:
        yield bench


@pytest.mark.parametrize("case", [case for case in (*CASES, *UNLISTED) if case.fast], ids=lambda case: case.name)
def test_a_gap_is_healed_with_nobodys_help(bench: Bench, case: Case) -> None:
    verdict = bench.case(case)
    assert verdict.problems == [], verdict.said
    assert verdict.healed
    assert verdict.verified


@pytest.mark.parametrize("name", ["pages are counted, not offset", "the list is gone, another has its records"])
def test_what_was_healed_goes_back_to_how_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A rule for pages, or for another list, is wrong as soon as the API is as it was before."""
    monkeypatch.setattr(bench, "back", True)
    verdict = bench.case(next(case for case in CASES if case.name == name))
    assert (verdict.problems, verdict.back) == ([], "heals"), verdict.said


def test_a_healthy_run_leaves_no_lesson(bench: Bench) -> None:
    name, world, change = next(each for each in HEALTHY if each[0] == "a value that was never there")
    assert bench.healthy(name, world, change) == []


def test_the_bench_holds_every_kind_of_gap() -> None:
    assert len(CASES) >= 25
    assert len(ZEPHYR) >= 5
    assert any(case.beside is not None and case.refused for case in EVERY)
    assert len(HEALTHY) >= 20
    assert len({case.name for case in EVERY}) == len(EVERY)
    assert [kind for kind in KINDS if not any(kind in case.kind for case in EVERY)] == []
