"""What the loop leaves of its lessons for `log.lessons` to collect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spectra_assets.covenant.files import covenant_files
from spectra_assets.draft import write_whole
from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.archive import files_of
from spectra_assets.learning.lesson import Lesson, prefix, read, read_all, state_of
from spectra_assets.names import LOG
from spectra_assets.settings import Settings
from spectra_assets.stages.log import LESSONS


def leave(settings: Settings, sources: Iterable[str]) -> None:
    """Write the lessons of these sources into their lakehouses. Raises DocumentError for a malformed lesson, StorageError."""
    for source in sorted(set(sources)):
        file = Lakehouse(settings.lakehouse_root, source).files(LOG, LESSONS)
        rows = [_row(lesson) for lesson in read_all(settings.lessons, source)]
        rows += _over(settings, source, file)
        try:
            write_whole(file, json.dumps(rows, ensure_ascii=False, indent=1))
        except OSError as error:
            raise StorageError(f"can't write the lessons of {source} to {file}: {error.strerror}") from None


def untold(settings: Settings) -> set[str]:
    """Sources with lessons that changed since they were left: a person decided, or whoever changed them was killed."""
    return {file.stem for file in covenant_files(settings.covenants) if _is_stale(settings, file.stem)}


def _is_stale(settings: Settings, source: str) -> bool:
    left = Lakehouse(settings.lakehouse_root, source).files(LOG, LESSONS)
    since = left.stat().st_mtime_ns if left.is_file() else 0
    files = settings.lessons.glob(f"{prefix(source)}*.md")
    return any(each.stat().st_mtime_ns > since for file in files for each in (file, state_of(file)) if each.is_file())


def _over(settings: Settings, source: str, file: Path) -> list[dict[str, Any]]:
    """The rows of archived lessons: those that were left before, and those that were archived since."""
    told = {row["lessonId"]: row for row in json.loads(file.read_text(encoding="utf-8"))} if file.is_file() else {}
    found = []
    for each in files_of(settings.lessons, source):
        row = told.get(each.stem)
        if row is None or not row.get("archived"):
            lesson = read(each)
            row = {**_row(lesson), "archived": True} if lesson.source == source else None
        found += [row] if row is not None else []
    return found


def _row(lesson: Lesson) -> dict[str, Any]:
    return {
        "lessonId": lesson.id,
        "stage": lesson.stage,
        "table": lesson.full_table,
        "check": lesson.check,
        "cause": str(lesson.cause),
        "subject": lesson.subject or None,
        "severity": lesson.severity,
        "status": lesson.status,
        "seen": lesson.seen,
        "helped": lesson.helped,
        "harmed": lesson.harmed,
        "returned": lesson.returned,
        "firstSeen": lesson.first_seen,
        "lastSeen": lesson.last_seen,
        "appliedAt": lesson.applied_at,
        "remedy": lesson.remedy.said if lesson.remedy else None,
        "playbook": lesson.playbook,
        "question": lesson.question,
        "closed": lesson.closed,
    }
