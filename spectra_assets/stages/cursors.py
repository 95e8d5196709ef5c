"""What tells when a record changed, and what was found of it: Prepare chooses by it, Extract goes by it."""

from __future__ import annotations

import json

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.paths import HASH
from spectra_assets.lakehouse.store import Lakehouse

REFUTED = "cursors"
"""Folder below Files with what a sweep found of cursors that do not tell every change."""


def mergeable(fetch: Fetch) -> bool:
    """Whether single rows of a list can be told apart and replaced: not those of trees, nor those without a key."""
    return fetch.recursive is None and fetch.primary_key != HASH


def refuted(lakehouse: Lakehouse, entity: str) -> dict[str, str]:
    """Cursor → what shows that it does not tell every change of the entity's records."""
    file = lakehouse.files(REFUTED, f"{entity}.json")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(why) for name, why in content.items()} if isinstance(content, dict) else {}


def refute(lakehouse: Lakehouse, entity: str, cursor: str, why: str) -> None:
    """Remember that a cursor does not tell every change: it is not gone by again."""
    file = lakehouse.files(REFUTED, f"{entity}.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    draft.write_text(json.dumps({**refuted(lakehouse, entity), cursor: why}, ensure_ascii=False), encoding="utf-8")
    draft.replace(file)
