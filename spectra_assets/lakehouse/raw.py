"""Raw pages: every answer an extraction accepted, kept as it came, so that it can be resumed, asked for conditionally, replayed.

`Files/raw/<entity>/<date>/<number>-<run>/` is one attempt: `attempt.json` says of what plan and in which state, `<hash>.zst` are
its segments of about 16 MiB, named by their content, `part-….zst` is the one being written (segments.py). One extraction of an
entity at a time has its turn (turn.py).
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from spectra_assets.draft import write_whole
from spectra_assets.lakehouse.segments import KEY_BYTES, Entry, Segments, files_in, mended, packed, storing
from spectra_assets.lakehouse.store import Lakehouse

RAW = "raw"
MANIFEST = "attempt.json"
SCOPE, LISTS, PARENTS = "scope.json", "lists.json", "parents.json"
"""Beside it: which lists were asked for in what way, and how far each list of the table then was (stages/extract/scope.py), and
what it was for which parent (kin.py)."""

SEGMENT_BYTES = 16 * 2**20
SYNC_SECONDS = 1.0
"""Pages of so many seconds at most are lost when the power fails; a killed process loses none."""

_HELD_BACK = timedelta(hours=1)
"""So far ahead of the clock may an attempt's start lie (the clock was set back) until it counts as too old."""

_HEALED_WITHIN = timedelta(hours=1)
"""So long after its run an attempt that was held back for what its records are is gone on from, once another contract holds: what
the learning loop takes. Whoever changes something later wants the records of then."""

_NUMBERED = re.compile(r"(\d{6,12})-.*")

_JUDGING = ("contract", "canon")
"""Of an attempt's inputs those by which its records are judged."""

State = Literal["open", "complete", "refused"]


