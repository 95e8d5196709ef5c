"""Extraction over a tape: what was fetched already is not fetched again, what did not change is not sent again, and what was kept
is read again without the API.

One attempt is what one extraction of an entity fetched. It is open until its table was published; when its run dies, the next run
of the same plan continues it. While it runs it has the entity's turn: a second run waits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spectra_assets.client.api import ApiClient
from spectra_assets.client.tape import NETWORK, NOT_MODIFIED, TAPE, Tape
from spectra_assets.covenant.access import Auth, Fetch
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.errors import FatalError, GateError, MissingInputError, RetriableError, SpectraError, StorageError
from spectra_assets.lakehouse.commit import FINGERPRINT
from spectra_assets.lakehouse.raw import Attempts, Manifest, Recording, Reel
from spectra_assets.lakehouse.segments import Segments
from spectra_assets.lakehouse.turn import Turn
from spectra_assets.names import TableRef, plural
from spectra_assets.stages.cursors import refuted
from spectra_assets.stages.extract import kin
from spectra_assets.stages.extract import scope as scopes
from spectra_assets.stages.extract.landing import HASH_FORM
from spectra_assets.stages.extract.sampled import told_nothing
from spectra_assets.stages.extract.scope import Scope, Standing
from spectra_assets.stages.log import latest_attempts
from spectra_assets.stages.work import Draft, Work

WITHHELD = "withheld"
"""Key of `Manifest.inputs` with what was taken out of the answers, if anything was."""

_FORM = "1"
"""Of the tapes: another one can't be continued."""

_COMPLETE = "extract_complete"
"""The gate that judges what was read."""

_STAYS = "source_stays"
"""The gate that holds a table back of which much went."""

_BROKEN = frozenset((HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.OK))
"""What a page answered that may be mended: an error of the server, or something that is no page of the list."""

_TOLD = 5
_OF_THIS_RUN = ("tape", "lists", "merge", "cursor", "doubtful", "kin", "unread", "asked")
"""Evidence that is not kept with the raw pages."""

_DAMAGED: Mapping[str, Any] = {"purpose": "", "target": "", "path": "", "entity": None, "parent": None, "page": 1}
"""In place of a header that can't be read: nothing lies on a tape under it."""


@dataclass
class Taping:
    """What an extraction works with. `seen_at` is when its records were seen; `unchanged`: the table holds them already."""

    client: ApiClient
    seen_at: datetime
    unchanged: bool = False
    tape: Tape | None = None
    segments: tuple[Segments, ...] = ()
    expected: int | None = None
    """Records that a replay must give."""
    scope: Scope | None = None
    """What is asked for; None: everything."""
    standing: Standing = field(default_factory=lambda: Standing((), 0))
    """What the table was made from before, where there is a tape."""
    below: Taping | None = None
    """Of a replay: the earlier attempt that this one builds on."""
    asked: frozenset[str] | None = None
    """Of such an earlier attempt: the parents that it asked for, which may be others than there are now."""

    def tell(self, draft: Draft, records: int) -> None:
        """Leave in the draft where the answers came from, once all are there. Raises StorageError if a replay lacks `records`."""
        if self.tape is None:
            return
        if self.expected is not None and records != self.expected:
            places = "; ".join(text for segments in self.segments for text in segments.damaged[:_TOLD])
            raise StorageError(
                f"the raw pages give {records:,} of the {self.expected:,} records which they gave once; extract them again"
                + (f" ({places})" if places else "")
            )
        counts = {"fetched": NETWORK, "resumed": TAPE, "notModified": NOT_MODIFIED}
        facts: dict[str, Any] = {name: self.tape.counts[origin] for name, origin in counts.items()}
        damaged = [text for segments in self.segments for text in segments.damaged]
        draft.evidence["tape"] = {**facts, "damaged": damaged[:_TOLD]}
        words = {"fetched": "requests answered", "resumed": "pages taken from the tape", "notModified": "pages not modified"}
        draft.notes |= {words[name]: count for name, count in facts.items() if count}
        if damaged:
            draft.notes["raw pages damaged"] = "; ".join(damaged[:_TOLD])


def taping(draft: Draft, work: Work, fetch: Fetch, known: CanonEntity) -> Taping:
    """How the entity is extracted: afresh, on from where a run died, or from the raw pages alone (`work.replay`).

    If the API says that nothing changed since the table was made, the draft gets the evidence of that time and `standing`. A
    draft that nobody follows to its end (`afterwards` is None) gets no tape. Raises StorageError (also if another run has the
    turn for too long), MissingInputError (nothing to replay), CredentialError and ConfigurationError.
    """
    if draft.afterwards is None:
        return Taping(work.client, work.now)
    client = None if work.replay else work.client
    wait = float(_setting(work, "turn_seconds"))
    turn = Turn(work.lakehouse, fetch.entity, work.run_id, wait, work.say)
    draft.afterwards.append(lambda status, error: turn.leave())
    attempts = Attempts(work.lakehouse, fetch.entity)
    return _replayed(work, attempts) if client is None else _recorded(draft, work, fetch, known, client, attempts)


