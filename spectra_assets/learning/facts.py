"""What is known of a source when a gap is looked at: contract, canon, samples, what came last, what was published, its API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from spectra_assets.client.api import ApiClient
from spectra_assets.client.jsontext import decoded
from spectra_assets.client.pager import query_of
from spectra_assets.client.tape import LIST
from spectra_assets.covenant.access import OffsetPaging
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField, from_rows
from spectra_assets.covenant.model import Column, Covenant, Table
from spectra_assets.errors import ConfigurationError, CredentialError, SourceError, StorageError
from spectra_assets.intelligence.model import Pack, load_pack
from spectra_assets.lakehouse.raw import Attempts
from spectra_assets.lakehouse.segments import Segments
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage, TableRef, plural
from spectra_assets.playbook.model import Playbooks
from spectra_assets.settings import Settings
from spectra_assets.stages.asking.answers import Record, flattened
from spectra_assets.stages.asking.locations import records_at
from spectra_assets.stages.asking.sampling import Explorer, read_sample
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.design import playbooks_of, written
from spectra_assets.stages.rulings import ruled_pack

MOST_RECORDS = 20_000
"""Records of one entity that are looked at."""


class Came(NamedTuple):
    """One answer of the newest extraction of an entity: whose list, which page, what was asked and what came."""

    parent: str | None
    page: int
    target: str
    status: int | None
    value: Any


@dataclass(frozen=True)
class Facts:
    """Everything a remedy may be made of. What is asked of the API goes through the read-only client, `requests` at most."""

    settings: Settings
    covenant: Covenant
    requests: int = 40
    run_id: str = ""
    """The run that showed the gap: `before` is what stood until then."""

    @property
    def source(self) -> str:
        return self.covenant.source

    @cached_property
    def playbooks(self) -> Playbooks:
        return playbooks_of(self.settings)

    @cached_property
    def pack(self) -> Pack:
        """What is known of the source, with what the playbooks' rules say of it."""
        return ruled_pack(load_pack(self.covenant.pipeline.intelligence, self.settings.intelligence), self.playbooks)

    @cached_property
    def in_force(self) -> Covenant:
        """The covenant as it was written: while the first stages run by a sentence, `covenant` ends with them."""
        return written(self.settings, self.source) or self.covenant

    @property
    def has_learned(self) -> bool:
        """Whether something was applied since the run whose gaps are looked at: the next one shows what that is worth."""
        return self.in_force.pipeline.documents != self.covenant.pipeline.documents

    @cached_property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(self.settings.lakehouse_root, self.source)

    @cached_property
    def canon(self) -> Canon:
        """The canon as Prepare delivered it last; empty if it never did."""
        return from_rows(self.rows("prepare.schema"))

    def entity(self, name: str | None) -> CanonEntity | None:
        """The canon of an entity."""
        return next((entity for entity in self.canon.entities if entity.entity == name), None)

    def entity_of(self, table: str) -> str | None:
        """The entity whose rows `stage.table` holds, by the covenant."""
        found = self.table(table)
        return found.entity if found else None

    def table(self, name: str) -> Table | None:
        """A table of the covenant."""
        return next((table for table in self.covenant.tables() if table.table == name), None)

    def promised(self, entity: CanonEntity, path: str) -> CanonField | None:
        """A field as the covenant has it: the canon may know more by now than what the gates judge by."""
        known = self._fields.get(entity.entity, {}).get(path)
        found = self._columns.get(entity.entity, {}).get(path)
        if found is None:
            return known
        column, table = found
        like = known or CanonField(raw=path, structure="scalar", target=column.name, type=column.type, group=entity.entity)
        own = {"type": column.type, "date_format": column.date_format, "required": column.required}
        return like.model_copy(update={**own, "key": column.name in table.primary_key})

    def promised_fields(self, entity: CanonEntity) -> list[CanonField]:
        """The entity's own fields as the covenant has them, and what the canon knows beside."""
        names = dict.fromkeys([*self._columns.get(entity.entity, {}), *(field.raw for field in entity.fields)])
        return [field for path in names if (field := self.promised(entity, path)) is not None]

    def column(self, path: str, table: str) -> tuple[Column, Table] | None:
        """The first column of Clean that a path of the table's entity fills, with its table."""
        return self._columns.get(self.entity_of(table) or "", {}).get(path)

    @cached_property
    def _columns(self) -> dict[str, dict[str, tuple[Column, Table]]]:
        """Entity → path → the first column of Clean that it fills."""
        found: dict[str, dict[str, tuple[Column, Table]]] = {}
        for table in self.covenant.tables():
            mine = found.setdefault(table.entity or "", {}) if table.ref.schema == Stage.CLEAN else {}
            for column in table.schema_:
                for path in column.source:
                    mine.setdefault(path, (column, table))
        return found

    @cached_property
    def _fields(self) -> dict[str, dict[str, CanonField]]:
        """Entity → path → its field in the canon."""
        return {each.entity: {field.raw: field for field in reversed(each.fields)} for each in self.canon.entities}

    def promised_key(self, entity: CanonEntity) -> str:
        """The path of the primary key that the covenant follows."""
        builds = [table.build for table in self.covenant.tables() if table.entity == entity.entity]
        return next((build.fetch.primary_key for build in builds if isinstance(build, Extraction)), entity.primary_key)

    def cursor(self, entity: CanonEntity) -> str | None:
        """The path of the time of change by which the covenant asks for what changed; None if it asks for everything."""
        plan = self.covenant.fetches().get(entity.entity)
        return plan.incremental.cursor if plan is not None and plan.incremental is not None else None

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a small table; none if it was never published."""
        ref = TableRef.parse(name)
        return list(self.lakehouse.read(ref).to_pylist()) if self.lakehouse.exists(ref) else []

    def sampled(self, entity: str) -> list[Record]:
        """The records that Prepare sampled, trees flattened."""
        known = self.entity(entity)
        kept = read_sample(self.lakehouse, entity, known.fetch.primary_key if known else None)
        return flattened(kept, known.fetch.recursive if known else None)

    def published(self, entity: str) -> list[Record]:
        """The records of the last good version of the entity's Extract table."""
        return [record for records in self._by_parent(entity, None).values() for record in records]

    def before(self, entity: str) -> list[Record]:
        """What `published` gave before the run that showed the gap: where that one only warned, it published its own."""
        return [record for records in self.before_by_parent(entity).values() for record in records]

    def before_by_parent(self, entity: str) -> dict[str, list[Record]]:
        """What `before` gives, by the text of the value with which each record's list was asked for."""
        ref = TableRef("extract", plural(entity))
        try:
            version = self.lakehouse.version_before(ref, self.run_id) if self.lakehouse.exists(ref) else None
            return self._by_parent(entity, version)
        except StorageError:  # its files may be gone: no version lies there for ever
            return self._by_parent(entity, None)

    def _by_parent(self, entity: str, version: int | None) -> dict[str, list[Record]]:
        ref = TableRef("extract", plural(entity))
        found: dict[str, list[Record]] = {}
        left = MOST_RECORDS
        for batch in self.lakehouse.batches(ref, ["parentKey", "record"], version) if self.lakehouse.exists(ref) else ():
            parents, records = (batch.column(number).to_pylist()[:left] for number in (0, 1))
            for parent, text in zip(parents, records, strict=True):
                if isinstance(record := decoded(text), dict):
                    found.setdefault(parent or "", []).append(record)
            left -= len(records)
            if not left:
                break
        return found

    def came(self, entity: str) -> Iterator[Came]:
        """The answers of the newest extraction of the entity, whatever became of it, in the order of its tape."""
        attempts = Attempts(self.lakehouse, entity).all()
        if not attempts:
            return
        segments = Segments(attempts[-1][0])
        for key, _ in segments:
            entry = segments.find(key, marked=False)
            if entry is None or entry.header["purpose"] != LIST:
                continue
            try:
                value = decoded(entry.body) if entry.body.strip() else None
            except msgspec.DecodeError:
                value = None
            header = entry.header
            yield Came(header["parent"], int(header["page"]), str(header["target"]), header["status"], value)

    def lists(self, entity: str) -> dict[str, list[list[Record]]]:
        """Parent (empty without one) → the pages of its list as the newest extraction got them, trees flattened.

        Without the row with which a page by offset begins again, see client/knitting.py.
        """
        known = self.entity(entity)
        if known is None:
            return {}
        by = known.fetch.paging.offset_param if isinstance(known.fetch.paging, OffsetPaging) else ""
        found: dict[str, dict[int, tuple[str, list[Record]]]] = {}
        count = 0
        for each in self.came(entity):
            records = records_at(each.value, known.fetch.records) if each.value is not None else None
            if records is not None and count < MOST_RECORDS:
                count += len(records)
                found.setdefault(each.parent or "", {})[each.page] = query_of(each.target).get(by, ""), records
        return {
            parent: [flattened(page, known.fetch.recursive) for page in _once([pages[number] for number in sorted(pages)])]
            for parent, pages in found.items()
        }

    def fetched(self, entity: str) -> list[Record]:
        """The records of the newest extraction, whatever became of it."""
        return [record for pages in self.lists(entity).values() for page in pages for record in page]

    def current(self, entity: str, fetched: Sequence[Record]) -> Sequence[Record]:
        """The records of the newest extraction, which are `fetched`; where it asked only for what changed since the one before,
        also those that Prepare sampled: most of them are as they were."""
        attempts = Attempts(self.lakehouse, entity).all()
        if fetched and not (attempts and attempts[-1][1].base):
            return fetched
        known = {msgspec.json.encode(record) for record in fetched}
        return [*fetched, *(record for record in self.sampled(entity) if msgspec.json.encode(record) not in known)]

    @cached_property
    def wire(self) -> Wire | None:
        """The API itself, for so many GETs as `requests` says; None if this environment does not tell how to reach it."""
        try:
            return Wire(ApiClient.from_environment(self.covenant.pipeline.server, self.settings.in_flight), self.requests)
        except (ConfigurationError, CredentialError, SourceError):
            return None

    @cached_property
    def explorer(self) -> Explorer | None:
        """Reads lists of the API itself."""
        return Explorer(self.wire, self.pack, {}) if self.wire is not None else None


def _once(pages: Sequence[tuple[str, list[Record]]]) -> Iterator[list[Record]]:
    """The pages in their order, each without the row of the page before that its offset lets it begin with."""
    so_far, last = 0, None
    for offset, records in pages:
        again = bool(records) and offset == str(so_far - 1) and records[0] == last
        yield records[1:] if again else records
        so_far += len(records) - again
        last = records[-1] if records else last
