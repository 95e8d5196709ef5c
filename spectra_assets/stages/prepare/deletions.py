"""Prepare: records that the API keeps although they were deleted, and what marks them.

A name alone proves nothing: an archived project is a project. The API shows it by what it does with such records (their own
address knows them no more, its lists leave them out) or says it in its description.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from spectra_assets.covenant.access import Deleted
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.paths import HASH
from spectra_assets.names import words
from spectra_assets.playbook.rules import DeletedRule
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.sampling import read_sample, spread
from spectra_assets.stages.asking.wire import Wire, fill
from spectra_assets.stages.prepare.fields.marks import DELETED, Mark, marks, text_of
from spectra_assets.stages.prepare.increments.increments import budget_left
from spectra_assets.stages.prepare.prepare import schema_table
from spectra_assets.stages.work import Draft, Work, action

SHARE = 0.1
"""Part of the setting `probe_requests` that these proofs may send, of what Source and Prepare left of it."""

_SAID = re.compile(
    r"soft[- ]?delet|\b(?:was|is|been|were|are|got)\s+(?:soft[- ]?)?(?:deleted|removed|trashed)\b"
    r"|\b(?:time|date|when|moment|timestamp)\b.{0,40}\b(?:deleted|deletion|removed|removal)\b|\bmarks? .{0,30}\bdeleted\b",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|never|can|may|could|before|cannot)\b", re.IGNORECASE)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_ASKED = 3
"""Marked records, and as many others, whose own address is asked."""

_WAYS = 3
"""Addresses that may be those of single records."""


@action("prepare.prove_deletions")
def prove_deletions(draft: Draft, work: Work) -> None:
    """Give the fetch plans of the canon their `deleted`, where it is proven what marks deleted records; rules of the kind win.

    A mark that was proven before stays until it is refuted. One that nothing proves is told in its field's description. Changes
    the evidence `canon`.
    """
    canon: list[CanonEntity] = draft.evidence.get("canon", [])
    before = _before(work)
    tombstones: Mapping[str, Sequence[Record]] = draft.evidence.get("tombstones", {})
    wire = Wire(work.client, budget_left(work, SHARE)) if work.asks else None
    found = []
    for entity in canon:
        sample = read_sample(work.lakehouse, entity.entity, entity.fetch.primary_key)
        prover = _Prover(work, wire, entity, sample, tombstones.get(entity.entity, ()))
        deleted, doubts = prover.proven(before.get(entity.entity))
        fields = tuple(_doubted(field, doubts.get(field.raw)) for field in entity.fields)
        if deleted is not None:
            work.say(f"{entity.entity}: {deleted.path} marks deleted records: {deleted.evidence}"[:300])
        fetch = entity.fetch.model_copy(update={"deleted": deleted})
        found.append(entity.model_copy(update={"fetch": fetch, "fields": fields}))
    draft.evidence["canon"] = found
    draft.rows = schema_table(found)
    draft.notes["deletionsProven"] = sum(entity.fetch.deleted is not None for entity in found)


@dataclass
class _Prover:
    work: Work
    wire: Wire | None
    entity: CanonEntity
    records: Sequence[Record]
    tombstones: Sequence[Record]

    def proven(self, before: Deleted | None) -> tuple[Deleted | None, dict[str, str]]:
        """What marks deleted records, and field → why it is not taken for such a mark."""
        fields = self._fields()
        rules = list(self.work.playbooks.rules(DeletedRule, self.work.covenant.source, self.entity.entity))
        ruled = [(rule, raw) for rule in rules for raw in fields if rule.applies_to_field(raw)]
        if ruled and ruled[-1][0].use:
            rule, raw = ruled[-1]
            return Deleted(path=raw, values=list(rule.values), evidence=f"by the rule {rule.id}"), {}
        denied = {raw for rule, raw in ruled if not rule.use}
        doubts: dict[str, str] = {}
        kept = before if before is not None and before.path in fields and before.path not in denied else None
        seen = {
            raw: [value for record in (*self.records, *self.tombstones) for value in values_at(record, raw)] for raw in fields
        }
        for mark in sorted(marks({raw: seen[raw] for raw in fields if raw not in denied}), key=lambda mark: not mark.surely):
            evidence = self._described(mark) or self._left_out(mark) or self._unlisted(mark)
            refuted = ""
            if not evidence:
                evidence, refuted = self._own_address(mark)
            if evidence:
                return Deleted(path=mark.path, values=list(mark.values), evidence=evidence), doubts
            if refuted and kept is not None and kept.path == mark.path:
                kept = None
            doubts[mark.path] = refuted or "nothing the API does or says shows it"
        return kept, {} if kept is not None else doubts

    def _fields(self) -> dict[str, CanonField]:
        """Fields of the record itself that may say so."""
        own = (field for field in self.entity.fields if field.group == self.entity.entity and field.structure == "scalar")
        return {field.raw: field for field in own if "[]" not in field.raw and not field.raw.startswith("@") and not field.key}

    def _described(self, mark: Mark) -> str:
        """By the description of the field."""
        if not mark.surely:
            return ""
        hint = next((hint for hint in self.work.pack.entities if hint.entity == self.entity.entity), None)
        text = next((spec.description for spec in hint.fields if spec.raw == mark.path), "") if hint else ""
        said = _SAID.search(text)
        return (
            f"the description says: {' '.join(text.split())[:120]}" if said and not _DENIED.search(text[: said.start()]) else ""
        )

    def _left_out(self, mark: Mark) -> str:
        """By records that only come among the changed ones, and are in no whole list."""
        told = bool(self.tombstones) and all(mark.on(record) for record in self.tombstones)
        listed = any(mark.on(record) for record in self.records)
        return "records with it come among what changed, and no whole list has them" if told and not listed else ""

    def _unlisted(self, mark: Mark) -> str:
        """By the parameter that the list has to be asked with, so that deleted records come."""
        fetch = self.entity.fetch
        asked = [name for name in fetch.query if DELETED & {word.lower() for word in words(name)}]
        here = asked and mark.surely and fetch.parent is None and any(mark.on(record) for record in self.records)
        if not here or self.wire is None or self.wire.spent:
            return ""
        rest = {name: value for name, value in fetch.query.items() if name not in asked}
        plain = self.wire.get(fetch.path, rest, fetch.records).sight
        if not plain.records or any(mark.on(record) for record in plain.records):
            return ""
        return f"records with it come only when the list is asked with {asked[0]}={fetch.query[asked[0]]}"

    def _own_address(self, mark: Mark) -> tuple[str, str]:
        """(evidence, refutation) by what the addresses of single records answer."""
        fetch = self.entity.fetch
        marked = [record for record in self.records if mark.on(record)]
        others = [record for record in self.records if not mark.on(record)]
        if self.wire is None or not marked or not others or fetch.primary_key == HASH or fetch.key_scope == "parent":
            return "", ""
        for path, parameter in self._ways():
            there = [self._status(path, parameter, record) for record in spread(others, _ASKED)]
            if not there or any(status != HTTPStatus.OK for status in there):
                continue
            gone = [self._status(path, parameter, record) for record in spread(marked, _ASKED)]
            if all(status in _GONE for status in gone):
                told = " or ".join(sorted({str(int(status)) for status in gone if status}))
                return f"GET {path} answers {told} for records with it, and 200 for others", ""
            if all(status == HTTPStatus.OK for status in gone):
                return "", f"GET {path} still answers for such records"
            return "", ""
        return "", ""

    def _ways(self) -> list[tuple[str, str]]:
        """(path, its parameter) of what may be the address of one record: those that are known, then the usual one."""
        fetch, pack = self.entity.fetch, self.work.pack
        mine = (self.entity.entity, fetch.primary_key)
        known = [
            (each.path, each.path_parameters[0])
            for each in pack.endpoints
            if each.method == "GET" and len(each.path_parameters) == 1 and each.path.endswith(f"{{{each.path_parameters[0]}}}")
            and (mine in pack.candidates(each.path_parameters[0], each.path) or each.path.rpartition("/")[0] == fetch.path)
        ]  # fmt: skip
        last = fetch.path.rstrip("/").rpartition("/")[2]
        usual = [f"{fetch.path.rstrip('/')}/{{key}}"] if "{" not in fetch.path else []
        usual += [f"/{last}/{{key}}"] if last and "{" not in last else []
        return list(dict.fromkeys([*known, *((path, "key") for path in usual)]))[:_WAYS] if fetch.method == "GET" else []

    def _status(self, path: str, parameter: str, record: Record) -> int | None:
        """What the address of a record answers; None for an answer about something else."""
        key = next(values_at(record, self.entity.fetch.primary_key), None)
        if key is None or self.wire is None or self.wire.spent:
            return None
        filled, _ = fill(path, {parameter: key})
        met = self.wire.get(filled, endpoint=path, once=True)
        if met.status != HTTPStatus.OK:
            return met.status
        inside = [met.sight.value, *met.sight.records]
        same = any(text_of(value) == text_of(key) for each in inside for value in values_at(each, self.entity.fetch.primary_key))
        return met.status if same else None


def _doubted(field: CanonField, why: str | None) -> CanonField:
    if why is None:
        return field
    text = f"By its name it may mark deleted records. They stay rows: {why}."
    return field.model_copy(update={"description": " ".join(filter(None, [field.description, text]))})


def _before(work: Work) -> Mapping[str, Deleted]:
    """What was proven the last time."""
    return {each.entity: each.fetch.deleted for each in work.entities_before if each.fetch.deleted is not None}
