"""How endpoints page, measured by fetching: in which style, by which parameters, how many rows come at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spectra_assets.client.pager import HEADER, text_at
from spectra_assets.covenant.access import (
    CursorPaging,
    KeysetPaging,
    LinkPaging,
    NextPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    Paging,
    PagingStyle,
)
from spectra_assets.covenant.paths import chosen, split_path
from spectra_assets.stages.asking.ids import Id, Pick
from spectra_assets.stages.asking.pagenames import SIZES, numbered, sizes_in
from spectra_assets.stages.asking.sampling import Asked, Explorer
from spectra_assets.stages.prepare.paging.limits import ENDLESS, Finding, extent, past_the_end, totals
from spectra_assets.stages.prepare.paging.lister import Leaf, Lister
from spectra_assets.stages.prepare.paging.opened import opened
from spectra_assets.stages.prepare.paging.proving import (
    Proof,
    with_size,
)
from spectra_assets.stages.prepare.paging.searching import ROUND, Habits, Search, parameters_of

__all__ = ["Finding", "Habits", "Measured", "filled", "measure"]

_WIDE = 50
"""Rows asked for of a list that gave one."""

_MANY = 1_000
"""Rows asked for at once of a list that takes nothing but a size."""


@dataclass(frozen=True)
class Measured:
    """How one endpoint pages. `unmeasured` says why that is only assumed."""

    paging: Paging
    findings: list[Finding]
    query: dict[str, str]
    """What must be sent along, for example a size that asks for every row."""
    unmeasured: str = ""
    ignores_offset: bool = False


def measure(
    explorer: Explorer,
    asked: Asked,
    styles: Sequence[PagingStyle],
    named: Sequence[str],
    size: int,
    rows: int | None = None,
    habits: Habits | None = None,
) -> Measured:
    """Find out how one list pages: what the server tells of the next page first, then numbers, then keys.

    `styles` are the pack's, `named` the query parameters that the description names, `size` the rows wanted, `rows` those
    which came without page parameters, where that is known. What is proven is added to `habits`.
    """
    habits = habits if habits is not None else Habits()
    lister = Lister(explorer, asked, habits.strange)
    if rows is not None and rows < 2:
        told = f"{asked.path} without page parameters gave {rows} rows"
        if rows == 1 and (fuller := _fuller(lister, named, habits)) is not None:
            search = Search(lister, fuller, list(styles), list(named), habits)
            proof = search.told(fuller) or search.by_number() or search.by_guess()
            if proof is not None:
                return _proven(lister, search.sized(proof), fuller, size, [Finding("defaultPageSize", "1", told)], habits, named)
        keyed = rows == 1 and any(isinstance(style, KeysetPaging) for style in habits.styles)
        return _too_short(
            lister.plain() if keyed else None, rows, styles, named, size, habits, [Finding("defaultPageSize", str(rows), told)]
        )
    plain = lister.plain()
    search = Search(lister, plain, list(styles), list(named), habits)
    if plain.sight.category == "needsParameters":
        plain = search.plain = search.opened()
    if not plain.readable:
        why = plain.sight.reason or plain.sight.category
        if plain.sight.category == "notProbed":
            return _unmeasured(styles, named, size, habits, why)
        return Measured(NoPaging(), [Finding("availability", plain.sight.category, why)], {}, f"it answers {why}")
    findings = [Finding("defaultPageSize", str(plain.rows), f"{asked.path} without page parameters gave {plain.rows} rows")]
    proof = search.told(plain)
    if proof is None and plain.rows < 2:
        return _too_short(plain, plain.rows, styles, named, size, habits, findings)
    proof = proof or search.by_number() or search.by_guess()
    if proof is None:
        return _nothing(search, size, findings)
    return _proven(lister, search.sized(proof), plain, size, findings, habits, named)


def _fuller(lister: Lister, named: Sequence[str], habits: Habits) -> Leaf | None:
    """The page with several rows of a list that gives one row unless it is told how many; None if no size brings more."""
    shown = [style.size_param for style in habits.styles if style.size_param]
    for name in dict.fromkeys((*sizes_in(named)[:1], *shown[:1], SIZES[0])):
        leaf = lister.get({name: str(_WIDE)}) if name not in lister.taken else None
        if leaf is not None and leaf.readable and leaf.rows > 1:
            return lister.identified(leaf)
    return None


def _nothing(search: Search, size: int, findings: list[Finding]) -> Measured:
    """No style works: everything came at once, or the rest can't be had."""
    total = search.plain.sight.declared_total
    if search.ignored is not None and search.ignored.sized and isinstance(search.ignored.style, OffsetPaging | PagePaging):
        stuck = _stuck(search.lister, search.ignored, search.plain)
        return Measured(stuck.paging, [*findings, *stuck.findings], stuck.query, stuck.unmeasured, stuck.ignores_offset)
    rows = search.plain.rows
    if search.lister.explorer.wire.spent:
        left = _unmeasured(search.styles, search.named, size, search.habits, "the budget of requests was used up while measuring")
        return Measured(left.paging, [*findings, *left.findings], {}, left.unmeasured)
    if total is not None and total > rows:
        why = f"{rows} rows came of {total} that are declared, and no parameter gives the others"
        return Measured(NoPaging(), [*findings, _paging(NoPaging(), why, 0.2)], {}, why)
    if search.unfit:
        return Measured(NoPaging(), [*findings, _paging(NoPaging(), search.unfit, 0.3 if "move" in search.unfit else 0.9)], {})
    doubt = _doubt(search) if total is None else ""
    if doubt:
        cut = NoPaging(size_param=search.size)
        told = [_paging(cut, doubt, 0.3), Finding("notMeasured", None, doubt, 0.0)]
        return Measured(cut, [*findings, *told], {}, doubt)
    if total == rows:
        why, sure = f"{rows} rows came, as many as are declared", 1.0
    elif search.ignored is not None and parameters_of(search.ignored.style) <= set(search.named):
        why = f"{search.ignored.evidence}, although the description names these parameters"
        return Measured(NoPaging(), [*findings, _paging(NoPaging(), why, 0.5)], {}, why)
    elif search.ignored is not None:
        why, sure = f"{search.ignored.evidence}, and sizes are ignored: all rows come at once", 0.9
    elif search.refusals:
        why, sure = f"parameters of pages are refused: {search.refusals[0][:160]}", 0.7
    else:
        why, sure = "no parameter of paging changes the answer: all rows come at once", 0.6 if rows in ROUND else 0.8
    return Measured(NoPaging(), [*findings, _paging(NoPaging(), why, sure)], {})


