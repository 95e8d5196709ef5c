"""Numbers are read as instants where they go with another time of the record; ids that lie in the same years are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.epochs import with_epochs

START = datetime(2024, 1, 1, tzinfo=UTC)


def moment(number: int) -> datetime:
    return START + timedelta(days=3 * number)


def epoch(number: int) -> int:
    return int(moment(number).timestamp())


@pytest.mark.parametrize(
    ("make", "read_as"),
    [
        (lambda n: epoch(n) + 3600 * (n % 7), ("timestamp", "epoch_seconds")),
        (lambda n: (epoch(n) + n) * 1000, ("timestamp", None)),
        (lambda n: epoch(n) if n % 20 else epoch(n) - 10**7, ("timestamp", "epoch_seconds")),
        (lambda n: 1_704_067_200 + n, ("int64", None)),
        (lambda n: 1_704_067_200 + (n * 7919) % 10**7, ("int64", None)),
        (lambda n: epoch(n) if n % 3 else 17 + n, ("int64", None)),
        (lambda n: epoch(n % 9), ("int64", None)),
    ],
    ids=["seconds", "milliseconds", "some far off", "ids that count on", "random ids", "some are no times", "few values"],
)
def test_numbers_that_go_with_another_time(make: Callable[[int], int], read_as: tuple[str, str | None]) -> None:
    records = [{"id": n, "made": f"{moment(n):%Y-%m-%dT%H:%M:%SZ}", "handover": make(n)} for n in range(60)]
    fetch, hint = Fetch(entity="job", path="/job"), EntityHint(entity="job", routes=["/job"])
    plain, _ = canonise(hint, fetch, 0, records, None, [], {"job"})
    field = next(field for field in with_epochs(plain, records).fields if field.raw == "handover")
    assert (field.type.value, field.date_format) == read_as
    alone = [{"id": n, "handover": make(n)} for n in range(60)]
    bare, _ = canonise(hint, fetch, 0, alone, None, [], {"job"})
    assert with_epochs(bare, alone) is bare, "without another time nothing proves it"
