"""Design: playbooks, intelligence and canon → covenant, with what the machine knows how to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from spectra_assets.covenant.canon import Canon, from_rows
from spectra_assets.covenant.design import Registry, SourceFacts
from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.covenant.generate import generate
from spectra_assets.covenant.model import Column, Covenant, Table
from spectra_assets.covenant.secrets import hashing, secrets_in
from spectra_assets.gates.evaluate import GATES
from spectra_assets.intelligence.model import OVERRIDE, Pack
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.playbook.folder import load_playbooks
from spectra_assets.playbook.model import Notice, Playbooks
from spectra_assets.settings import Settings
from spectra_assets.stages.actions import ACTIONS
from spectra_assets.stages.dry import columns_of
from spectra_assets.stages.rulings import ruled_server
from spectra_assets.stages.work import Work, make

SCHEMA = TableRef("prepare", "schema")


def playbooks_of(settings: Settings) -> Playbooks:
    """The project's playbooks, every action and gate in them known. Raises DocumentError."""
    return load_playbooks(settings.playbooks, ACTIONS.keys(), GATES.keys())


def canon_of(settings: Settings, pack: Pack) -> Canon:
    """The canon by the playbooks as they are now, from what Prepare sampled; nothing is fetched, nothing published.

    Raises MissingInputError naming what to materialise first, DocumentError.
    """
    lakehouse = Lakehouse(settings.lakehouse_root, pack.source)
    lakehouse.require(SCHEMA)
    covenant, _ = design(settings, pack, None)
    work = Work(
        settings=settings,
        covenant=covenant,
        table=covenant.table(str(SCHEMA)),
        lakehouse=lakehouse,
        engine=engines.shared(settings),
        playbooks=playbooks_of(settings),
        run_id="design",
        now=datetime.now(UTC),
        asks=False,
    )
    rows = make(work).rows
    return from_rows(rows.to_pylist() if rows is not None else [])


def design(settings: Settings, pack: Pack, canon: Canon | None) -> tuple[Covenant, list[Notice]]:
    """The covenant of the pack's source, and what a person should know of it. Raises DocumentError."""
    playbooks = playbooks_of(settings)
    server = ruled_server(pack.server, playbooks, pack.source)
    if canon is None and (before := written(settings, pack.source)) is not None:
        server = hashing(server, secrets_in(before))  # what is sampled anew is kept as what was extracted
    facts = SourceFacts(
        source=pack.source,
        title=pack.title,
        server=server,
        intelligence=pack.source,
        descriptions={entity.entity: entity.description for entity in pack.entities},
        documents=_documents(settings, pack, playbooks),
    )
    registry = Registry(
        actions={name: action.kinds for name, action in ACTIONS.items()},
        gates={name: gate.kinds for name, gate in GATES.items()},
    )

    def schema_of(table: Table, columns: Mapping[str, list[Column]]) -> list[Column]:
        return columns_of(table, columns, engines.shared(settings))

    return generate(facts, playbooks, canon, registry, schema_of)


def _documents(settings: Settings, pack: Pack, playbooks: Playbooks) -> str:
    """Digest of what people and lessons wrote for this source; what discovery found out is no part of it."""
    override = settings.intelligence / f"{pack.source}{OVERRIDE}"
    corrections = override.read_bytes() if override.is_file() else b""
    curated = "" if pack.origin == "discovered" else pack.model_dump_json(exclude_defaults=True)
    return hashlib.sha256(b"\0".join((playbooks.digest(pack.source).encode(), corrections, curated.encode()))).hexdigest()[:12]


def written(settings: Settings, source: str) -> Covenant | None:
    """The covenant as it lies in `covenants/`; None if there is none. Raises DocumentError."""
    file: Path = covenant_file(settings.covenants, source)
    return read(file) if file.is_file() else None
