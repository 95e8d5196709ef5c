"""Columns whose numbers are all so many times what they were: an amount in cents, a length in millimetres."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
from pyarrow import compute as pc

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.model import Column, DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate

SCALE = "scale"
"""Name under which a commit tells how great the numbers of its table are."""

_FACTORS = tuple(float(each) for each in (10, 100, 1_000, 1_000_000, 60, 3_600, 1_024))
_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Parts of the rows, by the size of their numbers: of each the greatest is compared."""

_ALIKE = 0.02
"""How far from the factor each of them may be."""

_DIFFERENT, _ROWS = 3, 20
"""Different numbers among those compared, and rows, without which nothing can be said."""

_PATIENCE = 3
"""Versions of the table that are compared with how it was before; then that is how it is."""

_SHOWN = ("column", "path", "before", "now", "factor")


class Scale(NamedTuple):
    """The sizes of a column's numbers at each level, and how many versions of the table differed from them since."""

    sizes: tuple[float, ...]
    versions: int = 0

    @property
    def tells(self) -> bool:
        return len({size for size in self.sizes if size}) >= _DIFFERENT


@gate("scale_kept", kinds=("flattening",))
def scale_kept(candidate: Candidate) -> Judged:
    """No column's numbers are, small and great alike, ten, a hundred, sixty, … times what they were, or that part of it."""
    known, now = _known(candidate), _now(candidate)
    columns = dict.fromkeys(_SHOWN, DataType.TEXT) | {"kept": DataType.BOOL}
    rows = []
    for name, column in numbers(candidate).items():
        factor = _factor(known.get(name), now.get(name))
        rows.append(
            {
                "column": name,
                "path": next((path for path in column.source if not path.startswith("@")), None),
                "before": f"{known[name].sizes[-1]:g}" if name in known else None,
                "now": f"{now[name].sizes[-1]:g}" if name in now else None,
                "factor": f"{factor:g}" if factor else None,
                "kept": factor is None,
            }
        )
    rule = Rule("kept", "hold numbers that are all so many times what they were: they may be in another unit now")
    advice = "ask the source's owner; if the unit changed, the values kept from before must be converted or read again"
    return Judged(candidate.small(columns, rows), (rule,), unit="columns of numbers", show=_SHOWN, advice=advice)


def carried(candidate: Candidate) -> str:
    """What the next candidate is compared with, as the commit tells it."""
    known, now = _known(candidate), _now(candidate)
    kept: dict[str, Scale] = {}
    for name, scale in now.items():
        before = known.get(name)
        differs = _factor(before, scale) is not None
        if before is not None and differs and before.versions + 1 < _PATIENCE:
            kept[name] = before._replace(versions=before.versions + 1)
        elif scale.tells:
            kept[name] = scale
    return json.dumps({name: kept[name] for name in sorted(kept)}, separators=(",", ":"))


def _factor(before: Scale | None, now: Scale | None) -> float | None:
    """By what all sizes were multiplied; None if by nothing, or if they do not agree."""
    if before is None or now is None or not (before.tells and now.tells):
        return None
    pairs = list(zip(before.sizes, now.sizes, strict=True))
    if any((one == 0) != (other == 0) for one, other in pairs):
        return None
    ratios = [other / one for one, other in pairs if one]
    every = (*_FACTORS, *(1 / each for each in _FACTORS))
    return next((each for each in every if all(abs(ratio / each - 1) <= _ALIKE for ratio in ratios)), None)


def numbers(candidate: Candidate) -> Mapping[str, Column]:
    """Columns of numbers that say how much: none of keys, or of what refers to something."""
    table = candidate.table
    return {
        column.name: column
        for column in table.schema_
        if column.type in NUMBERS and column.name not in table.primary_key and column.references is None
    }


def _known(candidate: Candidate) -> Mapping[str, Scale]:
    ref = candidate.table.ref
    if not candidate.lakehouse.exists(ref):
        return {}
    told = json.loads(candidate.lakehouse.describe(ref).metadata.get(f"spectra.{SCALE}", "{}"))
    return {name: Scale(tuple(sizes), versions) for name, (sizes, versions) in told.items()}


def _now(candidate: Candidate) -> Mapping[str, Scale]:
    names = [name for name in numbers(candidate) if name in candidate.staged.schema.names]
    found = candidate.staged.sample(names) if names else None
    return {name: Scale(_sizes(found[name])) for name in names if len(found[name].drop_null()) >= _ROWS} if found else {}


def _sizes(values: pa.ChunkedArray) -> tuple[float, ...]:
    sizes = pc.abs(values.drop_null().cast(pa.float64(), safe=False))  # how great, not exactly how many
    return tuple(pc.quantile(sizes, q=list(_LEVELS), interpolation="nearest").to_pylist())
