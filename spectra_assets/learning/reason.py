"""What the text of an error, or the reason why something could not be read, says of the API: its HTTP status, and a cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from spectra_assets.client.refusal import TOO_FAST
from spectra_assets.learning.gap import Cause

_STATUSES: Mapping[int, Cause] = {
    **dict.fromkeys((400, 413, 414, 416, 422), Cause.PAGE_LIMIT),
    401: Cause.CREDENTIAL,
    403: Cause.ENDPOINT_FORBIDDEN,
    **dict.fromkeys((404, 410), Cause.ENDPOINT_GONE),
    429: Cause.RATE_LIMITED,
    **dict.fromkeys(range(500, 600), Cause.ENDPOINT_BROKEN),
}
"""What an HTTP status says."""

_MAY_MEAN_TOO_FAST = frozenset({400, 403, 503})
"""Statuses with which some APIs refuse what comes too fast; only their words tell."""

_WORDS: tuple[tuple[str, Cause], ...] = (
    (r"expected records at|is no list of records|no place of records", Cause.ENVELOPE_CHANGED),
    (TOO_FAST.pattern, Cause.RATE_LIMITED),
    (r"unauthori[sz]ed|credential(?! was not sent)", Cause.CREDENTIAL),
    (r"forbidden", Cause.ENDPOINT_FORBIDDEN),
    (r"\bgone\b|not ?found", Cause.ENDPOINT_GONE),
    (r"\bbroken\b|not ?json|unreachable|never answered", Cause.ENDPOINT_BROKEN),
    (r"\bignored?s?\b|same rows", Cause.IGNORED_PARAMETER),
    (r"but the answer is an error", Cause.ENDPOINT_BROKEN),
)
"""What a reason without a telling status says, in the order in which it is asked. Reasons are made by the client and the proofs,
and may quote the API."""

_ADDRESS = re.compile(r"https?://\S+|(?<=\s)/\S+|\bparent .*?(?=, status )")
_TOLD_STATUS = re.compile(
    r"\bstatus (?P<gate>[1-5][0-9]{2}), reason "  # a page or parent that could not be read (`extract_complete`)
    r"|\b(?:GET|POST) \S+: (?P<client>[1-5][0-9]{2})(?P<phrase>[^:(]*)"  # client/verdict.py
    r"|\bno token(?: from \S+)?: (?P<token>[1-5][0-9]{2})\b"  # client/credential.py
    r"|(?:^|: |; )/\S+ [\w, ]*(?:error|partial): (?:[0-9]+ rows, then )?(?P<route>[1-5][0-9]{2})(?=:|;| \||$)"  # routes tried
    r"|(?:^|^it answers |^it can't be read: |^[0-9]+ rows, then |; failures: )(?P<look>[1-5][0-9]{2})(?=:|;| \||$)"
)
"""The forms in which this software writes the HTTP status of an answer; the last is that of the looks of Source and Prepare
(asking/answers.py). Any other number is none: messages count rows and pages too."""

_OF_CLIENT = re.compile(r"\b(?:GET|POST) (?:https?:/)?/")
_NO_CREDENTIAL = re.compile(
    r"refuses the credential|<your credential>|no usable credential|gave no (?:bearer )?token|no token from"
)


def reason_of(error: str, otherwise: Cause) -> Cause:
    """The cause that an error of this software names, if it tells of a request or a credential. What was not found, or is broken,
    on the machine itself says nothing of the API."""
    if _OF_CLIENT.search(error) or status_of(error):
        return answered(error, otherwise)
    return Cause.CREDENTIAL if _NO_CREDENTIAL.search(error) else otherwise


def answered(text: str, otherwise: Cause) -> Cause:
    """The cause that the reason for which an endpoint could not be read names: by its status, else by its words."""
    status = status_of(text)
    if status in _MAY_MEAN_TOO_FAST and TOO_FAST.search(text):
        return Cause.RATE_LIMITED
    if status is not None and status in _STATUSES:
        return _STATUSES[status]
    told = _ADDRESS.sub(" ", text)
    return next((cause for pattern, cause in _WORDS if re.search(pattern, told, re.IGNORECASE)), otherwise)


def status_of(reason: str) -> int | None:
    """The HTTP status that a reason names: the first, as what follows it was said by the API."""
    for match in _TOLD_STATUS.finditer(reason):
        status = int(next(match[name] for name in ("gate", "client", "token", "route", "look") if match[name]))
        if match["client"] is None or _is_phrase(status, match["phrase"]):
            return status
    return None


def _is_phrase(status: int, said: str) -> bool:
    """Whether a number after an address is a status: its phrase follows, or nothing. `GET /x: 500 pages …` counts pages."""
    if not said.strip() or said.startswith(", the credential"):
        return True
    try:
        return said.lstrip().startswith(HTTPStatus(status).phrase)
    except ValueError:
        return False
