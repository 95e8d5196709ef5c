"""Whether a style of paging works on one list: a page and the one after it are compared with the rows that came without."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from spectra_assets.client.pager import first, token_at
from spectra_assets.covenant.access import (
    CursorPaging,
    KeysetPaging,
    LinkPaging,
    NextPaging,
    OffsetPaging,
    PagePaging,
    PagingStyle,
)
from spectra_assets.stages.asking.pagenames import (
    KEYSETS,
    OFFSETS,
    PAGE_FIRST,
    PAGES,
    SIZES,
    keysets_in,
    offset_style,
    page_style,
    sizes_in,
)
from spectra_assets.stages.asking.searches import numeric
from spectra_assets.stages.prepare.paging.clues import clues, size_names
from spectra_assets.stages.prepare.paging.lister import Leaf, Lister, Marks, first_that

Outcome = Literal["proven", "ignored", "refused", "unfit"]
_BACK = re.compile(r"before|max|ending|until")
"""Names of parameters that take the key of the row before which others come."""

Told = (NextPaging, LinkPaging, CursorPaging)


@dataclass(frozen=True)
class Proof:
    """What trying a style showed. `style` is as it was proven, `sized` whether its size parameter works."""

    outcome: Outcome
    style: PagingStyle
    evidence: str
    sized: bool = False
    leaf: Leaf | None = None
    """The last page that was asked for."""


def step_of(rows: int) -> int:
    """Rows of the small pages that are compared, by the rows there are to compare with."""
    return 2 if rows >= 4 else 1


def prove_numbered(lister: Lister, plain: Leaf, style: OffsetPaging | PagePaging) -> Proof:
    """Ask for the second small page, which must be what follows the first rows of the plain answer."""
    step = step_of(plain.rows)
    second = lister.get(_numbered(style, 1, step))
    if not second.readable:
        return Proof("refused", style, f"{_words(style, 1, step)} is refused: {second.why}", leaf=second)
    plain, second = lister.settle(plain, second)
    start, then = plain.marks[:step], plain.marks[step : 2 * step]
    told = f"rows 0–{step - 1} and {step}–{2 * step - 1} together equal the first {2 * step}"
    if second.marks == then:
        return Proof("proven", style, told, sized=True, leaf=second)
    if second.marks[:step] == start:
        sized = second.rows == step < plain.rows
        same = f"{_words(style, 1, step)} gave the same {second.rows} rows as the first page"
        return Proof("ignored", style, same, sized=sized, leaf=second)
    if isinstance(style, PagePaging):
        return _page_from(lister, plain, second, style, step)
    if second.rows > step and second.marks[: plain.rows - step] == plain.marks[step:]:
        return Proof("proven", style, f"{_words(style, 1, step)} gave the rows after the first {step}, however many", leaf=second)
    return _by_three(lister, style, second, step)


def prove_told(lister: Lister, leaf: Leaf, style: PagingStyle, expected: Marks) -> Proof:
    """Follow what an answer tells: other rows must come, those `expected` where they are known."""
    nothing = Proof("unfit", style, "the answer does not lead on")
    after = lister.after(style, leaf)
    if after is None:
        return nothing
    if not after.readable:
        return Proof("refused", style, f"the page it leads to is refused: {after.why}", leaf=after)
    leaf, after = lister.settle(leaf, after)
    if not after.marks or not leaf.marks:
        return Proof("unfit", style, "the page it leads to has no rows", leaf=after)
    if set(after.marks) & set(leaf.marks):
        return Proof("ignored", style, "the page it leads to has rows of the first one", leaf=after)
    agreed = min(len(expected), after.rows)
    if expected[:agreed] != after.marks[:agreed]:
        return Proof("unfit", style, "the page it leads to is not what follows", leaf=after)
    shown = "which follow in the list" if agreed else "none of them on the first"
    return Proof("proven", style, f"{_name(style)} followed: {after.rows} other rows, {shown}", leaf=after)


def prove_keyset(lister: Lister, plain: Leaf, names: Sequence[str], size: str | None) -> Proof | None:
    """Give the key of a row back: the rows after it must come. Several names are tried at once, but not `after` with `before`:
    between the two is nothing."""
    if not lister.key or plain.rows < 2:
        return None
    step = step_of(plain.rows)
    value = plain.marks[step - 1]
    then = plain.marks[step : 2 * step]

    def works(tried: Sequence[str]) -> bool | str:
        query = dict.fromkeys(tried, value) | ({size: str(step)} if size else {})
        leaf = lister.get(query)
        return leaf.marks[: len(then)] == then if leaf.readable else leaf.why

    free = [name for name in names if name not in lister.taken]
    back = [name for name in free if _BACK.search(name.lower())]
    onward = [name for name in free if name not in back]
    name = first_that(onward, works, lister.strange) or first_that(back, works, lister.strange)
    if name is None:
        return None
    number = lister.search is not None and numeric(lister.search, name)
    style = KeysetPaging(after_param=name, field=lister.key, size_param=size, size=step if size else None, number=number)
    return Proof("proven", style, f"{name} with {lister.key} of row {step - 1} gave the rows after it", sized=bool(size))


def find_size(lister: Lister, plain: Leaf, candidates: Sequence[str], guess: bool) -> tuple[str | None, Leaf | None]:
    """The parameter that asks for a page's size, and the small page it gave: the candidates first, then well-known names."""
    step = step_of(plain.rows)
    small: Leaf | None = None

    def works(tried: Sequence[str]) -> bool | str:
        nonlocal small
        leaf = lister.get(dict.fromkeys(tried, str(step)))
        if not leaf.readable:
            return leaf.why
        fits = leaf.rows == step and leaf.marks == plain.marks[:step]
        small = leaf if fits and len(tried) == 1 else small
        return fits

    if plain.rows <= step:
        return None, None
    for name in candidates[:3]:
        if name not in lister.taken and works([name]) is True:
            return name, small
    names = [name for name in SIZES if name not in lister.taken and name not in candidates]
    found = first_that(names, works, lister.strange) if guess else None
    if found is not None and (small is None or list(small.ask.query) != [found]) and works([found]) is not True:
        return None, None
    return found, small