def _replayed(work: Work, attempts: Attempts) -> Taping:
    """The attempts that the table was made from, each with a client that asks nobody; the last one of them."""
    chain = attempts.chain()
    if chain and any(each.inputs.get(WITHHELD) != _withheld(work).get(WITHHELD) for _, each in chain):
        raise MissingInputError(
            f"the raw pages of {attempts.entity} are from before the rules of kind withhold that hold now: they may have what "
            "must not reach the lake; extract from the API again"
        )
    if not chain:
        raise MissingInputError(
            f"there are no raw pages of {attempts.entity} to replay in {attempts.folder}: no extraction of it was completed yet; "
            f"run the pipeline of {work.covenant.source} once with its API"
        )
    made: Taping | None = None
    for folder, manifest in chain:
        made = replace(_replayed_one(work, folder, manifest), below=made)
        if folder != chain[-1][0]:
            made.asked = frozenset(header["parent"] for header in _headers(made.segments[0]) if header["parent"] is not None)
    assert made is not None  # noqa: S101  (the chain is not empty)
    return made


def _replayed_one(work: Work, folder: Path, manifest: Manifest) -> Taping:
    server = work.covenant.pipeline.server.model_copy(update={"auth": Auth(kind="none")})
    client = ApiClient(server, manifest.server, None, in_flight=work.settings.in_flight, ledger=work.ledger)
    segments = Segments(folder)
    tape = Tape(Reel(segments, replay=True), only=True)
    client.use(tape)
    expected = manifest.evidence["extraction"]["records"]
    scope = scopes.read_scope(folder)
    return Taping(client, manifest.seen_at, tape=tape, segments=(segments,), expected=expected, scope=scope)


def _recorded(draft: Draft, work: Work, fetch: Fetch, known: CanonEntity, client: ApiClient, attempts: Attempts) -> Taping:
    now = datetime.now(UTC)
    keep = _setting(work, "raw_keep")
    inputs = _inputs(work, fetch, known, client.base_url)
    standing = _standing(work, attempts, client.base_url, inputs)
    scope = _scope(work, fetch, standing, inputs, now)
    base = _base(attempts, standing, scope, fetch.refused)
    plan = inputs["plan"] if scope is None else _hash(inputs["plan"], base or "", scope.model_dump_json())
    begun = attempts.resumable(plan, _setting(work, "resume_hours"), now, inputs)
    attempts.prune(keep, begun[0] if begun else None)
    again = work.backfill is not None
    earlier = Segments(standing.chain[0][0]) if standing.chain and not again else None
    if begun is None:
        recording = attempts.begin(plan, client.base_url, work.run_id, now, work.now, inputs, base)
        held = None
    else:
        recording = attempts.resume(*begun, work.run_id, inputs)
        held = Segments(recording.folder)
        why = "was cut off" if begun[1].state == "open" else "held back what it read, by an earlier contract"
        work.say(f"{fetch.entity}: run {begun[1].runs[-1]} {why}; {len(held):,} pages that it fetched are taken from its tape")
    if scope is not None:  # also of one that goes on: it may have died before this was written
        recording.leave(*scopes.keep_scope(scope))
    tape = Tape(Reel(held, earlier, recording))
    client.use(tape)
    parts = tuple(each for each in (held, earlier) if each is not None)
    made = Taping(client, work.now, tape=tape, segments=parts, scope=scope, standing=standing)
    last = standing.chain[-1] if standing.chain else None
    assert draft.afterwards is not None  # noqa: S101  (the caller's condition)
    draft.afterwards.insert(0, _Ending(draft, work, fetch, recording, attempts, keep, last, made).heard)
    whole = scope is None and len(standing.chain) == 1 and not again
    if last is not None and earlier is not None and whole and begun is None and _same(work, last[1], plan, inputs):
        made.unchanged = not earlier.damaged and client.unmodified(earlier.entries())
    if made.unchanged and last is not None:
        draft.standing, draft.rows_in = True, last[1].rows_in
        draft.evidence |= last[1].evidence
        made.tell(draft, draft.evidence["extraction"]["records"])
    return made


def _standing(work: Work, attempts: Attempts, server: str, inputs: Mapping[str, str]) -> Standing:
    """The attempts that the table was made from, if it is still theirs and of this server, and the same is withheld."""
    chain = attempts.chain()
    if chain and chain[-1][1].inputs.get(WITHHELD) != inputs.get(WITHHELD):
        return Standing((), 0)
    if not chain or chain[-1][1].server != server:
        return Standing((), 0, chain[-1][1].server if chain else None)
    rows = work.lakehouse.describe(work.table.ref).rows if work.lakehouse.exists(work.table.ref) else 0
    return Standing(chain, rows)


