"""Expected against actual: what no gate judges, as evaluations like those of gates.

`table_made`: an attempt at a table ended in an error. `outputs_gated`: a table lacks a gate that the method demands of its stage.
`requests_calm`: the API refused requests because they came too fast. `values_mapped`: a value of an enumeration has no label.
`plan_holds`: Prepare refuted the route by which an entity is extracted, or proved that its list pages another way. `times_kept`:
a column of days whose values have a time of day by Prepare's newest sample. `refusals_stand`: a list that a rule lets be
refused is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pyarrow import compute as pc

from spectra_assets.covenant.build import Enumeration
from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import DocumentError
from spectra_assets.gates.evaluate import GATES
from spectra_assets.lakehouse.raw import attempts_in
from spectra_assets.lakehouse.segments import Segments
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.gap import Evaluation
from spectra_assets.learning.outdated import plan_holds, refusals_stand, times_kept
from spectra_assets.learning.ran import requests_steady, rows_accepted, steps_ran
from spectra_assets.names import LOG, TableRef
from spectra_assets.playbook.model import Playbooks, TablePattern
from spectra_assets.settings import Settings
from spectra_assets.stages.design import playbooks_of
from spectra_assets.stages.log import waiting
from spectra_assets.stages.twin import TWIN

DEMANDED: Mapping[str, tuple[str, ...]] = {
    "source.credentials": ("auth_valid",),
    "source.endpoints": ("endpoints_unique", "endpoints_parsed"),
    "source.portfolio": ("hierarchy_proven",),
    "prepare.dependencies": ("dependencies_proven", "dependencies_acyclic"),
    "prepare.schema": ("schema_has_all_entities", "one_entity_per_row", "fields_as_arrays", "fields_have_target_names"),
    "extract.*": ("extract_complete", "no_schema_drift", "primary_key_present", "parents_resolved"),
    "clean.*": ("types_hold", "primary_key_unique", "rows_conserved", "required_present"),
    "transform.dim*": ("one_current_row", "validity_has_no_gap_or_overlap"),
    "transform.fact*": ("foreign_keys_resolve", "grain_unique", "rows_conserved"),
    "transform.bridge*": ("foreign_keys_resolve", "grain_unique", "rows_conserved"),
    "refine.*": ("rules_applied", "grain_unique"),
    "analyse.*": ("totals_reconcile",),
    "log.manifest": ("lineage_matches_covenant", "all_outputs_exist", "all_gates_ran", "manifest_complete"),
}
"""Tables → the gates that the method demands of them at least, where they apply to such tables."""

_REFUSALS = 3
"""Refusals for the rate in one recording from which the API is asked too fast."""

_TOO_MANY = 429

_WORDS: Mapping[str, str] = {
    "outputs_gated": "{tables}: the method demands the gate {gate}, which the covenant does not have",
    "requests_calm": "{refused} of {asked} requests were refused because they came too fast (429); about {perMinute} a minute "
    "were answered",
    "values_mapped": "the value {value} of {column} has no label, so it counts as {label}",
    "plan_holds": "{entity}, {aspect} of {path}: {finding}",
    "times_kept": "{column} is kept as a {expected}, and its values are of the type {found}",
    "refusals_stand": "the list of {entity} below {parent} is read again, so that no rule needs to let it be refused",
    "steps_ran": "the playbook has the step {step}, without which these were made: {tables}",
    "requests_steady": "{path}: {retried} of {asked} requests were answered at a later try only, after {tries} tries at most",
    "rows_accepted": "{setAside} of {rowsIn} rows of {table} were set aside ({why}), and no gate objected",
}
"""Check → what one of its rows says, for people."""

_TOLD = 3
"""Rows that a message tells."""


def expected(settings: Settings, source: str, run_id: str, evaluations: Iterable[Evaluation]) -> Iterator[Evaluation]:
    """What a run shows beside its gates. `evaluations` are those of its gates. Raises StorageError."""
    lakehouse = Lakehouse(settings.lakehouse_root, source)
    attempts = _attempts(lakehouse, run_id)
    yield from (made(source, run_id, row) for row in attempts)
    file = covenant_file(settings.covenants, source)
    if not file.is_file():
        return
    covenant = read(file)
    seen_at = max((each.seen_at for each in evaluations), default=_now())
    tables = {row["table"] for row in attempts} | {f"{each.stage}.{each.table}" for each in evaluations}
    yield from gated(covenant, run_id, seen_at)
    yield from _calm(lakehouse, covenant, tables, run_id, seen_at)
    yield from _mapped(lakehouse, covenant, tables, run_id, seen_at)
    try:
        playbooks: Playbooks | None = playbooks_of(settings)
    except DocumentError:  # what can't be read is told where it is needed
        playbooks = None
    found = {
        "steps_ran": steps_ran(covenant, playbooks, attempts) if playbooks is not None else (),
        "requests_steady": requests_steady(lakehouse, run_id),
        "rows_accepted": rows_accepted(lakehouse, covenant, attempts),
        "plan_holds": plan_holds(lakehouse, covenant, playbooks, tables) if playbooks is not None else (),
        "times_kept": times_kept(lakehouse, covenant, tables),
        "refusals_stand": refusals_stand(lakehouse, covenant, tables),
    }
    for check, judged in found.items():
        for table, sample in judged:
            yield _evaluation(source, table, check, run_id, seen_at, covenant.version, sample, "WARN")


def made(source: str, run_id: str, row: Mapping[str, Any]) -> Evaluation:
    """Whether an attempt at a table came to an end, of its row in `log.manifest`. A gate that holds it back is none of it."""
    failed = row["status"] == "failed"
    sample = ({"table": row["table"], "error": str(row["error"] or "")[:400]},) if failed else ()
    finished = row["finishedAt"]
    seen_at = (
        finished.astimezone(UTC).isoformat(timespec="seconds")
        if isinstance(finished, datetime)
        else str(finished)[:19] + "+00:00"
    )
    evaluation = _evaluation(source, row["table"], "table_made", run_id, seen_at, str(row["covenantVersion"] or ""), sample)
    return evaluation.model_copy(update={"message": str(row["error"] or "")[:1000]}) if failed else evaluation


def gated(covenant: Covenant, run_id: str, seen_at: str) -> Iterator[Evaluation]:
    """Whether each table has the gates that the method demands: one evaluation per pattern, at its first table."""
    for name, gates in DEMANDED.items():
        pattern = TablePattern.parse(name)
        tables = [table for table in covenant.tables() if pattern.matches(table.table)]
        sample: list[dict[str, Any]] = []
        for gate in gates:
            kinds = GATES[gate].kinds
            able = [
                table for table in tables
                if (not kinds or table.build.kind in kinds) and (gate != "primary_key_unique" or table.primary_key)
            ]  # fmt: skip
            lacking = [table.table for table in able if gate not in {each.name for each in table.gates}]
            if lacking:
                wide = name if pattern.many and len(lacking) == len(able) else ", ".join(lacking)
                sample.append({"gate": gate, "tables": wide[:400]})
        if tables:
            version = covenant.version
            yield _evaluation(covenant.source, tables[0].table, "outputs_gated", run_id, seen_at, version, tuple(sample))


def _calm(lakehouse: Lakehouse, covenant: Covenant, tables: set[str], run_id: str, seen_at: str) -> Iterator[Evaluation]:
    """Whether the API refused requests for their rate, by what was recorded of Source and Prepare in this run."""
    for table in sorted(tables):
        folder = lakehouse.files(TWIN, table)
        found = attempts_in(folder) if folder.is_dir() else []
        mine = [attempt for attempt, manifest in found if run_id in manifest.runs]
        if not mine:
            continue
        counts, times = _statuses(mine[-1])
        refused = counts[_TOO_MANY]
        sample: tuple[dict[str, Any], ...] = ()
        if refused >= _REFUSALS:
            seconds = (max(times) - min(times)).total_seconds() if len(times) > 1 else 1.0
            answered = sum(counts.values()) - refused
            rate = max(1, int(60 * answered / max(seconds, 1.0)))
            sample = ({"table": table, "refused": refused, "asked": sum(counts.values()), "perMinute": rate},)
        yield _evaluation(covenant.source, table, "requests_calm", run_id, seen_at, covenant.version, sample, "WARN")


def _statuses(attempt: Any) -> tuple[Counter[int], list[datetime]]:
    """How often each status came in a recording, and when it was asked."""
    segments = Segments(attempt)
    counts: Counter[int] = Counter()
    times: list[datetime] = []
    for key, _ in segments:
        entry = segments.find(key, marked=False)
        if entry is not None:
            counts[int(entry.header["status"] or 0)] += 1
            times.append(datetime.fromisoformat(entry.header["requestedAt"]))
    return counts, times


def _mapped(lakehouse: Lakehouse, covenant: Covenant, tables: set[str], run_id: str, seen_at: str) -> Iterator[Evaluation]:
    """Whether each value of an enumeration has a label of its own."""
    for table in covenant.tables():
        build = table.build
        if table.table not in tables or not isinstance(build, Enumeration) or not lakehouse.exists(table.ref):
            continue
        rows = lakehouse.read(table.ref, [build.natural_key, build.label, "isCurrent"]).to_pylist()
        new = sorted({row[build.natural_key] for row in rows if row["isCurrent"] and row[build.label] == build.unmapped} - {None})
        sample = tuple({"value": value, "label": build.unmapped, "column": build.column} for value in new[:20])
        yield _evaluation(covenant.source, table.table, "values_mapped", run_id, seen_at, covenant.version, sample, "WARN")


def _attempts(lakehouse: Lakehouse, run_id: str) -> list[dict[str, Any]]:
    """The attempts of a run as rows of `log.manifest`, collected there already or not, each table's last."""
    ref = TableRef(LOG, "manifest")
    found: dict[str, dict[str, Any]] = {}
    if lakehouse.exists(ref):
        columns = ["runId", "table", "status", "finishedAt", "covenantVersion", "error", "quarantined", "rowsIn"]
        held = lakehouse.read(ref, columns)
        found = {row["table"]: row for row in held.filter(pc.equal(held["runId"], run_id)).to_pylist()}
    for record in waiting(lakehouse):
        if record["manifest"]["runId"] == run_id:
            found[record["manifest"]["table"]] = record["manifest"]
    return list(found.values())


def _evaluation(
    source: str,
    table: str,
    check: str,
    run_id: str,
    seen_at: str,
    version: str,
    sample: tuple[dict[str, Any], ...],
    severity: str = "ERROR",
) -> Evaluation:
    stage, name = table.split(".", 1)
    return Evaluation(
        source=source,
        stage=stage,
        table=name,
        check=check,
        passed=not sample,
        severity=severity,
        covenant_version=version,
        run_id=run_id,
        key=f"{run_id}:{table}:{check}",
        seen_at=seen_at,
        failed=len(sample) or None,
        message=_told(check, sample),
        sample=sample,
    )


def _told(check: str, sample: tuple[dict[str, Any], ...]) -> str:
    """What these rows say, in words; of `table_made` its caller knows the error."""
    plain = (", ".join(f"{name} {value}" for name, value in row.items()) for row in sample[:_TOLD])
    told = "; ".join(_WORDS[check].format(**row) for row in sample[:_TOLD]) if check in _WORDS else "; ".join(plain)
    return f"{told}; and {len(sample) - _TOLD} more"[:600] if len(sample) > _TOLD else told[:600]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