def find_number(lister: Lister, plain: Leaf, size: str | None) -> Proof | None:
    """Guess well-known names of an offset and of a page's number, many at once; what seems to work is proven."""
    step = step_of(plain.rows)
    for kind in ("page", "offset") if size in PAGE_FIRST else ("offset", "page"):
        names, number = (OFFSETS, step) if kind == "offset" else (PAGES, 2)
        name = _moving(lister, plain, names, number, {size: str(step)} if size else {})
        if name is not None:
            style = offset_style(name, size or "limit") if kind == "offset" else page_style(name, size)
            proof = prove_numbered(lister, plain, style)
            if proof.outcome == "proven":
                return proof
    return None


def _moving(lister: Lister, plain: Leaf, names: Sequence[str], number: int, along: Mapping[str, str]) -> str | None:
    """The name which, given a number, brings other rows to the front."""

    def works(tried: Sequence[str]) -> bool | str:
        leaf = lister.get({**dict.fromkeys(tried, str(number)), **along})
        return leaf.marks[:1] not in ([], plain.marks[:1]) if leaf.readable else leaf.why

    return first_that([name for name in names if name not in lister.taken], works, lister.strange)


def told_by(lister: Lister, leaf: Leaf, named: Sequence[str], expected: Marks) -> Proof | None:
    """The style in which an answer tells its next page, if following it is proven."""
    tokens: dict[str, list[str]] = {}
    for style in clues(leaf.sight, named).told:
        if isinstance(style, CursorPaging):
            tokens.setdefault(style.next, []).append(style.cursor_param)
            continue
        if lister.search is not None:
            continue  # an address would be a GET
        proof = prove_told(lister, leaf, style, expected)
        if proof.outcome == "proven":
            return proof
    for path, names in list(tokens.items())[:_TOKENS]:
        name = _taking(lister, leaf, path, [name for name in names if name not in lister.taken])
        if name is not None:
            number = lister.search is not None and numeric(lister.search, name)
            proof = prove_told(lister, leaf, CursorPaging(cursor_param=name, next=path, number=number), expected)
            if proof.outcome == "proven":
                return proof
    return None


def _taking(lister: Lister, leaf: Leaf, path: str, names: Sequence[str]) -> str | None:
    """The parameter which takes the token at `path` of an answer: the likeliest first, then the others together."""
    token = token_at(leaf.sight.value, leaf.sight.headers, path)

    def works(tried: Sequence[str]) -> bool | str:
        after = lister.get({**leaf.ask.query, **dict.fromkeys(tried, token)})
        if after.readable and not after.marks:  # a page may be empty; without the parameter the first one would have come again
            return token_at(after.sight.value, after.sight.headers, path) not in ("", token)
        return bool(after.marks) and not set(after.marks) & set(leaf.marks) if after.readable else after.why

    return next((name for name in names[:1] if works([name]) is True), None) or first_that(names[1:], works, lister.strange)


