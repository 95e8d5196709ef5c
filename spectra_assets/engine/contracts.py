"""`solution-engine covenant` and `solution-engine playbook`: generate, compare and check what a pipeline promises."""

from __future__ import annotations

import sys

import click

from spectra_assets.engine.answer import Commands
from spectra_assets.engine.answer import answer as _answer
from spectra_assets.engine.answer import command as _command
from spectra_assets.errors import BreakingError
from spectra_assets.settings import load as load_settings


@click.group(cls=Commands)
def covenant() -> None:
    """Generate, compare and validate covenants."""


@covenant.command("generate", short_help="Write covenants/SOURCE.yaml anew.")
@click.argument("source")
@_command
def covenant_generate(source: str, as_json: bool) -> None:
    """Write covenants/SOURCE.yaml from playbooks, intelligence pack and canon."""
    from spectra_assets.covenant.files import covenant_file, write
    from spectra_assets.intelligence.model import load_pack
    from spectra_assets.stages.adoption import keep_canon
    from spectra_assets.stages.design import canon_of, design
    from spectra_assets.stages.proposal import withdraw

    settings = load_settings()
    pack = load_pack(source, settings.intelligence)
    canon = canon_of(settings, pack)
    made, notices = design(settings, pack, canon)
    file = covenant_file(settings.covenants, source)
    keep_canon(settings, made, canon)  # first: what a covenant in force was made from is always known
    changed = write(file, made)
    withdraw(settings, source)
    answer = {"file": str(file), "version": made.version, "changed": changed, "notices": [str(notice) for notice in notices]}
    text = f"{file}: version {made.version}, {'written' if changed else 'unchanged'}"
    _answer(answer, "\n".join([text, *map(str, notices)]), as_json)


@covenant.command("diff", short_help="Say what generate would change and break.")
@click.argument("source")
@_command
def covenant_diff(source: str, as_json: bool) -> None:
    """Say in words what `covenant generate` would change; exit code 8 if it breaks those who read the tables."""
    from spectra_assets.covenant.diff import grouped
    from spectra_assets.stages.proposal import next_version

    settings = load_settings()
    _, changes = next_version(settings, source)
    breaking = sum(change.breaking for change in changes)
    lines = [line for group in grouped(changes) for line in (f"{'BREAKS ' if group.breaking else '       '}{group.about}",
             *(f"         {text}" for text in group.texts))]  # fmt: skip
    lines += ["", f"{len(changes)} changes, {breaking} of them breaking; --json lists every one, table by table"]
    text = "\n".join(lines) if changes else f"nothing would change: covenants/{source}.yaml is what the playbooks say"
    answer = {
        "source": source,
        "breaking": breaking > 0,
        "changes": [change.model_dump() for change in changes],
    }
    _answer(answer, text, as_json)
    sys.exit(BreakingError.exit_code if breaking else 0)


@covenant.command("validate")
@click.argument("source", required=False)
@_command
def covenant_validate(source: str | None, as_json: bool) -> None:
    """Check one covenant file, or all."""
    from spectra_assets.covenant.files import covenant_files, read_all, read_of

    settings = load_settings()
    found = [read_of(settings.covenants, source)] if source else read_all(covenant_files(settings.covenants))
    answer = [{"source": c.source, "version": c.version, "tables": len(list(c.tables())), "edges": len(c.edges())} for c in found]
    text = "\n".join(f"{a['source']}: version {a['version']}, {a['tables']} tables, {a['edges']} edges" for a in answer)
    _answer(answer, text or "no covenants yet", as_json)


@click.group(cls=Commands)
def playbook() -> None:
    """Check the playbooks, which say what a pipeline does."""


@playbook.command("validate")
@_command
def playbook_validate(as_json: bool) -> None:
    """Check every playbook: format, actions, gates, rules."""
    from spectra_assets.stages.design import playbooks_of

    found = playbooks_of(load_settings())
    answer = {
        "playbooks": [
            {"file": p.file, "stage": p.stage, "steps": len(p.steps), "gates": len(p.gates), "rules": len(p.rules)}
            for p in found.playbooks
        ],
        "standards": len(found.standards.rules),
        "warnings": [str(warning) for warning in found.warnings],
    }
    lines = [f"{p.file}: {len(p.steps)} steps, {len(p.gates)} gates, {len(p.rules)} rules" for p in found.playbooks]
    _answer(answer, "\n".join([*lines, *map(str, found.warnings)]), as_json)
