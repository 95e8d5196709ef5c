"""Answers that are an array of two, an object that tells of the list and its rows: `[{"page": 1, "total": 297}, […]]`.

They are read as the envelope that they are without names: `{"meta": {…}, "rows": […]}`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from spectra_assets.client.totals import COUNT, TOTALS, plain

ROWS = "rows"
"""Where the records of such an answer are."""

_ABOUT = frozenset(
    (*TOTALS, COUNT, "page", "pages", "totalpages", "pagecount", "offset", "next", "nextpage", "cursor", "hasmore")
)


def opened(value: Any) -> Any:
    """A decoded answer as an envelope if it is such a pair; else as it is."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], dict):
        return value
    about, rows = value
    names = {plain(name) for name in about}
    told = bool(_ABOUT & names) and (rows is None or (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)))
    # two records, one of them longer
    alike = told and any(len(about.keys() & row.keys()) > len(about) // 2 for row in rows or ())
    return {"meta": about, ROWS: rows or []} if told and not alike else value


def opened_text(body: bytes, location: str) -> bytes:
    """The same of the text of an answer whose records are where `opened` puts them."""
    if location != ROWS or not body.lstrip().startswith(b"["):
        return body
    parts = [bytes(part).strip() for part in msgspec.json.decode(body, type=list[msgspec.Raw])]
    if len(parts) != 2 or parts[0][:1] != b"{" or isinstance(opened([msgspec.json.decode(parts[0]), []]), list):
        return body
    about, rows = parts
    return b'{"meta": ' + about + b', "' + ROWS.encode() + b'": ' + (b"[]" if rows == b"null" else rows) + b"}"
