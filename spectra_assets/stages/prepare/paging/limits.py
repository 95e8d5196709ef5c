"""Limits of a list whose paging is proven: the largest page, what comes past the end, what the declared total is worth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spectra_assets.client.pager import first
from spectra_assets.client.paging import counted
from spectra_assets.covenant.access import KeysetPaging, OffsetPaging, PagePaging, PagingStyle
from spectra_assets.stages.asking.pagenames import numbered
from spectra_assets.stages.asking.windows import windows_in
from spectra_assets.stages.prepare.paging.clues import clues
from spectra_assets.stages.prepare.paging.lister import Leaf, Lister
from spectra_assets.stages.prepare.paging.proving import Proof, with_size

_STEPS = (200, 100, 50, 25, 20, 10)
"""Sizes tried below the one that is wanted, while the server refuses, or gives fewer rows than there are."""

_BEYOND = (10_000_000, 2_000_000_000)
_BEYOND_PAGES = (1_000_000, 900_000_000)
"""Offsets and pages past the end of any list."""

ENDLESS = "endless"
"""What stands past the end of a list that has none: other rows wherever one asks."""

_COUNTED = 3
"""Requests spent at most on counting a list to its end."""


@dataclass(frozen=True)
class Finding:
    """One measured fact about an endpoint."""

    constraint: str
    value: str | None
    evidence: str
    confidence: float = 1.0


@dataclass
class Extent:
    """How long pages may be: `size` rows are asked for; `largest` is the longest page seen, `ended` if nothing follows it."""

    size: int
    largest: Leaf
    ended: bool
    evidence: str
    sure: float


def extent(lister: Lister, proof: Proof, wanted: int, plain: Leaf) -> Extent:
    """The largest page that the server gives, up to `wanted` rows: asked for, and stepped down while it is refused."""
    style, largest, refused = proof.style, plain, ""
    if not proof.sized or style.size_param is None:
        ended = not counted(style) and not lister.leads_on(style, plain)
        return Extent(plain.rows, plain, ended, f"no size can be asked for: {plain.rows} rows came", 0.7)
    sizes = [wanted, *(size for size in _STEPS if size < wanted)]
    capped: list[tuple[int, int]] = []
    while sizes:
        size = sizes.pop(0)
        leaf = lister.get(first(with_size(style, style.size_param, size)).query)
        if not leaf.readable:
            if leaf.sight.category == "notProbed":
                break
            refused = refused or f"a page of {size} rows is refused ({leaf.why[:80]})"
            numbers = [int(text) for text in re.findall(r"\d{1,6}", leaf.why.partition(":")[2])]
            said = [number for number in numbers if plain.rows <= number < size]
            sizes = said[:1] + [each for each in sizes if each < (said[0] if said else size)]
            continue
        largest = leaf if leaf.rows > largest.rows or largest is plain else largest
        if leaf.rows >= size:
            evidence = "; ".join(filter(None, [refused, f"asked for {size} rows, {leaf.rows} came"]))
            told = not counted(style) and not isinstance(style, KeysetPaging)
            return Extent(size, leaf, told and not lister.leads_on(style, leaf), evidence, 1.0)
        if _last(lister, style, leaf, leaf.rows):
            evidence = "; ".join(filter(None, [refused, f"asked for {size} rows, {leaf.rows} came, which are all"]))
            return Extent(size, leaf, True, evidence, 0.8)
        capped.append((size, leaf.rows))
        if len(capped) > 1 and capped[-1][1] <= capped[-2][1]:
            break
        sizes = [each for each in sizes if each > leaf.rows][:1]
    held = max(largest.rows, 1)
    asked = capped[0][0] if capped else wanted
    more = f"asked for {asked} rows, {held} came, and more after them: a silent limit" if capped else f"{held} rows came"
    return Extent(held, largest, False, "; ".join(filter(None, [refused, more])), 1.0 if capped else 0.5)


def past_the_end(lister: Lister, style: PagingStyle, found: Extent, plain: Leaf) -> Finding:
    """What a page past the end answers."""
    if isinstance(style, OffsetPaging | PagePaging):
        value, told = _far_out(lister, style, dict(first(style, min(found.size, 2)).query), plain)
        return Finding("pastTheEnd", value, told, 1.0 if value else 0.0)
    if isinstance(style, KeysetPaging):
        told = "no rows come after the last" if found.ended else "by the style: no rows come after the last; it was not reached"
        return Finding("pastTheEnd", "empty", told, 1.0 if found.ended else 0.5)
    if found.ended:
        return Finding("pastTheEnd", "noNextPage", f"the page with the last of {found.largest.rows} rows names no next one")
    query = clues(found.largest.sight).query
    for number in numbered(list(query)):
        name = number.offset_param if isinstance(number, OffsetPaging) else number.page_param
        if query[name].isdigit() and name not in lister.taken:
            value, told = _far_out(lister, number, query, plain)
            if value == ENDLESS:
                return Finding("pastTheEnd", value, told)
    return Finding("pastTheEnd", "noNextPage", "by the style: the last page names no next one; it was not reached", 0.5)


def _far_out(lister: Lister, style: OffsetPaging | PagePaging, query: Mapping[str, str], plain: Leaf) -> tuple[str | None, str]:
    """What comes far beyond the end of any list; where there are rows, still farther out: they may be the last page again."""
    name, near, far = (style.offset_param, *_BEYOND) if isinstance(style, OffsetPaging) else (style.page_param, *_BEYOND_PAGES)
    beyond = lister.get({**query, name: str(near)})
    told = f"{name}={near} gave {beyond.why[:160]}"
    if beyond.sight.category == "notProbed":
        return None, told
    if not beyond.readable:
        return beyond.sight.reason.partition(":")[0] or beyond.sight.category, told
    if not beyond.rows:
        return "empty", told
    if beyond.marks == plain.marks[: beyond.rows]:
        return "firstPage", told
    farther = lister.get({**query, name: str(far)})
    told += f", {name}={far} gave {farther.why[:100]}"
    if farther.marks and not set(farther.marks) & set(beyond.marks):
        return ENDLESS, f"{told}: rows are made up for ever"
    return "lastPage" if farther.marks == beyond.marks else "empty", told


def totals(lister: Lister, style: PagingStyle, found: Extent, leaves: Sequence[Leaf]) -> list[Finding]:
    """Where a total is declared, and whether it is true: by counting a short list, else by comparing pages."""
    pages = [leaf for leaf in (*leaves, found.largest) if leaf.rows]
    declared = {leaf.rows: total for leaf in pages if (total := leaf.sight.declared_total) is not None}
    if not declared:
        return []
    largest = max(pages, key=lambda leaf: leaf.rows)
    small, big = declared[min(declared)], declared[max(declared)]
    told = f"a page of {min(declared)} rows declares {small}, a page of {max(declared)} declares {big}"
    place = Finding("totalAt", largest.sight.total_at, told)
    if small != big or small < found.largest.rows:
        return [place, Finding("declaredTotal", "notCredible", told)]
    count = found.largest.rows if found.ended else _count(lister, style, found, small)
    if count is not None:
        value = "credible" if count == small else "notCredible"
        return [place, Finding("declaredTotal", value, f"{told}; {count} rows counted")]
    there, seen = _ends_there(lister, style, found, small)
    value = "notCredible" if there is False else "credible"
    return [place, Finding("declaredTotal", value, f"{told}; {seen}", 0.8 if there is None else 1.0)]


def _ends_there(lister: Lister, style: PagingStyle, found: Extent, declared: int) -> tuple[bool | None, str]:
    """Whether the page in which a list of so many rows would end, ends there; None if that can't be asked."""
    if not isinstance(style, OffsetPaging | PagePaging):
        return None, "not counted"
    sized = with_size(style, style.size_param, found.size)
    before = (declared - 1) // found.size * found.size
    name, number = (
        (style.offset_param, before)
        if isinstance(style, OffsetPaging)
        else (style.page_param, style.first + before // found.size)
    )
    last = lister.get({**first(sized).query, name: str(number)})
    if last.sight.category == "notProbed":
        return None, "not counted"
    if not last.readable and (limits := [each for each in windows_in(last.why) if each < declared]):
        return None, f"{name}={number} is refused: {last.why[:160]}, so that no more than {limits[0]} of {declared} can be had"
    # a server that repeats a page past the end can have it here only if the list is shorter
    fits = last.rows == declared - before and not set(last.marks) & set(found.largest.marks)
    return fits, f"{name}={number} gave {last.rows} rows, and {declared - before} are left of {declared}"


def _count(lister: Lister, style: PagingStyle, found: Extent, declared: int) -> int | None:
    """Rows to the end of the list, if that takes few requests."""
    page = found.largest
    if declared > (_COUNTED + 1) * page.rows or lister.explorer.wire.left < 2 * _COUNTED:
        return None
    sized = with_size(style, style.size_param, found.size)
    seen, rows, number = set(page.marks), page.rows, 1
    for _ in range(_COUNTED + 1):
        after: Leaf | None
        if isinstance(style, OffsetPaging):
            after = lister.get({**page.ask.query, style.offset_param: str(rows)})
        elif isinstance(style, PagePaging):
            after = lister.get({**first(sized).query, style.page_param: str(style.first + number)})
        else:
            after = lister.after(sized, page)
        if after is None or (after.readable and not after.rows):
            return rows
        if not after.readable:
            refused = counted(style) and after.sight.category in ("needsParameters", "notFound", "gone")
            return rows if refused else None
        if seen & set(after.marks):
            return rows if seen >= set(after.marks) else None
        seen |= set(after.marks)
        rows, number, page = rows + after.rows, number + 1, after
    return rows if rows > declared else None


def _last(lister: Lister, style: PagingStyle, leaf: Leaf, rows: int) -> bool:
    """Whether nothing follows a page of `rows` rows: the answer tells, or the page after it is empty."""
    if not rows:
        return True
    after: Leaf | None
    if isinstance(style, OffsetPaging):
        after = lister.get({**leaf.ask.query, style.offset_param: str(rows)})
    elif isinstance(style, PagePaging):
        sized = with_size(style, style.size_param, rows)
        after = lister.get({**first(sized).query, style.page_param: str(style.first + 1)})
    elif isinstance(style, KeysetPaging):
        after = lister.after(style, leaf)
    else:
        return not lister.leads_on(style, leaf)
    return after is None or not after.readable or not after.rows or set(after.marks) <= set(leaf.marks)
