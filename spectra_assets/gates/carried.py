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
}
"""Gate → the name of what it keeps, and how that is made."""


def carried(candidate: Candidate, results: Iterable[Result]) -> dict[str, str]:
    """Name → text, of the gates that judged the candidate."""
    by_gate = {each.gate: each for each in results}
    told = {name: tell(candidate) for gate, (name, tell) in _KEPT.items() if gate in by_gate}
    if together.source_stays.__name__ in by_gate:
        told[together.FALLS] = together.carried(candidate, by_gate.values())
    return told
