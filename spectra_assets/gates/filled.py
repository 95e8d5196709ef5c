"""Columns that were filled and are empty now. What is known of each column is carried on in the commits of its table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from spectra_assets.covenant.model import DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate

FILLED = "filled"
"""Name under which a commit tells how the columns of its table are filled."""

_FULL, _EMPTIED, _ROWS, _FEW = 0.05, 0.25, 20, 5
"""A column is full if at most this share of its rows has no value. It is emptied if more than that share has none, both times of
at least so many rows; or if none of a few has one any more."""

_SHOWN = ("column", "path", "before", "empty", "rows")


class Fill(NamedTuple):
    """How many rows there are, and how many of them have no value in a column."""

    rows: int
    empty: int

    @property
    def is_full(self) -> bool:
        return self.rows >= _FEW and self.empty <= _FULL * self.rows

    def is_emptied(self, known: Fill) -> bool:
        """Whether it was full, and is no more."""
        many = min(self.rows, known.rows) >= _ROWS
        return self.rows >= _FEW and (self.empty > _EMPTIED * self.rows if many else self.empty == self.rows)


@gate("columns_filled", kinds=("flattening",))
def columns_filled(candidate: Candidate) -> Judged:
    """No column that nearly every row filled is empty in more than a quarter of them now, or in each of a few, unless a rule says
    that it may be."""
    known, now = _known(candidate), _now(candidate)
    columns = dict.fromkeys(_SHOWN, DataType.TEXT) | {"empty": DataType.INT64, "rows": DataType.INT64, "emptied": DataType.BOOL}
    promised = {column.name: column for column in candidate.table.schema_ if not column.required and not column.sparse}
    rows = [
        {
            "column": name,
            "path": next((path for path in column.source if not path.startswith("@")), None),
            "before": f"{known[name].empty} of {known[name].rows}" if name in known else None,
            **now[name]._asdict(),
            "emptied": name in known and now[name].is_emptied(known[name]),
        }
        for name, column in promised.items()
        if name in now
    ]
    rule = Rule("NOT emptied", "are empty in many rows, though nearly every row filled them before")
    advice = "if the source is so, a rule of kind required with `required: false` says it; else a value is lost on the way"
    return Judged(candidate.small(columns, rows), (rule,), unit="columns", show=_SHOWN, advice=advice)


def carried(candidate: Candidate) -> str:
    """What the next candidate is compared with, as the commit tells it: of a column that is emptied, or of which there are too
    few rows to tell, what was known before."""
    known, now = _known(candidate), _now(candidate)
    kept = {
        name: known[name] if name in known and (fill.is_emptied(known[name]) or fill.rows < _FEW) else fill
        for name, fill in now.items()
    }
    return json.dumps({name: fill for name, fill in sorted(kept.items()) if fill.is_full}, separators=(",", ":"))


def _known(candidate: Candidate) -> Mapping[str, Fill]:
    """Columns that were full, by the last commit; none of a table that is new, or was written by others."""
    ref = candidate.table.ref
    if not candidate.lakehouse.exists(ref):
        return {}
    told = candidate.lakehouse.describe(ref).metadata.get(f"spectra.{FILLED}", "{}")
    return {name: Fill(*fill) for name, fill in json.loads(told).items()}


def _now(candidate: Candidate) -> Mapping[str, Fill]:
    rows, empty = candidate.staged.empties()
    return {name: Fill(rows, count) for name, count in empty.items()}
