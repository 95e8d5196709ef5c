"""What a run came to, as data and in words."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Summary(BaseModel):
    """What a run came to; `--json` prints it."""

    model_config = ConfigDict(frozen=True)

    source: str
    ok: bool
    covenant_version: str
    covenant_changed: bool
    changes: tuple[str, ...]
    held: tuple[str, ...] = ()
    """What the data would change that breaks those who read the tables: the covenant stays until a person takes it over."""
    notices: tuple[str, ...]
    tables: tuple[dict[str, Any], ...]
    gates_passed: int
    gates_failed: int
    gates_warned: int
    left_over: tuple[str, ...] = ()
    """Tables of before that the covenant no longer makes; they stay as they are."""
    lessons: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    """Those of the lessons that ask a person."""
    proposed: dict[str, str] = {}
    """Those of which one may say yes or no → the remedy that waits."""
    learned: tuple[str, ...] = ()
    """Remedies that were proven and applied in this call."""
    runs: tuple[str, ...]
    lakehouse: str
    coverage: str = ""
    """How many endpoints are ingested, excluded, and which are gaps."""
    document: str | None
    export: str | None = None
    """What to set before this pipeline runs elsewhere (`dagster dev`): the address that was given on the command line."""
    commit: str | None
    seconds: float
    problem: str | None = None
    exit_code: int = 0


def summary_text(summary: Summary, verbose: bool = False) -> str:
    """What a run came to; of its tables the figures, and those there is something to say of."""
    lines = [""]
    told = [table for table in summary.tables if verbose or _telling(table)]
    named = max((len(table["table"]) for table in told), default=0)
    for table in told:
        rows = "" if table["rows"] is None else f"{table['rows']:,}"
        notes = [table["status"]]
        if table["quarantined"]:
            notes.append(f"{table['quarantined']} in quarantine")
        notes += [f"✗ {gate}" for gate in table["gates_failed"]] + [f"! {gate}" for gate in table["gates_warned"]]
        lines.append(f"  {table['table']:<{named}}  {rows:>12}  {', '.join(notes)}")
    unchanged = sum(table["status"] == "unchanged" for table in summary.tables)
    more = f"; `solution-engine status {summary.source}` lists them all" if len(told) < len(summary.tables) else ""
    lines += [
        "",
        f"Tables     {len(summary.tables)}, of which {unchanged} unchanged{more}",
        f"Gates      {summary.gates_passed} passed, {summary.gates_failed} failed, {summary.gates_warned} warned",
        f"Lakehouse  {summary.lakehouse}",
    ]
    if summary.coverage:
        lines.append(f"Coverage   {summary.coverage}")
    if summary.held:
        breaking = f"{len(summary.held)} breaking change{'' if len(summary.held) == 1 else 's'} proposed, none applied"
        lines.append(f"Covenant   {breaking}: solution-engine covenant diff {summary.source} shows them")
    if summary.document:
        lines.append(f"Document   {summary.document}")
    if summary.export:
        lines.append(f"Later      {summary.export}   # before `dagster dev`, or a run without --base-url")
    lines.append("UI         make dev, then open http://127.0.0.1:3000")
    lines += [f"Lesson     lessons/{lesson}.md" for lesson in summary.lessons]
    lines += [f"Learned    {text}" for text in summary.learned]
    asked = [lesson for lesson in summary.waiting if lesson not in summary.proposed]
    lines += [f"Asks you   solution-engine lessons explain {lesson}" for lesson in asked]
    lines += [
        f"Proposed   {remedy}\n           solution-engine lessons approve {lesson}   # --dry-run shows it; explain, reject"
        for lesson, remedy in summary.proposed.items()
    ]
    if summary.ok:
        lines.append(f"\nDone in {summary.seconds} s: every table of {summary.source} is in place, every blocking gate passed.")
    else:
        lines.append(f"\nNot done after {summary.seconds} s: {summary.problem}")
        lines.append("What was published before stays. Fix the cause and run the same command again.")
    return "\n".join(lines)


def _telling(table: dict[str, Any]) -> bool:
    troubled = table["quarantined"] or table["gates_failed"] or table["gates_warned"] or table["status"] in ("blocked", "failed")
    return bool(troubled) or table["table"].startswith("analyse.")
