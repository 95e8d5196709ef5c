"""The offline twin of an API: what Source and Prepare asked and got, kept as Extract's raw pages are, and played again.

Every table of Source and Prepare that asks the API leaves a recording under `Files/twin/<table>/`, in the form of the raw pages
(see lakehouse/raw.py): each exchange on the wire, failures too. Bounded by the settings `recording_megabytes` and
`recordings_keep`. Recordings hold what the API answered, personal data as well, since a proof needs the values as they were; so
they stay where the raw pages are, never in git. The credential is in neither.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spectra_assets.client.api import ApiClient
from spectra_assets.client.pacing import Clock
from spectra_assets.client.tape import Held
from spectra_assets.client.wire import Fault, Meter, Metered, Recorded
from spectra_assets.covenant.access import Auth
from spectra_assets.covenant.build import Extraction
from spectra_assets.errors import ConfigurationError, CredentialError, MissingInputError, StorageError
from spectra_assets.lakehouse.raw import RAW, Attempts, Manifest, Recording, attempts_in
from spectra_assets.lakehouse.segments import Segments, packed
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage
from spectra_assets.stages.work import Draft, Work, key_of

TWIN = "twin"
"""Folder of the recordings, beside that of the raw pages."""

_RECORDED = (Stage.SOURCE, Stage.PREPARE)
_MEGABYTE = 1_000_000


def recorded(work: Work, draft: Draft) -> Work:
    """`work`, its exchanges with the API being recorded if it is of Source or Prepare; what becomes of the draft ends that."""
    elsewhere = work.replay or (work.twin is not None and not work.trusts)
    if work.table.ref.schema not in _RECORDED or elsewhere or draft.afterwards is None:
        return work
    keeping = _Keeping(work)
    draft.afterwards.append(keeping.end)
    keeping.work = replace(work, keep=keeping)
    return keeping.work


class _Keeping:
    """Writes one recording, from its first exchange on. A recording that can't be written is no reason to lose the table."""

    def __init__(self, work: Work) -> None:
        self.work = work
        """At the end the one whose client asked."""
        self._attempts = Attempts(work.lakehouse, work.table.table, TWIN)
        self._recording: Recording | None = None
        self._left = int(work.playbooks.setting("recording_megabytes", work.covenant.source)) * _MEGABYTE
        self._lock = threading.Lock()

    def __call__(self, key: bytes, header: Mapping[str, Any], body: bytes) -> None:
        entry = packed(key, header, body)
        with self._lock:
            self._left -= len(entry)
            if self._left < 0:
                return
            try:
                if self._recording is None:
                    now = datetime.now(UTC)
                    self._recording = self._attempts.begin("", "", self.work.run_id, now, self.work.now, {})
                self._recording.put(entry)
            except StorageError as error:
                self._give_up(error)

    def end(self, status: str, error: BaseException | None) -> None:
        """`status` is that of deliver.Outcome."""
        if self._recording is None:
            return
        try:
            self._recording.note(server=self.work.client.base_url)
            self._recording.end("complete" if status in ("published", "unchanged") else "refused")
            self._attempts.prune(int(self.work.playbooks.setting("recordings_keep", self.work.covenant.source)))
        except StorageError as problem:
            self._give_up(problem)

    def _give_up(self, error: StorageError) -> None:
        self._left = -1
        self.work.say(f"what {self.work.table.table} asks the API is not recorded, so nothing can be proven on it: {error}")


