"""What gates that compare with earlier versions keep of a candidate: texts that the commit of its table carries on."""

from __future__ import annotations

from collections.abc import Iterable

from spectra_assets.gates import filled, lasting, scale, together
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Result
from spectra_assets.lakehouse.commit import MADE

_KEPT = {
    filled.columns_filled.__name__: (filled.FILLED, filled.carried),
    scale.scale_kept.__name__: (scale.SCALE, scale.carried),
    lasting.values_stay.__name__: (MADE, lasting.carried),
    together.source_stays.__name__: (together.FALLS, together.carried),
}
"""Gate → the name of what it keeps, and how that is made."""


def carried(candidate: Candidate, results: Iterable[Result]) -> dict[str, str]:
    """Name → text, of the gates that judged the candidate."""
    kept = (_KEPT[each.gate] for each in results if each.gate in _KEPT)
    return {name: tell(candidate) for name, tell in kept}
