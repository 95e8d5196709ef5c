"""What ran beside what should have run, by the manifest and the ledger of one run.

`steps_ran`: a step of the playbook that a table of the run was made without. `requests_steady`: requests that were answered at a
later try only. `rows_accepted`: rows that were set aside although no gate objected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.covenant.design import applies
from spectra_assets.covenant.model import Covenant
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.playbook.model import Playbooks
from spectra_assets.stages.actions import ACTIONS
from spectra_assets.stages.log import waiting

Row = Mapping[str, Any]
Sample = tuple[dict[str, Any], ...]

_RETRIED, _SHARE = 3, 0.1
"""Requests of one endpoint in a run that needed several tries, and their share, from which it counts as unsteady."""

_DONE = ("published", "unchanged")
_TOO_MANY = 429


def steps_ran(covenant: Covenant, playbooks: Playbooks, attempts: Sequence[Row]) -> Iterator[tuple[str, Sample]]:
    """First table of each stage that ran → the steps that its playbook has for tables of the run, and that these were made
    without: what ran is what their covenant says."""
    ran = [covenant.table(row["table"]) for row in attempts if row["covenantVersion"] == covenant.version]
    stages: dict[str, list[Any]] = {}
    for table in ran:
        stages.setdefault(table.ref.schema, []).append(table)
    for stage, tables in stages.items():
        missing: dict[str, list[str]] = {}
        for table in tables:
            for step in playbooks.of(stage).steps_of(table.table):
                if applies(ACTIONS[step.action].kinds, table.build.kind) and step.action not in table.steps:
                    missing.setdefault(step.action, []).append(table.table)
        yield tables[0].table, tuple({"step": step, "tables": ", ".join(names)[:400]} for step, names in missing.items())


def requests_steady(lakehouse: Lakehouse, run_id: str) -> Iterator[tuple[str, Sample]]:
    """Table → its endpoints of which many requests were answered at a later try only. What came too fast is not among them."""
    for record in waiting(lakehouse):
        if record["manifest"]["runId"] != run_id or not record["requests"]:
            continue
        asked, again, tries = Counter[str](), Counter[str](), Counter[str]()
        for request in record["requests"]:
            path = str(request["path"])
            asked[path] += 1
            if (request.get("attempts") or 1) > 1 and request.get("status") != _TOO_MANY:
                again[path] += 1
                tries[path] = max(tries[path], int(request["attempts"]))
        unsteady = [path for path, count in again.items() if count >= _RETRIED and count >= _SHARE * asked[path]]
        yield (
            record["manifest"]["table"],
            tuple(
                {"path": path, "retried": again[path], "asked": asked[path], "tries": tries[path]} for path in sorted(unsteady)
            ),
        )


def rows_accepted(attempts: Sequence[Row]) -> Iterator[tuple[str, Sample]]:
    """Published table → how many of its rows were set aside."""
    for row in attempts:
        if row["status"] in _DONE:
            aside = row.get("quarantined") or 0
            yield row["table"], ({"table": row["table"], "setAside": aside, "rowsIn": row.get("rowsIn")},) if aside else ()
