"""Discovery as `solution-engine run … --base-url …` calls it."""

from __future__ import annotations

import importlib
import os

from spectra_assets.intelligence.model import Pack
from spectra_assets.settings import Settings
from tests.conformance.servers.api import Api


def discovered(api: Api, settings: Settings) -> Pack:
    """The pack that discovery makes of a running API, written into the project. Raises SpectraError."""
    other = os.environ.get("CONFORMANCE_PACKS")
    if other:
        return importlib.import_module(other).pack_of(api, settings)
    raise NotImplementedError