def _doubt(search: Search) -> str:
    """Why a list that no style pages may go on all the same; empty if nothing says so."""
    rows, refused = search.plain.rows, search.lister.refusals
    if search.size is not None:
        more = search.lister.get({search.size: str(max(_MANY, 2 * rows))})
        if more.readable and more.rows <= rows and rows not in ROUND:
            return ""
        return f"{search.size} asks for fewer rows, and nothing that was tried leads to the others: there may be more than {rows}"
    if refused and rows in ROUND:
        told = refused[-1][:160]
        return f"{rows} rows came, as many as pages often have, and what was tried is refused ({told}): there may be more"
    return ""


def _proven(
    lister: Lister, proof: Proof, plain: Leaf, size: int, findings: list[Finding], habits: Habits, named: Sequence[str]
) -> Measured:
    """Paging works: its limits. Where numbers do not lead to the end, and a cursor does, it is that."""
    found = extent(lister, proof, size, plain)
    style = with_size(proof.style, proof.style.size_param, found.size)
    habits.learn(style, lister.asked.path)
    small = [leaf for leaf in (proof.leaf, plain) if leaf is not None and leaf.readable]
    beyond = past_the_end(lister, style, found, plain)
    if isinstance(style, OffsetPaging | PagePaging) and beyond.value is not None and beyond.value.isdigit() and lister.refusals:
        deeper = opened(lister, style, lister.refusals[-1], named, plain.sight.declared_total)
        if deeper is not None:
            return _proven(lister, deeper, plain, size, findings, habits, named)
    made = [
        *findings,
        _paging(style, proof.evidence, 1.0),
        *_parameters(style, 1.0, proof.evidence),
        Finding("largestPageSize", str(found.size), found.evidence, found.sure),
        beyond,
        Finding("offsetIgnored", "false", proof.evidence),
        *totals(lister, style, found, small),
    ]
    if lister.moved_to is not None:
        made.append(Finding("recordsAt", lister.moved_to, "what stands there changes from page to page"))
    endless = f"the list never ends: {beyond.evidence}" if beyond.value == ENDLESS else ""
    if endless:
        made.append(Finding("availability", ENDLESS, endless))
    return Measured(style, [finding for finding in made if finding.value is not None], {}, endless)


