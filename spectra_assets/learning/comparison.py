"""A remade pipeline against what it was: what a remedy mends, what is worse with it, and what it changes beside."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from spectra_assets.covenant.diff import Consent, diff
from spectra_assets.covenant.model import Column, Covenant, Table
from spectra_assets.covenant.paths import HASH
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.detect import of_runs
from spectra_assets.learning.expected import gated
from spectra_assets.learning.gap import OF_LISTS, Gap
from spectra_assets.learning.remake import Remade
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.learning.scratch import Made
from spectra_assets.names import Stage
from spectra_assets.stages.adoption import as_read

_TRIED = f"{Stage.PREPARE.value}."
"""Rows of these tables tell what was tried and found: what fewer of them cost is told by the covenant."""

_NAMED = 5
"""Columns that a sentence names at most."""


def beyond(control: Covenant | None, made: Remade, gap: Gap, remedy: Remedy) -> Iterator[str]:
    """What a remedy changes beside its subject although nothing of it is needed: in Clean, where a rule about fields shows."""
    if control is None or made.covenant is None:
        return
    if remedy.kind == RemedyKind.TAKE_BACK:
        yield "designing again repairs it without this"
        return
    plain = {table.table: table for table in control.tables()}
    edit = remedy.edits[0]
    subjects = {gap.subject}
    if isinstance(edit, AddRule) and (remedy.kind == RemedyKind.FOLLOW_RENAME or not gap.subject):
        subjects |= edit.paths  # a gap of the table as a whole names no field
    if remedy.kind in (RemedyKind.PRIMARY_KEY, RemedyKind.DEDUPLICATE):
        # what told records apart before and what does so now is what it is about
        subjects |= {HASH, *_keys(control, gap), *_keys(made.covenant, gap)}
    for table in made.covenant.tables():
        was, now = _others(plain.get(table.table), subjects) or {}, _others(table, subjects) or {}
        if table.ref.schema == Stage.CLEAN and was != now:
            names = ", ".join(sorted(name for name in {**was, **now} if was.get(name) != now.get(name))[:_NAMED])
            yield f"designing again repairs it without this, which changes {names} of {table.table} beside"
            return


def _keys(covenant: Covenant, gap: Gap) -> set[str]:
    """The paths of the keys of the gap's entity."""
    entity = next((table.entity for table in covenant.tables() if table.table == gap.full_table), gap.entity)
    return {
        path
        for table in covenant.tables()
        if table.entity == entity and table.ref.schema == Stage.CLEAN
        for column in table.schema_
        if column.name in table.primary_key
        for path in column.source
    }


def _others(table: Table | None, subjects: Collection[str]) -> dict[str, Column] | None:
    """The columns that are about none of the subjects."""
    if table is None:
        return None
    inside = tuple(f"{subject}{mark}" for subject in subjects for mark in (".", "[]"))
    return {
        column.name: column
        for column in table.schema_
        if not any(raw in subjects or raw.startswith(inside) for raw in column.source)
    }


def faults_of(mine: Made, before: Made, gap: Gap, remedy: Remedy) -> Iterator[str]:
    """What is wrong with the gap's own table."""
    shown, known = gaps_in(mine), gaps_in(before)
    if gap.fingerprint in shown:
        yield f"{mine.table} shows the gap with it too"
    new = shown.keys() - known.keys() - (_behind(mine, before, gap) if remedy.kind == RemedyKind.REPLACE_ENDPOINT else set())
    yield from (f"{mine.table} shows another gap with it: {shown[each]}" for each in sorted(new))
    if mine.error and not mine.failed:
        yield f"{mine.table} can't be made with it: {mine.error}"
    # what a rename follows may have had a column of its own: that is told as its price
    if (lost := before.columns - mine.columns) and remedy.kind != RemedyKind.FOLLOW_RENAME:
        yield f"{mine.table} loses columns with it: {', '.join(sorted(lost))}"
    if before.rows is None or mine.rows is None or mine.table.startswith(_TRIED):
        return
    # of raw records copies may go: some ways lead to one record several times
    copies = mine.different is not None and before.different is not None and mine.different >= before.different
    fewer = mine.rows < before.rows and remedy.kind != RemedyKind.DEDUPLICATE
    if (not copies and (fewer or mine.whole < before.whole)) or mine.rejected > before.rejected:
        yield f"{mine.table} loses rows with it: {mine.rows:,} of {mine.whole:,}, before {before.rows:,} of {before.whole:,}"


def _behind(mine: Made, before: Made, gap: Gap) -> set[str]:
    """The gaps of other entities that could not be reached before either: that their lists are gone as well, as the children of a
    list that moved, is seen only once that one is found."""
    stuck = {each.entity or each.subject for each in of_runs(before.evaluations)} - {gap.entity or gap.subject, ""}
    found = (each for each in of_runs(mine.evaluations) if each.cause in OF_LISTS)
    return {each.fingerprint for each in found if (each.entity or each.subject) in stuck}


def failures(made: dict[str, Made], known: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Blocking gates that fail, and errors that come, in tables where they did not at the last attempt."""
    for name, table in made.items():
        last = known.get(name, {})
        yield from (f"{name}: {gate} would fail" for gate in sorted(table.failed - set(last.get("gatesFailed") or ())))
        if table.error and not table.failed and last.get("status") != "failed":
            yield f"{name} could not be made: {table.error}"


def losses(lakehouse: Lakehouse, before: Covenant, after: Covenant, least: Consent = Consent.PERSON) -> Iterator[tuple[str, str]]:
    """What those lose who read the tables of a covenant, each with its table: what only a person may agree to; with `least` PROOF
    also promises that are no longer kept. Nothing is lost of a column that never had a value."""
    before = as_read(lakehouse, before, after)
    told = (Consent.PROOF, Consent.PERSON) if least == Consent.PROOF else (least,)
    yield from ((change.table, f"{change.table}: {change.text}") for change in diff(before, after) if change.consent in told)


def left_out_by(covenant: Covenant, gap: Gap, remedy: Remedy) -> Collection[str]:
    """Tables that the remedy leaves out on purpose: those of the entity whose endpoint it skips."""
    if remedy.kind != RemedyKind.SKIP_ENDPOINT or gap.entity is None:
        return ()
    return {table.table for table in covenant.tables() if table.entity == gap.entity}


def gaps_in(made: Made) -> dict[str, str]:
    """Fingerprint of each gap that a table shows → what it is, for people."""
    gaps = [one for gap in of_runs(made.evaluations) for one in (gap, *map(gap.as_shown_by, gap.also))]
    return {gap.fingerprint: f"{gap.check}: {gap.cause} {gap.subject}".strip() for gap in gaps}


def ungated(covenant: Covenant) -> dict[str, str]:
    """The same of the gates that a covenant lacks."""
    return {gap.fingerprint: f"{gap.check}: {gap.subject}" for gap in of_runs(gated(covenant, "", ""))}
