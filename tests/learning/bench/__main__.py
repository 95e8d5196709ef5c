"""`python -m tests.learning.bench [--only TEXT] [--part 1/2] [--whole] [--back] [--out FILE]`: every gap and every healthy run, and one report."""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from spectra_assets.lakehouse.engine import shared
from spectra_assets.settings import load
from tests.learning.bench.altered import ALTERED
from tests.learning.bench.answers import ANSWERS
from tests.learning.bench.bench import Bench, Verdict, table
from tests.learning.bench.cases import CASES
from tests.learning.bench.changelogs import CHANGELOGS
from tests.learning.bench.foreign import FOREIGN
from tests.learning.bench.fresh import FRESH
from tests.learning.bench.further import FURTHER
from tests.learning.bench.healthy import HEALTHY
from tests.learning.bench.slips import SLIPS
from tests.learning.bench.unlisted import UNLISTED
from tests.learning.bench.writings import WRITINGS
from tests.learning.bench.zephyr import ZEPHYR

EVERY = (*CASES, *FURTHER, *UNLISTED, *FRESH, *FOREIGN, *ANSWERS, *WRITINGS, *CHANGELOGS, *ALTERED, *SLIPS, *ZEPHYR)


def main() -> int:
    """0 if every gap that can be healed was, and nothing else happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--only", default="", help="cases whose name, kind, world or outcome holds one of these texts, parted by |"
    )
    parser.add_argument("--whole", action="store_true", help="every case through all stages, with a second run of each")
    parser.add_argument("--back", action="store_true", help="what was healed goes back to how it was, and must be right again")
    parser.add_argument("--part", default="1/1", help="2/3: the second of three parts, for several processes side by side")
    parser.add_argument("--no-healthy", action="store_true", help="without the healthy runs")
    parser.add_argument("--out", type=Path, help="file for the report")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    shared(load())
    verdicts: list[Verdict] = []
    false: dict[str, list[str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="spectra-bench-") as folder,
        Bench(Path(folder), options.whole, options.back) as bench,
    ):
        for case in EVERY[part - 1 :: parts]:
            told = (case.name, case.kind, case.world.__name__, case.outcome)
            if any(part in text for text in told for part in options.only.split("|")):
                verdicts.append(_case(bench, case))
                print(_line(verdicts[-1]), file=sys.stderr, flush=True)
        for name, world, change in () if options.no_healthy else HEALTHY[part - 1 :: parts]:
            if any(part in name for part in options.only.split("|")):
                false[name] = bench.healthy(name, world, change)
                print(f"healthy: {name}: {'; '.join(false[name]) or 'no lesson'}", file=sys.stderr, flush=True)
    report = _report(verdicts, false)
    print(report)
    if options.out:
        options.out.write_text(report, encoding="utf-8")
    return int(any(each.problems for each in verdicts) or any(false.values()))


def _case(bench: Bench, case) -> Verdict:  # type: ignore[no-untyped-def]
    try:
        return bench.case(case)
    except Exception:  # noqa: BLE001  (a crash of the product is a result of the bench, and told as such)
        return Verdict(case.name, case.kind, case.outcome, problems=[f"crash: {traceback.format_exc()[-600:]}"])


def _line(verdict: Verdict) -> str:
    told = [f"wrong: {each}" for each in verdict.wrong]
    asks = (f"asks: {each[:300]}" for each in verdict.back_asks)
    said = "".join(f"\n    {line}" for line in (*told, *asks, *verdict.said))
    return f"{verdict.case}: {'; '.join(verdict.problems) or 'right'} [{verdict.seconds} CPU s] {verdict.lessons} {verdict.back}{said}"


def _report(verdicts: list[Verdict], false: dict[str, list[str]]) -> str:
    mendable = [each for each in verdicts if each.outcome == "heals"]
    lines = [
        f"- healed with nobody's help: {sum(each.healed for each in mendable)} of {len(mendable)} gaps that have a remedy",
        f"- needed no lesson, since the client adapts: {sum(each.healed for each in verdicts if each.outcome == 'copes')} of "
        f"{sum(each.outcome == 'copes' for each in verdicts)}",
        f"- left to a person, as they must be: {sum(not each.problems for each in verdicts if each.outcome == 'asks')} of "
        f"{sum(each.outcome == 'asks' for each in verdicts)}",
        f"- run 1 failed at the right gate: {sum(each.seen for each in verdicts if each.outcome != 'copes')} of "
        f"{sum(each.outcome != 'copes' for each in verdicts)}",
        f"- wrong data after a run that passed: {sum(bool(each.wrong) for each in verdicts)}"
        + "".join(f" ({each.case}, which is for a person: {'; '.join(each.wrong)[:200]})" for each in verdicts if each.wrong),
        *_back([each.back for each in verdicts if each.back]),
        f"- false lessons in {len(false)} healthy runs: {sum(map(len, false.values()))}",
        "",
        table(verdicts),
        "",
        *(f"- {each.case}: {problem}" for each in verdicts for problem in each.problems),
        *(f"- healthy, {name}: {lesson}" for name, lessons in false.items() for lesson in lessons),
    ]
    return "\n".join(lines) + "\n"


def _back(told: list[str]) -> Iterator[str]:
    """What became of those that went back to how they were."""
    if told:
        each = ", ".join(f"{word} {told.count(word)}" for word in ("passes", "heals", "asks"))
        yield f"- gone back to how it was: of {len(told)} {each}, wrong {sum(word.startswith('gone back') for word in told)}"


if __name__ == "__main__":
    sys.exit(main())
