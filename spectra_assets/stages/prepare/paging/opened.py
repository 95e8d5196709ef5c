"""A list whose end no number reaches, since the API refuses what lies too deep: a cursor that a fixed value opens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spectra_assets.covenant.access import CursorPaging, OffsetPaging, PagePaging
from spectra_assets.stages.asking.pagenames import CURSORS, cursors_in, plain
from spectra_assets.stages.asking.windows import windows_in
from spectra_assets.stages.prepare.paging.clues import clues
from spectra_assets.stages.prepare.paging.lister import Leaf, Lister
from spectra_assets.stages.prepare.paging.proving import Proof, prove_told

_OPENING = "*"
"""What a cursor takes for the first page, unless the refusal says otherwise."""

_MOST = 3
"""Names that are tried."""

_ORDINARY = frozenset(("after", "continuation", "marker", "next", "page", "start", "token"))
"""Names that are words of any refusal."""


def opened(
    lister: Lister, style: OffsetPaging | PagePaging, refusal: str, named: Sequence[str], total: int | None
) -> Proof | None:
    """A cursor by which the list goes on where a number is refused, proven by two of its pages; None if there is none.

    Its name is in the refusal; where that says how far one can read, and the `total` is larger, in the description, or the most
    usual one.
    """
    cut = total is not None and any(limit < total for limit in windows_in(refusal))
    further = [*cursors_in(named), CURSORS[0]] if cut else []
    free = (name for name in dict.fromkeys([*_told(refusal), *further]) if name not in lister.taken)
    size = {style.size_param: str(style.size)} if style.size_param and style.size else {}
    for name in [name for name in free if name not in (style.size_param, _counting(style))][:_MOST]:
        stated = re.search(rf"(?<!\w){re.escape(name)}=([^\s&,;)\"'`]+)", refusal, re.IGNORECASE)
        opening = stated[1].rstrip(".") if stated else _OPENING
        leaf = lister.get({name: opening, **size})
        for place in _tokens(leaf):
            cursor = CursorPaging(cursor_param=name, next=place, opening=opening, size_param=style.size_param, size=style.size)
            proof = prove_told(lister, leaf, cursor, [])
            if proof.outcome == "proven":
                why = (
                    f"{name}={opening} opens it, {proof.evidence}; {_counting(style)} does not lead to the end ({refusal[:160]})"
                )
                return Proof("proven", cursor, why, style.size_param is not None, proof.leaf)
    return None


def _told(refusal: str) -> Iterator[str]:
    """Names of parameters of cursors that a refusal names."""
    said = {plain(word) for word in re.findall(r"[\w.\[\]-]+", refusal)} - _ORDINARY
    yield from (name for name in CURSORS if plain(name) in said)


def _tokens(leaf: Leaf) -> list[str]:
    """Where a page may hold the token of the next one."""
    found = (style.next for style in clues(leaf.sight).told if isinstance(style, CursorPaging)) if leaf.rows else ()
    return list(dict.fromkeys(found))[:_MOST]


def _counting(style: OffsetPaging | PagePaging) -> str:
    return style.offset_param if isinstance(style, OffsetPaging) else style.page_param
