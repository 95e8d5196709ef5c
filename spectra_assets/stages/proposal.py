"""The covenant's next version, proposed: what playbooks and canon make of the records that differed while they were extracted.

The covenant that holds stays as it is, and so do the tables, until a person, or a remedy that was proven, takes it over:
`solution-engine covenant diff` says in words what it changes, `covenant generate` makes it the covenant.
"""

from __future__ import annotations

from pathlib import Path

from spectra_assets.covenant.diff import Change, diff
from spectra_assets.covenant.files import covenant_file, write
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import RequestError
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import as_read
from spectra_assets.stages.design import canon_of, design, written

DRIFT = frozenset(("no_schema_drift", "fields_seen"))
"""Gates that find records which are not as the covenant promises them."""

_PROPOSED = "proposed"


def proposed_file(settings: Settings, source: str) -> Path:
    """Where the proposal lies: `covenants/proposed/<source>.yaml`."""
    return covenant_file(settings.covenants / _PROPOSED, source)


def next_version(settings: Settings, source: str, new: Covenant | None = None) -> tuple[Covenant, list[Change]]:
    """The covenant as it would be made now, `new` if it was made already, and what it changes. Nothing is fetched or written.

    Raises RequestError if there is no covenant yet, and what designing raises.
    """
    old = written(settings, source)
    if old is None:
        raise RequestError(f"there is no covenant for {source} yet; `solution-engine covenant generate {source}` writes it")
    if new is None:
        pack = load_pack(source, settings.intelligence)
        new, _ = design(settings, pack, canon_of(settings, pack))
    return new, diff(as_read(Lakehouse(settings.lakehouse_root, source), old, new), new)


def propose(settings: Settings, source: str, made: Covenant | None = None) -> list[Change]:
    """Write the next version, `made` already or now, as a proposal, or take an older one away if nothing would change.

    What it changes.

    Raises as `next_version`, and StorageError.
    """
    new, changes = next_version(settings, source, made)
    if changes:
        file = proposed_file(settings, source)
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, new)
    else:
        withdraw(settings, source)
    return changes


def withdraw(settings: Settings, source: str) -> None:
    """Take the proposal away: the covenant was made anew, or nothing differs any more."""
    proposed_file(settings, source).unlink(missing_ok=True)
