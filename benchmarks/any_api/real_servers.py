"""Pipelines for servers that other people wrote: one sentence each, then the rows that landed against their own databases.

python -m benchmarks.any_api.real_servers [--folder FOLDER] [server …]

Per server: entities, rows landed of rows that exist, requests, seconds. Ends with 1 if a row is missing. Needs PyPI; `json_server`
needs npm as well.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.any_api.servers import SERVERS, RealServer
from spectra_assets.covenant.generate import extract_table
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef

REPOSITORY = Path(__file__).parent.parent.parent
_MARK = re.compile(r"[a-z]+-(?:[0-9a-f]{12}|1)\b")


@dataclass
class Result:
    """What became of one server."""

    name: str
    exit_code: int
    seconds: float
    entities: list[str] = field(default_factory=list)
    landed: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """Table → rows landed, rows that exist, where they are."""
    clean: int = 0
    requests: int = 0
    said: str = ""

    @property
    def whole(self) -> bool:
        return self.exit_code == 0 and all(landed == true for landed, true, _ in self.landed.values())


def measure(server: RealServer, project: Path) -> Result:
    """Create the pipeline in a new project folder, and compare."""
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(REPOSITORY / "playbooks", project / "playbooks")
    for name in ("covenants", "lessons"):
        (project / name).mkdir()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SPECTRA_")},
        "SPECTRA_PROJECT": str(project),
        "SPECTRA_LAKEHOUSE": str(project / "lakehouse"),
        "DAGSTER_HOME": str(project / ".dagster"),
    }
    command = [str(Path(sys.executable).parent / "solution-engine"), "run", f"create SPECTRA pipeline for {server.name}"]
    command += ["--base-url", server.base_url]
    description = server.description()
    if description is not None:
        command += ["--openapi", str(description)]
    if server.token is not None:
        environment["REAL_SERVER_TOKEN"] = server.token
        command += ["--token-env", "REAL_SERVER_TOKEN"]
    if server.user is not None:
        environment["REAL_SERVER_USER"] = server.user
        command += ["--user-env", "REAL_SERVER_USER"]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=1800)
    result = Result(server.name, done.returncode, time.monotonic() - begun, said=(done.stdout + done.stderr)[-3000:])
    (project / "run.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return _compared(result, Lakehouse(str(project / "lakehouse"), server.name), server.rows())


def _compared(result: Result, lakehouse: Lakehouse, true: Mapping[str, set[str]]) -> Result:
    marks: dict[str, set[str]] = {}
    for row in _rows(lakehouse, "prepare.schema"):
        entity = row["entity"]
        result.entities.append(entity)
        records = (record["record"] for record in _rows(lakehouse, extract_table(entity)))
        marks[entity] = {mark for record in records for mark in _MARK.findall(record)}
        result.clean += len(_rows(lakehouse, f"clean.{entity}"))
    for name, wanted in true.items():
        where = max(marks, key=lambda entity: len(marks[entity] & wanted), default=None)
        found = set().union(*marks.values()) & wanted if marks else set()
        result.landed[name] = (len(found), len(wanted), where or "nowhere")
    result.requests = len(_rows(lakehouse, "log.requests"))
    return result


def _rows(lakehouse: Lakehouse, name: str) -> list[dict[str, Any]]:
    ref = TableRef.parse(name)
    return list(lakehouse.read(ref).to_pylist()) if lakehouse.exists(ref) else []


def main() -> int:
    known = {server.name: server for server in SERVERS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", choices=[*known, []], help="default: all")
    parser.add_argument("--folder", type=Path, help="keep installations and projects here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spectra-real-") as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        results = []
        for name in arguments.servers or known:
            server = known[name](folder / name)
            print(f"{name}: installing", flush=True)
            server.install()
            server.prepare()
            with server.running():
                result = measure(server, folder / f"{name}-project")
            results.append(result)
            _tell(result)
    return 0 if all(result.whole for result in results) else 1


def _tell(result: Result) -> None:
    print(f"{result.name}: exit {result.exit_code}, {len(result.entities)} entities ({', '.join(sorted(result.entities))})")
    for table, (landed, true, where) in result.landed.items():
        print(f"  {table}: {landed} of {true} rows landed, in {where}")
    print(f"  {result.clean} rows in Clean, {result.requests} requests, {result.seconds:.1f} s", flush=True)
    if not result.whole:
        print("  " + result.said.replace("\n", "\n  "))


if __name__ == "__main__":
    sys.exit(main())
