"""Expected against actual: what no gate judges. Tables that could not be made, gates that are missing, values without a label."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.learning.gap import Gap
from spectra_assets.learning.verify import Seen
from spectra_assets.settings import Settings


def expected_gaps(settings: Settings, run: Seen) -> Iterator[Gap]:
    """The gaps of a run that no evaluation shows."""
    yield from ()