class Twin:
    """The API of a source as the recordings in `lakehouse` know it: `Work.twin` of the tables that are made from them.

    With `live`, what they lack is asked of the API itself, so many requests at most, and known from then on. Raises
    MissingInputError if there is no recording.
    """

    def __init__(
        self,
        lakehouse: Lakehouse,
        live: int = 0,
        faults: Sequence[Fault] = (),
        clock: Clock | None = None,
        without: int | None = None,
        anew: Collection[str] = (),
        budgets: Path | None = None,
    ) -> None:
        """Recorded answers with the status `without` are passed over; the lists of the entities `anew` are read of the API, which
        is asked within what `budgets` says (see ApiClient)."""
        self._anew = frozenset(anew)
        self._budgets = budgets
        self._lakehouse = lakehouse
        self.clock = clock or Clock()
        self._without = without
        self.meter = Meter(live)
        self._faults = faults
        self._learnt = _Learnt()
        self._probes = dict(_newest(lakehouse, TWIN))
        self._lists = dict(_newest(lakehouse, RAW))
        servers = [manifest for manifest, _ in (*self._probes.values(), *self._lists.values()) if manifest.server]
        if not servers:
            raise MissingInputError(
                f"there is no recording of {lakehouse.source} in {lakehouse.files(TWIN)}: run its pipeline once"
            )
        self.server = max(servers, key=lambda manifest: manifest.started_at).server
        """Where the API was."""

    @property
    def complete(self) -> bool:
        """Whether each of the newest recordings of Source and Prepare led to its table."""
        return bool(self._probes) and all(manifest.state == "complete" for manifest, _ in self._probes.values())

    def __call__(self, work: Work) -> ApiClient:
        """The client of one table."""
        silent = work.covenant.pipeline.server.model_copy(update={"auth": Auth(kind="none")})
        live = self._live(work)
        address, in_flight = live.base_url if live else self.server, work.settings.in_flight
        client = ApiClient(silent, address, None, None, in_flight, ledger=work.ledger, most_pages=work.most_pages)
        wire = Metered(live.wire, self.meter) if live else None
        client.play(
            [*self._reels(work, wire is not None), Recorded(address, self._learnt.find)],
            wire,
            self._faults,
            self.clock,
            self._without,
        )
        return client

    def _live(self, work: Work) -> ApiClient | None:
        """The API itself, if it may be asked and this environment tells how."""
        if not self.meter.most:
            return None
        try:
            server = work.covenant.pipeline.server
            client = ApiClient.from_environment(
                server, work.settings.in_flight, budgets=self._budgets, hash_key=key_of(server, self._lakehouse)
            )
        except (ConfigurationError, CredentialError):
            return None
        client.record(self._learnt.keep)
        return client

    def _reels(self, work: Work, live: bool) -> Iterator[Recorded]:
        """What the table itself asked, then what the others did; of an extraction, its own entity's lists first.

        Where the API itself can be asked, what other runs recorded before an extraction began is not taken for its pages: the
        API may have been another one then.
        """
        build = work.table.build
        if live and isinstance(build, Extraction) and build.fetch.entity in self._anew:
            return
        own = self._lists.get(build.fetch.entity) if isinstance(build, Extraction) else None
        first = [own, self._probes.get(work.table.table)]
        for found in (*first, *self._probes.values(), *self._lists.values()):
            if found is not None and not (live and own is not None and _older(found[0], own[0])):
                yield _reel(*found)


class _Learnt:
    """Answers of the API itself, in memory. Safe for threads."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Kept] = {}

    def keep(self, key: bytes, header: Mapping[str, Any], body: bytes) -> None:
        self._known[key] = _Kept(header, body)

    def find(self, key: bytes) -> Held | None:
        return self._known.get(key)


@dataclass(frozen=True)
class _Kept:
    header: Mapping[str, Any]
    body: bytes
    confirmed: bool = False


def _newest(lakehouse: Lakehouse, room: str) -> Iterator[tuple[str, tuple[Manifest, Segments]]]:
    """Name → the newest attempt of each table or entity, whatever became of it."""
    folder = lakehouse.files(room)
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if found := attempts_in(place):
            attempt, manifest = found[-1]
            yield manifest.entity, (manifest, Segments(attempt))


def _older(one: Manifest, other: Manifest) -> bool:
    """Whether an attempt is of an earlier run than another."""
    return one.started_at < other.started_at and not set(one.runs) & set(other.runs)


def _reel(manifest: Manifest, segments: Segments) -> Recorded:
    return Recorded(manifest.server, lambda key: segments.find(key, marked=False))
