"""What the learning loop costs over a thousand runs, and in a flood: `python -m benchmarks.lessons`."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spectra_assets.learning.archive import everything
from spectra_assets.learning.gap import Evaluation
from spectra_assets.learning.lesson import read_all
from spectra_assets.learning.loop import observe
from spectra_assets.settings import Settings

REPOSITORY = Path(__file__).parent.parent
RUNS = 1000


def run(number: int, fields: list[str], failed: int | None = None) -> Evaluation:
    """The gate of drift on one table: these fields are new, of so many."""
    rows = tuple({"kind": "newField", "path": field, "seen": "text", "count": 1} for field in fields)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    return Evaluation(
        source="acme", stage="extract", table="orders", check="no_schema_drift", passed=not fields, severity="ERROR",
        covenant_version="1", run_id=f"run{number}", key=f"run{number}:extract.orders:no_schema_drift",
        seen_at=at.isoformat(), failed=failed or len(fields) or None, total=10_000, sample=rows, message="new fields",
    )  # fmt: skip


def rare() -> Iterator[Evaluation]:
    """Each tenth run shows a new gap, which the next one no longer shows."""
    return (run(number, [f"field{number}"] if number % 10 == 0 else []) for number in range(RUNS))


def flood() -> Iterator[Evaluation]:
    """Each run shows twenty of ten thousand names that no run had before."""
    return (run(number, [f"~~~ $(id) {number} {n}" for n in range(20)], 10_000) for number in range(RUNS))


def measure(name: str, runs: Callable[[], Iterator[Evaluation]]) -> None:
    """Print what observing these runs takes and leaves."""
    with tempfile.TemporaryDirectory(prefix="spectra-lessons-") as folder:
        project = Path(folder)
        shutil.copytree(REPOSITORY / "playbooks", project / "playbooks")
        for room in ("covenants", "lessons"):
            (project / room).mkdir()
        settings = Settings(project=project, lakehouse_root=str(project / "lakehouse"))
        times = []
        for evaluation in runs():
            begun = time.process_time()
            observe(settings, [evaluation])
            times.append(time.process_time() - begun)
        files = list(settings.lessons.rglob("*.md"))
        size = sum(file.stat().st_size for file in files)
        live, known = len(read_all(settings.lessons)), len(everything(settings.lessons))
        first, last = sum(times[:100]) * 10, sum(times[-100:]) * 10
        print(f"{name}: {sum(times):.1f} CPU s; a run {first:.1f} ms of CPU at first, {last:.1f} ms in the end; ", end="")
        print(f"{live} lessons in the folder, {known - live} in the archive, {size:,} bytes")


if __name__ == "__main__":
    measure(f"{RUNS} runs, a new gap in each tenth", rare)
    measure(f"{RUNS} runs, each with 20 of 10,000 other names", flood)
