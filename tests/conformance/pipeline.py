"""One server's pipeline, run in this process: discovery, then every table of Source to Clean with its gates, without Dagster."""

from __future__ import annotations

import json
import re
import shutil
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from spectra_assets.covenant.canon import Canon, from_rows
from spectra_assets.covenant.design import Registry, SourceFacts
from spectra_assets.covenant.generate import extract_table, generate
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.errors import SpectraError
from spectra_assets.gates.evaluate import GATES, blocking
from spectra_assets.intelligence.model import Pack
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage, TableRef
from spectra_assets.playbook.model import Playbooks
from spectra_assets.playbook.rules import SettingRule
from spectra_assets.settings import Settings
from spectra_assets.stages.actions import ACTIONS
from spectra_assets.stages.deliver import Delivery
from spectra_assets.stages.design import playbooks_of
from spectra_assets.stages.work import Work
from tests.conformance.discovering import discovered
from tests.conformance.servers.api import Api

REPOSITORY = Path(__file__).parent.parent.parent
_STAGES = (Stage.SOURCE, Stage.PREPARE, Stage.EXTRACT, Stage.CLEAN)
_SECONDS = 4.0
"""The little APIs answer in milliseconds; the suite can't wait for the endless one as long as a person could."""

_STAR = (Stage.TRANSFORM, Stage.REFINE, Stage.ANALYSE)


@dataclass
class Found:
    """What a run came to: everything a truth is compared with."""

    pack: Pack | None = None
    canon: Canon = field(default_factory=lambda: Canon(entities=()))
    dependencies: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Extract: entity → its records."""
    clean: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Clean: entity → its rows."""
    evidence: str = ""
    """All texts that a person would read: endpoints, constraints, dependencies, the pack's own, errors; one finding per line."""
    problems: list[str] = field(default_factory=list)
    """Tables that were blocked or failed, with the reason."""
    crash: str = ""
    """Traceback of an error that is not one of ours."""
    seconds: float = 0.0
    requests: int = 0


class Pipeline:
    """The tables of one API, made in a project folder of its own."""

    def __init__(self, api: Api, folder: Path, engine: Engine) -> None:
        self.api = api
        self.folder = folder
        self.engine = engine
        new_project(folder)
        self.settings = Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))
        self.source = api.name()
        self.lakehouse = Lakehouse(self.settings.lakehouse_root, self.source)
        self.found = Found()

    def run(self) -> Found:
        """Discover, then make what can be made; an error of the product ends it and stays in what was found."""
        begun = time.monotonic()
        try:
            with self.environment():
                self._run()
        except SpectraError as error:
            self.found.problems.append(f"{type(error).__name__}: {error}")
        except Exception:  # noqa: BLE001  (a crash of the product is a result of this suite, and told as such)
            self.found.crash = traceback.format_exc()
        self.found.seconds = time.monotonic() - begun
        gather(self.found, self.lakehouse)
        self.found.requests = len(self.api.seen)
        self.found.evidence = "\n".join([*self._evidence(), *self.found.problems])
        return self.found

    @contextmanager
    def environment(self) -> Iterator[None]:
        """The variables through which a person gives the credential."""
        given = {self.api.token_env or "": self.api.credential, f"{self.source.upper()}_BASE_URL": self.api.base_url}
        if self.api.user is not None:
            given[f"{self.source.upper()}_USER"] = self.api.user
        given.pop("", None)
        patient = ("spectra_assets.stages.asking.wire.PROBE_SECONDS", "spectra_assets.discovery.scout.ANSWER_SECONDS")
        with patch.dict("os.environ", given), patch(patient[0], _SECONDS), patch(patient[1], _SECONDS):
            yield

    def _run(self) -> None:
        self.found.pack = pack = discovered(self.api, self.settings)
        playbooks = _with_settings(playbooks_of(self.settings), self.api)
        first = self._covenant(pack, playbooks, None)
        for table in first.tables():
            self._deliver(first, table, playbooks)
        covenant = self._covenant(pack, playbooks, from_rows(self._rows("prepare.schema")))
        tables = {table.table: table for table in covenant.tables()}
        for table in tables.values():
            if table.ref.schema in (Stage.EXTRACT, Stage.CLEAN):
                self._deliver(covenant, table, playbooks)

    def _covenant(self, pack: Pack, playbooks: Playbooks, canon: Canon | None) -> Covenant:
        """As Design makes it, but only up to Clean: the star is the matter of the tests that run all seven stages."""
        facts = SourceFacts(
            source=pack.source,
            title=pack.title,
            server=pack.server,
            intelligence=pack.source,
            descriptions={entity.entity: entity.description for entity in pack.entities},
        )
        registry = Registry({name: a.kinds for name, a in ACTIONS.items()}, {name: g.kinds for name, g in GATES.items()})
        covenant, _ = generate(facts, _until_clean(playbooks), canon, registry, lambda table, columns: [])
        return covenant

    def _deliver(self, covenant: Covenant, table: Table, playbooks: Playbooks) -> None:
        work = Work(
            settings=self.settings,
            covenant=covenant,
            table=table,
            lakehouse=self.lakehouse,
            engine=self.engine,
            playbooks=playbooks,
            run_id="conformance",
            now=datetime.now(UTC),
        )
        try:
            with Delivery(work) as delivery:
                failed = blocking(delivery.audit())
                if failed:
                    self.found.problems.append(f"{table.table}: {'; '.join(f'{r.gate}: {r.message}' for r in failed)}")
                else:
                    delivery.publish()
        except SpectraError as error:
            self.found.problems.append(f"{table.table}: {type(error).__name__}: {error}")
        if table.ref.schema in (Stage.SOURCE, Stage.PREPARE) and self.found.problems:
            raise SpectraError(f"{table.table} was not published")

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return rows_of(self.lakehouse, name)

    def _evidence(self) -> Iterator[str]:
        pack = self.found.pack
        if pack is not None:
            yield from (f"{each.about}: {each.finding} ({each.evidence})" for each in pack.evidence)
            yield from (f"{path}: excluded, {why}" for path, why in pack.excluded.items())
        for row in self._rows("source.endpoints"):
            yield f"{row['path']}: {row['category']} {row['httpStatus'] or ''} {row['reason'] or ''}"
        for row in self._rows("prepare.constraints"):
            yield f"{row['path']}: {row['constraint']} {row['value']}: {row['evidence']}"
        for row in self._rows("prepare.dependencies"):
            yield f"{row['path']}: {row['verdict']} {row['evidence']}"
        for row in self._rows("prepare.coverage"):
            yield f"{row['name']}: {row['disposition']}, {row['reason'] or ''}"
        for entity in self.found.canon.entities:
            yield from (f"{entity.entity}.{item.raw}: {item.note}" for item in entity.fields if item.note)


