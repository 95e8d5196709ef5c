"""The composition root: what `dagster` loads."""

from functools import lru_cache

import dagster as dg

from spectra_assets import settings
from spectra_assets.covenant.files import covenant_files
from spectra_assets.graph.build import covenants_of, definitions


@dg.definitions
def defs() -> dg.Definitions:
    """Every pipeline that has a covenant."""
    found = settings.load()
    files = ((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in covenant_files(found.covenants, found.sources))
    return _made(found, tuple(files))


@lru_cache(maxsize=1)
def _made(found: settings.Settings, files: tuple[tuple[str, int, int], ...]) -> dg.Definitions:
    """Dagster asks for the definitions twice while it loads a code location; they are made once, as long as no file changes."""
    return definitions(covenants_of(found), found, patient=True)