def _stuck(lister: Lister, proof: Proof, plain: Leaf) -> Measured:
    """The number of a page or row is ignored: see whether a size can ask for everything at once."""
    style = proof.style
    findings = [
        Finding("offsetIgnored", "true", proof.evidence),
        Finding("pastTheEnd", "firstPage", proof.evidence),
        *_parameters(style, 1.0, proof.evidence),
    ]
    name = str(style.size_param)
    everything = lister.get({name: "0"})
    if everything.rows > plain.rows:
        told = f"{name}=0 gave {everything.rows} rows, the default is {plain.rows}"
        findings += [Finding("largestPageSize", "0", f"{told}: 0 asks for every row", 0.9), _paging(NoPaging(), told, 0.9)]
        return Measured(NoPaging(), findings, {name: "0"}, ignores_offset=True)
    findings.append(_paging(NoPaging(), f"{proof.evidence}, and no size gives more", 0.3))
    return Measured(NoPaging(), findings, {}, "the server ignores the offset: only its first page can be had", True)


def _too_short(
    plain: Leaf | None,
    rows: int,
    styles: Sequence[PagingStyle],
    named: Sequence[str],
    size: int,
    habits: Habits,
    findings: list[Finding],
) -> Measured:
    """A list of one row or none: its style is assumed from its description, or from what its siblings do."""
    style, why = _assumed(plain, styles, named, habits)
    if style is None:
        return Measured(NoPaging(), [*findings, _paging(NoPaging(), "one answer, no page parameters are named", 0.6)], {})
    style = with_size(style, style.size_param, size)
    made = [*findings, *_parameters(style, 0.5, why), _paging(style, f"too few rows to compare; {why}", 0.5)]
    return Measured(style, made, {}, f"{rows} rows are too few to compare pages")


def _unmeasured(styles: Sequence[PagingStyle], named: Sequence[str], size: int, habits: Habits, why: str) -> Measured:
    """Nothing could be asked: what is likely is assumed."""
    style, told = _assumed(None, styles, named, habits)
    findings = [Finding("notMeasured", None, why, 0.0)]
    if style is None:
        return Measured(NoPaging(), findings, {}, why)
    sized = with_size(style, style.size_param, style.size or size)
    return Measured(sized, [*findings, _paging(sized, f"{why}; {told}", 0.4)], {}, why)


def _assumed(
    plain: Leaf | None, styles: Sequence[PagingStyle], named: Sequence[str], habits: Habits
) -> tuple[PagingStyle | None, str]:
    """The style that an endpoint most likely has: one whose parameters it names, or that of its siblings."""
    for style in (*habits.styles, *styles):
        if parameters_of(style) and parameters_of(style) <= set(named):
            return style, "its parameters are named by the description"
    described = numbered(named)
    if described:
        return described[0], "its parameters are named by the description"
    for style in habits.styles:
        if _fits(style, plain, named):
            return style, f"as shown by {habits.origin}"
    return None, ""


def _fits(style: PagingStyle, plain: Leaf | None, named: Sequence[str]) -> bool:
    """Whether an endpoint whose description does not name the parameters may still page like its siblings."""
    if isinstance(style, KeysetPaging):  # what others are asked for by must be in these records as well
        return not named and plain is not None and any(text_at(record, style.field) for record in plain.sight.records)
    if plain is None or isinstance(style, LinkPaging):
        return not named
    if isinstance(style, CursorPaging) and style.next.startswith(HEADER):
        return style.next.removeprefix(HEADER) in plain.sight.headers
    if isinstance(style, NextPaging | CursorPaging):
        value: Any = plain.sight.value
        for key in split_path(style.next):
            if isinstance(value, Mapping) and (of := chosen(key)) is not None:
                return of.array in value
            if not isinstance(value, Mapping) or key not in value:
                return False
            value = value[key]
        return True
    return not named


def _parameters(style: PagingStyle, confidence: float, evidence: str) -> list[Finding]:
    facts: dict[str, str | None] = {"sizeParameter": style.size_param}
    if isinstance(style, OffsetPaging):
        facts["offsetParameter"] = style.offset_param
    elif isinstance(style, PagePaging):
        facts |= {"pageParameter": style.page_param, "firstPage": str(style.first)}
    elif isinstance(style, CursorPaging):
        facts |= {"cursorParameter": style.cursor_param, "firstPage": style.opening, "nextAt": style.next}
    elif isinstance(style, KeysetPaging):
        facts |= {"afterParameter": style.after_param, "afterField": style.field}
    elif isinstance(style, NextPaging):
        facts["nextAt"] = style.next
    else:
        facts["nextAt"] = f"header {style.header}"
    return [Finding(name, value, evidence, confidence) for name, value in sorted(facts.items()) if value is not None]


def _paging(paging: Paging, evidence: str, confidence: float) -> Finding:
    return Finding("paging", paging.model_dump_json(exclude_none=isinstance(paging, NoPaging)), evidence[:600], confidence)


def filled(picks: Mapping[str, Pick] | Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, Id], ...]:
    """What fills the parameters, from `probedWith`."""
    return tuple((name, pick.value if isinstance(pick, Pick) else pick["value"]) for name, pick in picks.items())
