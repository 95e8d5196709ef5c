"""A person's corrections to a discovered pack: `<source>.override.yaml`, merged over it whenever it is read.

Its form is the pack's, every key optional. Mappings are merged; of the lists, an entry completes the one with the same key (an
endpoint's method and path, an entity's name, an identifier's parameter and path) and is added if there is none; every other list,
and every plain value, replaces the pack's. `remove` lists entities and paths to leave out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spectra_assets.errors import DocumentError, one_of

REMOVE = "remove"

_KEYS: dict[str, tuple[str, ...]] = {
    "endpoints": ("method", "path"),
    "entities": ("entity",),
    "identifiers": ("parameter", "path"),
    "quirks": ("id",),
    "fields": ("raw",),
    "parameters": ("name",),
}
"""List of a pack → what tells its entries apart."""

_MOST = 5 << 20


def merged(content: dict[str, Any], file: Path, valid: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(the pack's content with the override in `file` laid over it, what it removes). Raises DocumentError, for an unknown key
    naming the `valid` ones."""
    override = _read(file)
    unknown = sorted(map(str, override.keys() - {*valid, REMOVE}))
    if unknown:
        raise DocumentError(f"unknown key {unknown[0][:80]!r}; valid keys: {one_of([*valid, REMOVE])}", file)
    removed = override.pop(REMOVE, [])
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise DocumentError(f"{REMOVE}: a list of entities and paths is expected", file)
    return _laid(content, override, file, ""), removed


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MOST:
            raise DocumentError(f"an override of more than {_MOST >> 20} MiB is not read", file)
        text = file.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise DocumentError("anchors and aliases are not allowed in an override", file)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(
            f"not valid YAML: {getattr(error, 'problem', error)}", file, mark.line + 1 if mark else None
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"can't be read: {type(error).__name__}", file) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise DocumentError("a mapping is expected: the keys of a pack, each of them optional", file)
    return content


def _laid(below: dict[str, Any], above: dict[str, Any], file: Path, place: str) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        inside = f"{place}{key}"
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _laid(result[key], value, file, f"{inside}.")
        elif key in _KEYS and isinstance(value, list) and isinstance(result.get(key, []), list):
            result[key] = _joined(result.get(key, []), value, _KEYS[key], file, inside)
        else:
            result[key] = value
    return result


def _joined(below: list[Any], above: list[Any], keys: tuple[str, ...], file: Path, place: str) -> list[Any]:
    result = list(below)
    for entry in above:
        if not isinstance(entry, dict) or keys[0] not in entry:
            raise DocumentError(f"{place}: each entry is a mapping with {' and '.join(keys)}", file)
        name = tuple(entry.get(key) for key in keys)
        spot = next((n for n, known in enumerate(result) if tuple(known.get(key) for key in keys) == name), None)
        if spot is None:
            result.append(entry)
        else:
            result[spot] = _laid(result[spot], entry, file, f"{place}.")
    return result


def without(content: dict[str, Any], removed: list[str], file: Path) -> dict[str, Any]:
    """The content of a valid pack without the entities and paths named; their endpoints are kept as excluded, so that nothing is
    lost from sight. Raises DocumentError for a name that is none of the pack's."""
    entities = content.get("entities", [])
    endpoints = content.get("endpoints", [])
    later = [waiting for waiting in content.get("postponed", []) if waiting["hint"]["entity"] not in removed]
    named = [*entities, *(waiting["hint"] for waiting in content.get("postponed", []))]
    known = {entity.get("entity") for entity in named} | {endpoint.get("path") for endpoint in endpoints}
    missing = next((name for name in removed if name not in known), None)
    if missing is not None:
        names = [str(entity.get("entity")) for entity in entities][:40]
        raise DocumentError(f"{REMOVE}: {missing!r} is no entity and no path of the pack; entities are {one_of(names)}", file)
    gone = {path for entity in entities if entity["entity"] in removed for path in entity.get("routes", [])}
    gone |= {name for name in removed if name.startswith("/")}
    kept = []
    for entity in entities:
        routes = [path for path in entity.get("routes", []) if path not in gone]
        if entity["entity"] not in removed and routes:
            kept.append(entity | {"routes": routes})
    excluded = dict.fromkeys(sorted(gone), "left out by the override") | content.get("excluded", {})
    identifiers = [known for known in content.get("identifiers", []) if known.get("path") not in gone]
    changed = {"entities": kept, "excluded": excluded, "identifiers": identifiers}
    return content | changed | ({"postponed": later} if "postponed" in content else {})