def sizes_of(leaf: Leaf, named: Sequence[str]) -> list[str]:
    """Parameters that may ask for a page's size: described ones, and those of the next page's address."""
    return list(dict.fromkeys([*sizes_in(named), *size_names(clues(leaf.sight, named), leaf.rows)]))


def keysets_of(named: Sequence[str], guess: bool) -> list[str]:
    """Parameters that may take the key of the last row."""
    return list(dict.fromkeys([*keysets_in(named), *(KEYSETS if guess else ())]))


def with_size(style: PagingStyle, size_param: str | None, size: int | None) -> PagingStyle:
    """The style with a page's size."""
    if isinstance(style, OffsetPaging):
        return style.model_copy(update={"size_param": size_param or style.size_param, "size": size or style.size})
    return style.model_copy(update={"size_param": size_param, "size": size if size_param else None})


_TOKENS = 3
"""Tokens of one answer that are tried."""


def _page_from(lister: Lister, plain: Leaf, second: Leaf, style: PagePaging, step: int) -> Proof:
    """A page's number moves on, but page 2 (or 1) is not the second: another first page, or a size that is ignored."""
    other = 1 - style.first
    turned = style.model_copy(update={"first": other})
    start = lister.get(_numbered(turned, 1, step))
    if start.readable and start.marks == plain.marks[step : 2 * step]:
        return Proof("proven", turned, f"page {other + 1} is the second one, of {step} rows", sized=True, leaf=start)
    unsized = style.model_copy(update={"size_param": None, "size": None})
    begin = lister.get(_numbered(unsized, 0, step))
    follow = lister.get(_numbered(unsized, 1, step))
    if begin.marks == plain.marks and follow.marks and not set(follow.marks) & set(plain.marks):
        return Proof("proven", unsized, f"page {style.first + 1} has {follow.rows} rows, none of page {style.first}", leaf=follow)
    if start.readable and start.marks and begin.marks and not set(start.marks) & set(plain.marks):
        zero = lister.get(_numbered(unsized.model_copy(update={"first": other}), 0, step))
        if zero.marks == plain.marks and begin.marks != plain.marks:
            again = unsized.model_copy(update={"first": other})
            return Proof("proven", again, f"page {other} is the first one, page {other + 1} has other rows", leaf=start)
    return _by_three(lister, style, second, step)


def _by_three(lister: Lister, style: OffsetPaging | PagePaging, second: Leaf, step: int) -> Proof:
    """Where the plain answer has another order: both small pages and a double one of the same style."""
    start, both = lister.get(_numbered(style, 0, step)), lister.get(_numbered(style, 0, 2 * step))
    if start.rows == step == second.rows and not set(start.marks) & set(second.marks):
        if [*start.marks, *second.marks] == both.marks:
            told = f"rows 0–{step - 1} and {step}–{2 * step - 1} together equal the first {2 * step}"
            return Proof("proven", style, told, sized=True, leaf=second)
        return Proof("unfit", style, "pages of different sizes don't fit together: rows move between two requests", leaf=second)
    if start.readable and start.marks == second.marks and start.marks:
        return Proof("ignored", style, f"{_words(style, 1, step)} gave the same {second.rows} rows as the first page",
                     sized=start.rows == step, leaf=second)  # fmt: skip
    why = f"asked for {step} rows, {start.rows} came" if start.rows != step else f"{_words(style, 1, step)} gave {second.why}"
    return Proof("unfit", style, why, leaf=second)


def _numbered(style: OffsetPaging | PagePaging, page: int, step: int) -> dict[str, str]:
    """Parameters of page 0, 1, … of `step` rows."""
    query = dict(first(style, step).query)
    if isinstance(style, OffsetPaging):
        query[style.offset_param] = str(page * step)
    else:
        query[style.page_param] = str(style.first + page)
    return query


def _words(style: OffsetPaging | PagePaging, page: int, step: int) -> str:
    return "&".join(f"{name}={value}" for name, value in _numbered(style, page, step).items())


def _name(style: PagingStyle) -> str:
    if isinstance(style, LinkPaging):
        return f"the header {style.header}"
    if isinstance(style, NextPaging | CursorPaging):
        return (
            f"{style.next} given to {style.cursor_param}" if isinstance(style, CursorPaging) else f"the address at {style.next}"
        )
    return style.kind
