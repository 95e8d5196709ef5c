"""The composition root: what `dagster` loads."""

import dagster as dg

from spectra_assets import settings
from spectra_assets.graph.build import covenants_of, definitions


@dg.definitions
def defs() -> dg.Definitions:
    """Every pipeline that has a covenant."""
    found = settings.load()
    return definitions(covenants_of(found), found)
