"""Design: playbooks, intelligence and canon → covenant, with what the machine knows how to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spectra_assets.covenant.canon import Canon, from_rows
from spectra_assets.covenant.design import Registry, SourceFacts
from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.covenant.generate import generate
from spectra_assets.covenant.model import Column, Covenant, Table
from spectra_assets.gates.evaluate import GATES
from spectra_assets.intelligence.model import Pack
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.playbook.model import Notice, Playbooks
from spectra_assets.playbook.parse import load_playbooks
from spectra_assets.settings import Settings
from spectra_assets.stages.actions import ACTIONS
from spectra_assets.stages.dry import columns_of

SCHEMA = TableRef("prepare", "schema")


def playbooks_of(settings: Settings) -> Playbooks:
    """The project's playbooks, every action and gate in them known. Raises DocumentError."""
    return load_playbooks(settings.playbooks, ACTIONS.keys(), GATES.keys())


def canon_of(settings: Settings, source: str) -> Canon:
    """The canon that Prepare delivered. Raises MissingInputError naming what to materialise first."""
    lakehouse = Lakehouse(settings.lakehouse_root, source)
    lakehouse.require(SCHEMA)
    return from_rows(lakehouse.read(SCHEMA).to_pylist())


def design(settings: Settings, pack: Pack, canon: Canon | None) -> tuple[Covenant, list[Notice]]:
    """The covenant of the pack's source, and what a person should know of it. Raises DocumentError."""
    facts = SourceFacts(
        source=pack.source,
        title=pack.title,
        server=pack.server,
        intelligence=pack.source,
        descriptions={entity.entity: entity.description for entity in pack.entities},
    )
    registry = Registry(
        actions={name: action.kinds for name, action in ACTIONS.items()},
        gates={name: gate.kinds for name, gate in GATES.items()},
    )

    def schema_of(table: Table, columns: Mapping[str, list[Column]]) -> list[Column]:
        return columns_of(table, columns, engines.shared(settings))

    return generate(facts, playbooks_of(settings), canon, registry, schema_of)


def written(settings: Settings, source: str) -> Covenant | None:
    """The covenant as it lies in `covenants/`; None if there is none. Raises DocumentError."""
    file: Path = covenant_file(settings.covenants, source)
    return read(file) if file.is_file() else None
