"""What is known of an entity once its route is chosen: its records, what each was asked for with, how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spectra_assets.client.target import ParentValue, parent_text
from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.stages.asking.answers import Record
from spectra_assets.stages.asking.parents import values_of
from spectra_assets.stages.prepare.routes.identity import Key
from spectra_assets.stages.prepare.routes.routes import Trial


@dataclass
class Known:
    """`sample` are the rows that the canon is inferred from, `trial` what trying the chosen route showed."""

    fetch: Fetch
    sample: list[Record]
    whole: bool
    rows: float
    """Rows there are, estimated."""
    trial: Trial
    key: Key

    @property
    def records(self) -> Sequence[Record]:
        """All rows seen, different ones once."""
        return self.trial.all_rows

    def values(self, link: ParentKey) -> dict[str, tuple[ParentValue, Record]]:
        """What children are asked for with by `link`: text of the value → (value, the record that gave it), in order."""
        found: dict[str, tuple[ParentValue, Record]] = {}
        for asked, record in self._asked():
            for value in values_of(record, asked, link):
                found.setdefault(parent_text(value), (value, record))
        return found

    def count(self, link: ParentKey) -> float:
        """Values there are by `link`, estimated."""
        seen = len(self.records)
        return len(self.values(link)) * (max(1.0, self.rows / seen) if seen and not self.whole else 1)

    def _asked(self) -> Iterator[tuple[str | None, Record]]:
        for parent, rows in self.trial.rows.items():
            for row in rows:
                yield parent or None, row
