"""The API's endpoints as the zephyr intelligence pack lists them; read once, when a stand-in starts."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Endpoint(NamedTuple):
    """One endpoint: `path` is a template below the base path, or starts with /v3/ or /v4/ beside it."""

    method: str
    path: str
    query: tuple[str, ...]
    probed_status: int | None
    """What one tenant answered to a plain GET without parameters."""
    documented: bool


@lru_cache(maxsize=1)
def endpoints() -> tuple[Endpoint, ...]:
    """All endpoints, in the pack's order."""
    pack = resources.files("spectra_assets.intelligence").joinpath("packs", "zephyr.yaml").read_text(encoding="utf-8")
    document = yaml.load(pack, Loader=_LOADER)  # noqa: S506  (a safe loader, the C one where there is one)
    return tuple(
        Endpoint(
            method=entry["method"],
            path=entry["path"],
            query=tuple(entry.get("query") or ()),
            probed_status=entry.get("probed_status"),
            documented=entry.get("origin", "documented") == "documented",
        )
        for entry in document["endpoints"]
    )
