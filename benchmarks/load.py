"""How long Dagster takes to load the project: `dagster definitions validate` with one covenant, and 100 covenants of 30 tables.

python -m benchmarks.load
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parent.parent
TABLES = 30
COVENANTS = 100


def validate(project: Path, repeat: int) -> float:
    """Median seconds of `dagster definitions validate` on `project`."""
    home = project / ".dagster"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "SPECTRA_PROJECT": str(project), "DAGSTER_HOME": str(home)}
    command = [str(Path(sys.executable).parent / "dagster"), "definitions", "validate", "-w", "workspace.yaml"]
    taken = []
    for _ in range(repeat):
        begun = time.perf_counter()
        subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def cut(covenant: dict[str, Any], source: str) -> dict[str, Any]:
    """The covenant under another name with its first 30 tables."""
    cut = json.loads(json.dumps(covenant))
    cut["pipeline"]["source"] = source
    left = TABLES
    for stage in cut["pipeline"]["stages"]:
        stage["outputs"] = stage["outputs"][:left]
        left -= len(stage["outputs"])
    cut["pipeline"]["stages"] = [stage for stage in cut["pipeline"]["stages"] if stage["outputs"]]
    kept = {stage["name"] for stage in cut["pipeline"]["stages"]}
    cut["quality_gates"] = [gates for gates in cut["quality_gates"] if gates["stage"] in kept]
    return dict(cut)


def main() -> None:
    covenant = yaml.load((REPOSITORY / "covenants" / "zephyr.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    with tempfile.TemporaryDirectory(prefix="spectra-bench-") as name:
        project = Path(name)
        shutil.copytree(REPOSITORY / "playbooks", project / "playbooks")
        (project / "covenants").mkdir()
        shutil.copy(REPOSITORY / "covenants" / "zephyr.yaml", project / "covenants")
        tables = sum(len(stage["outputs"]) for stage in covenant["pipeline"]["stages"])
        print(f"dagster definitions validate, 1 covenant of {tables} tables: {validate(project, 5):.1f} s (median of 5)")
        for number in range(COVENANTS):
            source = f"source_{number}"
            text = yaml.dump(cut(covenant, source), Dumper=yaml.CSafeDumper, sort_keys=False)
            (project / "covenants" / f"{source}.yaml").write_text(text, encoding="utf-8")
        (project / "covenants" / "zephyr.yaml").unlink()
        print(f"dagster definitions validate, {COVENANTS} covenants of {TABLES} tables: {validate(project, 1):.1f} s")


if __name__ == "__main__":
    main()
