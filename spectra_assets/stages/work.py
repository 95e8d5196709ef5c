"""What a stage's actions are given, what they make, and the registry through which playbook steps name them.

A table is made by running the actions of its covenant entry in order on one Draft. Actions read inputs and write into the
draft; they never publish: that is done once, for every table, after its gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spectra_assets.client.api import ApiClient
from spectra_assets.client.ledger import Ledger
from spectra_assets.client.wire import Keep
from spectra_assets.client.withheld import hash_key
from spectra_assets.covenant.access import Server
from spectra_assets.covenant.canon import Canon, CanonEntity, from_rows
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.errors import SpectraError, one_of
from spectra_assets.intelligence.model import Pack, load_pack
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.playbook.model import Playbooks
from spectra_assets.settings import Settings
from spectra_assets.stages.rulings import ruled_pack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BUDGETS = ".budgets"
"""Folder beside the lakehouses in which all runs keep how many requests a host takes."""

REQUESTS_PER_ENTITY, ENTITIES_WITHIN = 25, 12
"""Requests that each entity adds to the setting `probe_requests`, above so many entities."""


@dataclass(frozen=True)
class Unrepeated:
    """The rows of a draft's frame `of` without a search for repetitions: just those, if no two good ones agree in `key`."""

    frame: DataFrame
    key: tuple[str, ...]
    of: DataFrame


@dataclass
class Draft:
    """A table in the making: rows as Arrow (Source, Prepare, Extract) or as a Spark frame (Clean to Analyse).

    `frame` may carry the control columns `_reasons` (array<string>: ids of the row rules a row breaks) and `_duplicate`
    (bool): such rows are not published; rejected ones go to quarantine. `rows_in` is what the inputs held, counted apart from
    the frame. `notes` become metadata of the materialisation; `evidence` is what gates of this table judge beside its rows.
    `unrepeated` is tried before `frame`, if it is of that.
    `recount` counts `rows_in` anew, from the inputs themselves, if what they tell of it does not fit.
    `ordered`: the frame's rows are stored in its order, so they must be few. `standing`: the table as it is published holds
    exactly these rows. `afterwards` hear what became of the table, and by which error; None if there is nobody who tells them.
    """

    rows: pa.Table | None = None
    batches: Iterable[pa.RecordBatch] | None = None
    batches_schema: pa.Schema | None = None
    frame: DataFrame | None = None
    rows_in: int | None = None
    recount: Callable[[], int] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    unrepeated: Unrepeated | None = None
    ordered: bool = False
    mend: Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]] | None = None
    standing: bool = False
    afterwards: list[Callable[[str, BaseException | None], None]] | None = None


def key_of(server: Server, lakehouse: Lakehouse) -> bytes:
    """The key of what rules hash, if they hash anything. Raises OSError."""
    return hash_key(lakehouse.files()) if any(rule.how == "hash" for rule in server.withheld) else b""