def same_answers(work: Work, attempt: Manifest) -> bool:
    """Whether an attempt read from this server and withheld the same: then its records differ from those of now in what the API
    changed alone."""
    return attempt.server == work.client.base_url and attempt.inputs.get(WITHHELD) == _withheld(work).get(WITHHELD)


def _scope(work: Work, fetch: Fetch, standing: Standing, inputs: dict[str, str], now: datetime) -> Scope | None:
    """What to ask for: everything (None), or what changed since, where the table is still the one that was made last.

    Raises MissingInputError if parents are to be read again and there is no table to merge their rows into.
    """
    scope = _narrowed(work, fetch, standing, inputs, now)
    if not fetch.refused or work.backfill:
        return scope
    if scope is not None:
        return scope.without(scope.stays.difference(fetch.refused))
    known = standing.chain or not (work.covenant.pipeline.server.withheld or standing.elsewhere)
    # what refused lists hold is known from before alone, so all that is read is merged into it
    return Scope() if known and work.lakehouse.exists(work.table.ref) else None


def _base(attempts: Attempts, standing: Standing, scope: Scope | None, refused: Collection[str]) -> str | None:
    """The attempt on which one with this scope builds: the last one. Where that one read all but the same refused lists, what it
    built on: nothing else of it is wanted, and the chain does not grow."""
    if scope is None or not standing.chain:
        return None
    folder, last = standing.chain[-1]
    held, facts = scopes.read_scope(folder), last.evidence.get("extraction", {})
    again = scope.whole and held is not None and held.whole and facts.get("refusedCount") == len(refused)
    return last.base if again else attempts.name(folder)


def _narrowed(work: Work, fetch: Fetch, standing: Standing, inputs: dict[str, str], now: datetime) -> Scope | None:
    """The same, whatever is refused."""
    last = standing.chain[-1][1] if standing.chain else None
    if work.backfill is not None:
        if work.backfill and (last is None or not _stands(work, last)):
            why = (
                f"was made from {standing.elsewhere}, and the source's address is {work.client.base_url} now"
                if standing.elsewhere
                else "does not stand as its last extraction left it"
            )
            raise MissingInputError(
                f"{work.table.table} {why}, so rows of single parents can't be merged into it: read all of {fetch.entity} again"
            )
        return Scope(only=work.backfill) if work.backfill else None
    if last is None or scopes.WATCH not in work.table.steps:
        return None
    alike = all(last.inputs.get(name) == inputs[name] for name in ("plan", "contract", "software", "hash"))
    if not alike or not _stands(work, last):
        return None
    known = fetch.incremental
    told = known is not None and known.cursor not in refuted(work.lakehouse, fetch.entity, work.now)
    scope = scopes.since(fetch, work.table.steps, standing, now) if told else None
    if scope is not None and (why := told_nothing(work, fetch)):
        work.say(f"{fetch.entity}: read whole, since {why}")
        return None
    stays = kin.unchanged(work, fetch, standing, now)
    if (scope or stays) and (held := _held_back(work)):
        work.say(
            f"{fetch.entity}: read whole, since {held} was held back for what went: what comes back may be older than asked for"
        )
        return None
    if stays:
        work.say(f"{fetch.entity}: {len(stays):,} lists are not asked for, as their parents did not change")
    return (scope or Scope()).without(stays) if stays else scope


def _held_back(work: Work) -> str | None:
    """A table of the entity that stays as it was since much of it went, until that is back or a person says that it is gone."""
    mine = {table.table for table in work.covenant.tables() if table.entity == work.table.entity}
    last = latest_attempts(work.lakehouse)
    return next((name for name in mine if _STAYS in (last.get(name, {}).get("gatesFailed") or ())), None)