def gather(found: Found, lakehouse: Lakehouse) -> None:
    """What the tables of a pipeline hold, as far as it came."""
    found.dependencies = rows_of(lakehouse, "prepare.dependencies")
    found.canon = from_rows(rows_of(lakehouse, "prepare.schema"))
    for entity in found.canon.entities:
        name = entity.entity
        found.records[name] = [json.loads(row["record"]) for row in rows_of(lakehouse, extract_table(name))]
        found.clean[name] = rows_of(lakehouse, f"clean.{name}")


def rows_of(lakehouse: Lakehouse, name: str) -> list[dict[str, Any]]:
    """The rows of a table; none if it was not published."""
    ref = TableRef.parse(name)
    return list(lakehouse.read(ref).to_pylist()) if lakehouse.exists(ref) else []


def new_project(folder: Path) -> None:
    """An empty project with the repository's playbooks."""
    shutil.copytree(REPOSITORY / "playbooks", folder / "playbooks")
    for name in ("covenants", "lessons"):
        (folder / name).mkdir()


def texts_of(folder: Path) -> Iterable[tuple[Path, bytes]]:
    """Every file below a folder, but the playbooks."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "playbooks" not in file.parts:
            yield file, file.read_bytes()


def _with_settings(playbooks: Playbooks, api: Api) -> Playbooks:
    rules = [SettingRule(id=f"set-{name.replace('_', '-')}", name=name, value=value) for name, value in api.ruled.items()]
    return replace(playbooks, standards=replace(playbooks.standards, rules=(*playbooks.standards.rules, *rules)))


def _until_clean(playbooks: Playbooks) -> Playbooks:
    kept = [
        replace(playbook, rules=(), outputs=(), steps=(), gates=()) if playbook.stage in _STAR else playbook
        for playbook in playbooks.playbooks
    ]
    return replace(playbooks, playbooks=tuple(kept))


def plain(route: str, base_path: str) -> str:
    """A route without its base path and the names of its parameters: `/users/{id}/posts` → `/users/{}/posts`."""
    route = re.sub(r"\{[^}]*\}", "{}", "/" + route.strip("/"))
    return route.removeprefix(base_path.rstrip("/")) if base_path and route.startswith(base_path.rstrip("/") + "/") else route