@dataclass(frozen=True)
class Work:
    """Everything an action may use to make `table`. `now` is the run's instant in UTC; `say` shows progress to a person.

    `remakes`: tables are made again from others that stand. `replay`: so that Extract reads the raw pages that were kept, and
    asks no API. `twin` answers in place of the API; `keep` is given
    every exchange with it.
    """

    settings: Settings
    covenant: Covenant
    table: Table
    lakehouse: Lakehouse
    engine: Engine
    playbooks: Playbooks
    run_id: str
    now: datetime
    say: Callable[[str], None] = lambda _: None
    ledger: Ledger = field(default_factory=Ledger)
    replay: bool = False
    remakes: bool = False
    trusts: bool = False
    """What Source and Prepare proved may be trusted, see trust.py."""
    asks: bool = True
    """False: nothing is asked of the API; what only it could show stays as it was."""
    backfill: tuple[str, ...] | None = None
    twin: Callable[[Work], ApiClient] | None = None
    keep: Keep | None = None

    @cached_property
    def client(self) -> ApiClient:
        """The API of the covenant's server. Raises CredentialError or ConfigurationError naming the variable to set."""
        server = self.covenant.pipeline.server
        if self.twin is not None:
            client = self.twin(self)
        else:
            key = key_of(server, self.lakehouse)
            client = ApiClient.from_environment(server, self.settings.in_flight, self.ledger, self.most_pages, self.budgets, key)
        if self.keep is not None:
            client.record(self.keep)
        return client

    @property
    def budgets(self) -> Path:
        """Where all runs keep how many requests a host takes: beside the lakehouses of all sources."""
        return self.lakehouse.files().parent.parent / BUDGETS

    def close(self) -> None:
        """Close the connections to the API, if there are any: whoever uses `client` later gets another one."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    @property
    def most_pages(self) -> int:
        """Pages after which a list counts as endless."""
        return int(self.playbooks.setting("most_pages", self.covenant.source))

    @cached_property
    def pack(self) -> Pack:
        """What was known of the source beforehand, with what the playbooks' rules say of it."""
        return ruled_pack(load_pack(self.covenant.pipeline.intelligence, self.settings.intelligence), self.playbooks)

    @cached_property
    def requests_allowed(self) -> int:
        """Requests which Source and Prepare together may send: by the setting `probe_requests`, more for many entities."""
        more = REQUESTS_PER_ENTITY * max(0, len(self.pack.entities) - ENTITIES_WITHIN)
        return int(self.playbooks.setting("probe_requests", self.covenant.source)) + more

    @cached_property
    def canon(self) -> Canon:
        """The master schema as Prepare delivered it. Raises MissingInputError."""
        return from_rows(self.read("prepare.schema").to_pylist())

    @property
    def entities_before(self) -> Sequence[CanonEntity]:
        """The entities as Prepare published them the last time; none of a new source."""
        return self.canon.entities if self.lakehouse.exists(TableRef("prepare", "schema")) else ()

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A small input as Arrow. Raises MissingInputError naming the asset to materialise first."""
        ref = TableRef.parse(table)
        self.lakehouse.require(ref)
        return self.lakehouse.read(ref, columns=columns)

    def frame(self, table: str) -> DataFrame:
        """An input of any size as a Spark frame. Raises MissingInputError."""
        ref = TableRef.parse(table)
        self.lakehouse.require(ref)
        return self.engine.read(self.lakehouse.path(ref))

    def count(self, table: str) -> int:
        """Rows of an input, from the Delta log alone."""
        return self.lakehouse.describe(TableRef.parse(table)).rows


Action = Callable[[Draft, Work], None]


@dataclass(frozen=True)
class Registered:
    """An action, with the kinds of build it applies to (empty: every kind). `shapes`: it decides on rows or columns."""

    name: str
    run: Action
    kinds: frozenset[str]
    shapes: bool = True


ACTIONS: dict[str, Registered] = {}
"""Every action that a playbook step may name."""


def action(name: str, *kinds: str, shapes: bool = True) -> Callable[[Action], Action]:
    """Register the function as the action `name` for tables built in one of `kinds`."""

    def register(function: Action) -> Action:
        if name in ACTIONS:
            raise SpectraError(f"the action {name} is registered twice")
        ACTIONS[name] = Registered(name, function, frozenset(kinds), shapes)
        return function

    return register


def registered(name: str, table: Table) -> Registered:
    """The action called `name`, which `table` demands. Raises SpectraError naming the known ones."""
    if name not in ACTIONS:
        raise SpectraError(f"{table.table} names the action {name}, which is none of {one_of(ACTIONS)}")
    return ACTIONS[name]


def make(work: Work, draft: Draft | None = None) -> Draft:
    """Run the actions of the table's covenant entry in order. Raises SpectraError for an action that is not registered."""
    draft = draft or Draft()
    for name in work.table.steps:
        registered(name, work.table).run(draft, work)
    return draft
