"""Golden tests: every transformation gives the same rows on Sail and on JVM Spark."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.lakehouse.engine import Engine
from tests.golden.scenarios import SCENARIOS
from tests.relational import World

JAVA = (17, 21)
"""Versions that Spark 4 supports: from the first on, the first found of these is taken before any newer one."""

SECONDS = 300


def java_homes() -> dict[int, Path]:
    """Version → home of every Java that is found."""
    places = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    places += sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    found: dict[int, Path] = {}
    for place in places:
        java = place / "bin" / "java"
        if java.is_file():
            said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
            version = re.search(r'version "(\d+)', said)
            if version:
                found.setdefault(int(version[1]), place)
    return found


@pytest.fixture(scope="module")
def on_jvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Starts all scenarios on JVM Spark (a process of its own: Connect and classic Spark exclude each other in one)."""
    homes = java_homes()
    usable = [version for version in (*JAVA, *sorted(homes)) if version in homes and version >= JAVA[0]]
    if not usable:
        pytest.skip(f"JVM Spark needs Java {JAVA[0]} or newer in JAVA_HOME or /usr/lib/jvm; found: {sorted(homes) or 'none'}")
    folder = tmp_path_factory.mktemp("jvm")
    results, log = folder / "results.json", folder / "log.txt"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    environment |= {"JAVA_HOME": str(homes[usable[0]]), "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONUTF8": "1"}
    command = [sys.executable, str(Path(__file__).with_name("jvm.py")), str(folder), str(results)]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=folder)
    answer: dict[str, Any] = {}

    def result(name: str) -> Any:
        if not answer:
            code = process.wait(SECONDS)
            assert code == 0, log.read_text(errors="replace")[-4000:]
            answer.update(json.loads(results.read_text(encoding="utf-8")))
        return answer[name]

    yield result
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def on_sail(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("sail")
    found = {name: run(World(folder / name, engine)) for name, run in SCENARIOS.items()}
    return json.loads(json.dumps(found, ensure_ascii=False))


@pytest.mark.jvm
@pytest.mark.parametrize("name", SCENARIOS)
def test_sail_and_jvm_spark_give_the_same_rows(name: str, on_jvm: Any, on_sail: dict[str, Any]) -> None:
    mine, other = on_sail[name], on_jvm(name)
    assert mine.keys() == other.keys()
    for part, rows in mine.items():
        assert rows == other[part], f"{name}, {part}"