class Manifest(BaseModel):
    """What one attempt is. `plan` tells what was asked for, `inputs` what the table depends on beside the answers.

    open: being read, or its run died. complete: the table was published from it, as the version with `fingerprint`. refused: it
    was read, and a gate held the table back, or it can't be what it should.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    entity: str
    plan: str
    server: str
    """Where the requests went: the base URL."""
    state: State = "open"
    started_at: datetime
    seen_at: datetime
    """The instant of the run that began it."""
    runs: tuple[str, ...]
    inputs: dict[str, str] = {}
    evidence: dict[str, Any] = {}
    rows_in: int | None = None
    fingerprint: str | None = None
    segments: tuple[str, ...] = ()
    confirmed_at: datetime | None = None
    """When a later run found every answer of a complete attempt unchanged."""
    whole: bool = False
    """Of a refused one: all its pages came as they should; what held the table back is what their records are."""
    base: str | None = None
    """Of an attempt that read only a part: the complete one that it builds on, as `Attempts.name` has it."""
    swept_at: datetime | None = None
    """When a later run found that every answer of this complete attempt, which read everything, still holds."""
    idle: int = 0
    """Later runs that asked only for what changed since this complete attempt, and found nothing."""


class Recording:
    """One attempt that is being written. Safe for threads; `manifest` is what `attempt.json` says."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Raises StorageError."""
        self.folder = folder
        self.manifest = manifest
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._size = 0
        self._hash = blake2b(digest_size=KEY_BYTES)
        self._synced = time.monotonic()
        self._sealed_at = 0
        self._write_manifest()

    def add(self, key: bytes, header: Mapping[str, Any], body: bytes, mark: bool = True) -> None:
        """Keep one answer. `mark` says that it was accepted. Raises StorageError; then nothing of it is kept."""
        self.put(packed(key, header, body, mark))

    def put(self, entry: bytes) -> None:
        """As `add`, of an entry as another segment holds it."""
        handle = None
        with self._lock, storing(self.folder, "written"):
            file = self._opened()
            try:
                left = memoryview(entry)
                while left:  # a disk that fills up takes what it can
                    left = left[file.write(left) :]
            except OSError:
                with suppress(OSError):
                    file.truncate(self._size)
                    file.seek(self._size)
                raise
            self._size += len(entry)
            self._hash.update(entry)
            if self._size >= SEGMENT_BYTES:
                self._sealed()
            elif time.monotonic() - self._synced >= SYNC_SECONDS:
                self._synced, handle = time.monotonic(), os.dup(file.fileno())
        if handle is not None:
            with storing(self.folder, "written"):
                try:
                    os.fdatasync(handle)
                finally:
                    os.close(handle)

    def seal(self) -> None:
        """End the segment under way. Raises StorageError."""
        with self._lock, storing(self.folder, "written"):
            self._sealed()

    def end(self, state: State, **facts: Any) -> None:
        """Say what became of the attempt. Raises StorageError."""
        self.seal()
        names = tuple(path.name for path in files_in(self.folder))
        self.manifest = self.manifest.model_copy(update={"state": state, "segments": names, **facts})
        self._write_manifest()

    def leave(self, name: str, text: str) -> None:
        """Write a file beside `attempt.json`. Raises StorageError."""
        with storing(self.folder, "written"):
            write_whole(self.folder / name, text)

    def note(self, **facts: Any) -> None:
        """Write facts into `attempt.json`. Raises StorageError."""
        self.manifest = self.manifest.model_copy(update=facts)
        self._write_manifest()

    def discard(self) -> None:
        """Remove the attempt."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
        _remove(self.folder)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = (self.folder / f"part-{os.getpid()}-{time.time_ns()}.zst").open("xb", buffering=0)
            self._size, self._hash = 0, blake2b(digest_size=KEY_BYTES)
        return self._file

    def _sealed(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        with file:
            os.fsync(file.fileno())
        path = Path(file.name)
        # segments are read in the order of their times; a file system's own clock gives two the same one
        self._sealed_at = max(time.time_ns(), self._sealed_at + 1)
        os.utime(path, ns=(self._sealed_at, self._sealed_at))
        path.replace(path.with_name(f"{self._hash.hexdigest()}.zst"))
        self._synced = time.monotonic()

    def _write_manifest(self) -> None:
        with storing(self.folder, "written"):
            write_whole(self.folder / MANIFEST, self.manifest.model_dump_json(indent=1), durable=True)


class Reel:
    """What one extraction reads and writes: see client/tape.py. Any of the three parts may be missing.

    `held` is served as it is (without the mark too if `replay`), `earlier` is what came the last time, answers go to `recording`.
    """

    def __init__(
        self, held: Segments | None, earlier: Segments | None = None, recording: Recording | None = None, replay: bool = False
    ) -> None:
        self._held = held
        self._earlier = earlier
        self._recording = recording
        self._replay = replay

    def find(self, key: bytes) -> Entry | None:
        """What is not to be asked for again."""
        found = self._held.find(key, marked=not self._replay) if self._held is not None else None
        if found is None and self._earlier is not None and self._earlier.is_ticked(key):
            found = self._earlier.find(key, confirmed=True)
            if found is not None and self._recording is not None:
                self._recording.put(found.packed)
        return found

    def earlier(self, key: bytes) -> Entry | None:
        """What was accepted the last time."""
        return self._earlier.find(key) if self._earlier is not None else None

    def add(self, key: bytes, header: Mapping[str, Any], body: bytes, accepted: bool) -> None:
        """Keep an answer."""
        if self._recording is not None:
            self._recording.add(key, header, body, accepted)

    def carry(self, key: bytes) -> None:
        """Keep the answer of the last time as one of this time."""
        found = self.earlier(key)
        if found is not None and self._recording is not None:
            self._recording.put(found.packed)

    def confirm(self, key: bytes) -> None:
        """Note that the answer of the last time did not change."""
        if self._earlier is not None:
            self._earlier.tick(key)


class Attempts:
    """The attempts at one entity of a lakehouse, oldest first; with another `room`, at one table of those kept there."""

    def __init__(self, lakehouse: Lakehouse, entity: str, room: str = RAW) -> None:
        self.entity = entity
        self.folder = lakehouse.files(room, entity)

    def all(self) -> list[tuple[Path, Manifest]]:
        """Folder and manifest of each that can be read."""
        return attempts_in(self.folder)

    def complete(self) -> tuple[Path, Manifest] | None:
        """The newest complete one."""
        return next((each for each in reversed(self.all()) if each[1].state == "complete"), None)

    def chain(self) -> list[tuple[Path, Manifest]]:
        """What the newest complete attempt consists of: one that read everything, then those that each built on the one before.

        Empty if there is none, or if one of them is gone.
        """
        known = {self.name(folder): (folder, manifest) for folder, manifest in self.all() if manifest.state == "complete"}
        found: list[tuple[Path, Manifest]] = []
        each = self.complete()
        while each is not None:
            found.insert(0, each)
            if each[1].base is None:
                return found
            each = known.get(each[1].base)
        return []

    def name(self, folder: Path) -> str:
        """What other attempts call this one."""
        return folder.relative_to(self.folder).as_posix()

    def resumable(
        self, plan: str, hours: float, now: datetime, inputs: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Path, Manifest] | None:
        """The newest one, if it was left open, has this plan, and was begun at most `hours` ago. Or one whose records a gate held
        back a short while ago, if by now `inputs` other than the answers are others."""
        found = self.all()
        if not found or found[-1][1].plan != plan:
            return None
        last = found[-1][1]
        healed = last.state == "refused" and last.whole and any(last.inputs.get(name) != inputs.get(name) for name in _JUDGING)
        most = timedelta(hours=hours) if last.state == "open" else min(_HEALED_WITHIN, timedelta(hours=hours))
        return found[-1] if (last.state == "open" or healed) and -_HELD_BACK <= now - last.started_at <= most else None

    def begin(
        self,
        plan: str,
        server: str,
        run_id: str,
        now: datetime,
        seen_at: datetime,
        inputs: Mapping[str, str],
        base: str | None = None,
    ) -> Recording:
        """A new attempt. Raises StorageError."""
        number = 1 + max((_number(folder) for folder in self._folders()), default=0)
        folder = self.folder / f"{now:%Y-%m-%d}" / f"{number:06}-{re.sub('[^A-Za-z0-9]', '', run_id)[:8] or 'run'}"
        manifest = Manifest(
            entity=self.entity,
            plan=plan,
            server=server,
            started_at=now,
            seen_at=seen_at,
            runs=(run_id,),
            inputs=dict(inputs),
            base=base,
        )
        return Recording(folder, manifest)

    def resume(self, folder: Path, manifest: Manifest, run_id: str, inputs: Mapping[str, str]) -> Recording:
        """Go on with an attempt. What its run left unfinished becomes a segment. Raises StorageError."""
        with storing(folder, "written"):
            for part in folder.glob("part-*.zst"):
                mended(part)
        goes_on = {"state": "open", "whole": False, "runs": (*manifest.runs, run_id), "inputs": dict(inputs)}
        return Recording(folder, manifest.model_copy(update=goes_on))

    def prune(self, keep: int, open_too: Path | None = None) -> list[Path]:
        """Remove all but the newest `keep` complete ones with what they build on, the newest refused one and `open_too`.

        Returns what went.
        """
        kept = {open_too}
        found = self.all()
        complete = [each for each in found if each[1].state == "complete"]
        wanted = {self.name(folder) for folder, _ in complete[-keep:]}
        for folder, manifest in reversed(found):  # what builds on another one is younger than it
            if (self.name(folder) in wanted or folder == open_too) and manifest.base is not None:
                wanted.add(manifest.base)
        kept |= {folder for folder, _ in complete if self.name(folder) in wanted}
        kept |= set([folder for folder, manifest in found if manifest.state == "refused"][-1:])
        gone = [folder for folder in self._folders() if folder not in kept]
        for folder in gone:
            _remove(folder)
            with suppress(OSError):
                folder.parent.rmdir()  # the day, once it is empty
        return gone

    def _folders(self) -> list[Path]:
        return _folders(self.folder)


def attempts_in(folder: Path) -> list[tuple[Path, Manifest]]:
    """Folder and manifest of each attempt in the folder of an entity (or table) that can be read, oldest first."""
    found = []
    for attempt in _folders(folder):
        with suppress(OSError, ValidationError, UnicodeError):
            found.append((attempt, Manifest.model_validate_json((attempt / MANIFEST).read_text(encoding="utf-8"))))
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("*/*") if _NUMBERED.fullmatch(path.name) and path.is_dir()), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.partition("-")[0])


def _remove(folder: Path) -> None:
    """The manifest goes first: what is left of a removal that was cut is no attempt."""
    with suppress(OSError):
        (folder / MANIFEST).unlink()
    shutil.rmtree(folder, ignore_errors=True)