@dataclass
class _Ending:
    """What becomes of an attempt when it is known what became of its table."""

    draft: Draft
    work: Work
    fetch: Fetch
    recording: Recording
    attempts: Attempts
    keep: int
    last: tuple[Path, Manifest] | None
    made: Taping

    def heard(self, status: str, error: BaseException | None) -> None:
        """`status` is that of deliver.Outcome. Raises StorageError."""
        self.made.client.use(None)
        if status in ("published", "unchanged"):
            if self.draft.standing and self.last is not None:
                self.recording.discard()
                now, seen = datetime.now(UTC), self.last[1]
                swept = {"swept_at": now, "idle": 0} if self.made.unchanged else {"idle": seen.idle + 1}
                last = Recording(*self.last)
                last.note(confirmed_at=now, **swept, **self._read_again(seen))
                if self.made.scope is not None and self.made.scope.stays:
                    last.leave(*kin.keep(kin.carried(self.made.standing, kin.parents_now(self.work, self.fetch))))
                return
            evidence = {name: facts for name, facts in self.draft.evidence.items() if name not in _OF_THIS_RUN}
            if "lists" in self.draft.evidence:
                self.recording.leave(*scopes.keep_reached(self.draft.evidence["lists"]))
            if "kin" in self.draft.evidence:
                self.recording.leave(*kin.keep(self.draft.evidence["kin"]))
            fingerprint = self.work.lakehouse.describe(self.work.table.ref).metadata.get(FINGERPRINT)
            facts = {
                "evidence": evidence,
                "rows_in": self.draft.rows_in,
                "fingerprint": fingerprint,
                "seen_at": self.made.seen_at,
            }
            self.recording.end("complete", **facts)
            self.attempts.prune(self.keep)
        elif (status == "failed" and _passing(error)) or (status == "blocked" and self._lacks_only_pages(error)):
            self.recording.seal()
        else:
            whole = status == "blocked" and isinstance(error, GateError) and _COMPLETE not in error.gates
            self.recording.end("refused", whole=whole)

    def _read_again(self, seen: Manifest) -> dict[str, Any]:
        """What of the evidence is another one now, though the table is as it was: lists that were refused before are read."""
        known, facts = seen.evidence.get("extraction"), self.draft.evidence.get("extraction")
        if not self.fetch.refused or known is None or facts is None:
            return {}
        return {"evidence": {**seen.evidence, "extraction": {**known, "readAgain": facts.get("readAgain", [])}}}

    def _lacks_only_pages(self, error: BaseException | None) -> bool:
        """Whether the table is held back for nothing but what the API fails to give: then the next run asks for that alone."""
        facts = self.draft.evidence.get("extraction")
        if facts is None or not isinstance(error, GateError) or error.gates != {_COMPLETE}:
            return False
        others = (facts[name] for name in ("unansweredCount", "repeatedCount", "mismatchCount"))
        failing = all(each["status"] in _BROKEN for each in (*facts["skipped"], *facts["broken"]))
        return failing and not any(others)


def _passing(error: BaseException | None) -> bool:
    """Whether what is on the tape may be good although the run ended by `error`: not if what it says was the fault."""
    return error is None or isinstance(error, RetriableError | FatalError) or not isinstance(error, Exception)


def _same(work: Work, last: Manifest, plan: str, inputs: dict[str, str]) -> bool:
    """Whether the same answers make the same table as the last time, and that table is still the one published."""
    return last.plan == plan and last.inputs == inputs and _stands(work, last)


def _stands(work: Work, last: Manifest) -> bool:
    """Whether the table is still the one that was published from this attempt."""
    if not last.fingerprint or not work.lakehouse.exists(work.table.ref):
        return False
    return work.lakehouse.describe(work.table.ref).metadata.get(FINGERPRINT) == last.fingerprint


def _headers(segments: Segments) -> Iterator[Mapping[str, Any]]:
    for key, _ in segments:
        entry = segments.find(key, marked=False)
        yield entry.header if entry is not None else _DAMAGED


def _inputs(work: Work, fetch: Fetch, known: CanonEntity, server: str) -> dict[str, str]:
    """What the table depends on beside the answers of the API, and `plan`: what is asked for if everything is."""
    marks = []
    for entity in fetch.parent.entities if fetch.parent is not None else ():
        ref = TableRef("extract", plural(entity))
        work.lakehouse.require(ref)
        marks.append(work.lakehouse.describe(ref).metadata.get(FINGERPRINT, ""))
    parents = " ".join(marks)
    return {
        "plan": _hash(
            _FORM, server, fetch.model_dump_json(exclude={"incremental", "keyless", "refused"}), *_withheld(work).values()
        ),
        "contract": _hash(work.table.model_dump_json()),
        "canon": _hash(known.model_dump_json()),
        "parents": parents,
        "software": version("spectra-assets"),
        "hash": HASH_FORM,
        **_withheld(work),
    }


def _withheld(work: Work) -> dict[str, str]:
    """What is withheld, if anything is: what was read with other rules is not gone on from."""
    rules = work.covenant.pipeline.server.withheld
    return {WITHHELD: _hash(*(rule.model_dump_json() for rule in rules))} if rules else {}


def _setting(work: Work, name: str) -> int:
    value = work.playbooks.setting(name, work.covenant.source)
    if not isinstance(value, int):
        raise SpectraError(f"the setting {name} is {value!r}, no number")
    return value


def _hash(*texts: str) -> str:
    return blake2b(json.dumps(texts).encode(), digest_size=16).hexdigest()
