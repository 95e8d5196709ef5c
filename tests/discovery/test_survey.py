"""What a described API really answers, asked within requests and time."""

from __future__ import annotations

import time

from spectra_assets.discovery.survey import survey
from spectra_assets.stages.asking.wire import NOT_TRIED
from tests.stages.listserver import ListServer, pack, rows


def test_what_time_is_over_for_is_not_asked() -> None:
    with ListServer({"/things": lambda _: rows(3)}) as server, server.client() as client:
        routes, sent = survey(client, pack("/things"), 50, lambda _: None, until=time.monotonic() - 1)
        assert (sent, server.calls, [route.reason for route in routes]) == (0, [], [NOT_TRIED])
        routes, sent = survey(client, pack("/things"), 50, lambda _: None, until=time.monotonic() + 3600)
        assert (sent, [route.kind for route in routes]) == (1, ["list"])
