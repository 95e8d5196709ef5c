"""Statuses and causes by the texts of this software: numbers that count something are no statuses."""

from __future__ import annotations

import pytest

from spectra_assets.learning.gap import Cause
from spectra_assets.learning.reason import answered, reason_of, status_of


@pytest.mark.parametrize(
    "error",
    [
        "the raw pages give 429 of the 1,000 records which they gave once; extract them again",
        "the raw pages give 1,404 of the 2,000 records which they gave once; extract them again",
        "/lake/Tables/extract/orders has 401 rows after 500 were published: another machine wrote to it",
        "GET /lists: after 500 pages the list still goes on; given up (setting most_pages)",
        "GET /lists: 500 pages in a row without rows, each of which names a next one; given up",
        "extract.orders can't be written: No such file or directory: not found",
        "source.credentials can't be written: Forbidden",
        "the column is broken",
        "GET http://127.0.0.1/a: http://127.0.0.1 redirects to another server, http://b; this is not followed and the credential was "
        "not sent there",
    ],
)
def test_what_says_nothing_of_an_answer_has_no_cause(error: str) -> None:
    assert status_of(error) is None
    assert reason_of(error, Cause.OTHER) is Cause.OTHER


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        ("GET http://a/b?limit=500: 429 Too Many Requests: 'slow down' (tried 5 times)", 429, Cause.RATE_LIMITED),
        ("GET http://a/b: 403 Forbidden: 'API rate limit exceeded'", 403, Cause.RATE_LIMITED),
        ("GET http://a/b: 403 Forbidden", 403, Cause.ENDPOINT_FORBIDDEN),
        ("GET http://a/b: 401, the credential was refused; set TOKEN to a valid one. The answer: 429", 401, Cause.CREDENTIAL),
        ("GET http://a/b: 404 Not Found: 'wrong credential for 401 of 503'", 404, Cause.ENDPOINT_GONE),
        ("50 parents in a row: GET http://a/404/b: 500 Internal Server Error (tried 5 times)", 500, Cause.ENDPOINT_BROKEN),
        ("GET http://a/b: 529 (no known status)", 529, Cause.ENDPOINT_BROKEN),
        ("no token from /oauth/token: 503: down", 503, Cause.ENDPOINT_BROKEN),
        ("/oauth/token gave no token: 400, the client is refused; set ID to a valid one", 400, Cause.PAGE_LIMIT),
        ("the API refuses the credential since GET /b (401): set TOKEN to a valid one and run again", None, Cause.CREDENTIAL),
        (
            "TOKEN is not set: it is the token the API gave you, for example export TOKEN=<your credential>",
            None,
            Cause.CREDENTIAL,
        ),
        (
            "no route is proven: /orders  error: 404: no such resource; /orders customerid error: 4 parents asked",
            404,
            Cause.ENDPOINT_GONE,
        ),
        ("no route is proven: /a b, c partial: 200 rows, then 503: down", 503, Cause.ENDPOINT_BROKEN),
        ("GET /b: expected records at 'items', found an object with only: 500", None, Cause.ENVELOPE_CHANGED),
        ("server ignores offset: page 2 of GET /b holds the same 500 rows as page 1", None, Cause.IGNORED_PARAMETER),
    ],
)
def test_errors_of_the_client_name_their_cause(error: str, status: int | None, cause: Cause) -> None:
    assert status_of(error) == status
    assert reason_of(error, Cause.OTHER) is cause


@pytest.mark.parametrize(
    ("reason", "status", "cause"),
    [
        ("404", 404, Cause.ENDPOINT_GONE),
        ("403: not for you", 403, Cause.ENDPOINT_FORBIDDEN),
        ("it answers 400: limit is too large", 400, Cause.PAGE_LIMIT),
        ("500 rows, then 503: down", 503, Cause.ENDPOINT_BROKEN),
        ("401 parents asked, none had rows; failures: 404: no 429 | 500", 404, Cause.ENDPOINT_GONE),
        ("it can't be read: notFound", None, Cause.ENDPOINT_GONE),
        ("429 rows came of 500 that are declared, and no parameter gives the others", None, Cause.OTHER),
        ("404 different parents gave the same 500 rows: parent is ignored", None, Cause.IGNORED_PARAMETER),
    ],
)
def test_reasons_of_looks_name_their_cause(reason: str, status: int | None, cause: Cause) -> None:
    assert status_of(reason) == status
    assert answered(reason, Cause.OTHER) is cause
