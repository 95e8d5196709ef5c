"""How endpoints page, measured by fetching: which parameters work, how many rows come at most, what is past the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spectra_assets.covenant.model import NoPaging, OffsetPaging, Paging
from spectra_assets.stages.answers import Sight
from spectra_assets.stages.probing import Id, Pick
from spectra_assets.stages.sampling import Asked, Explorer

FEW = 2
"""Rows of the small pages that are compared."""

_BEYOND = 10_000_000
"""An offset past the end of any list."""


@dataclass(frozen=True)
class Finding:
    """One measured fact about an endpoint."""

    constraint: str
    value: str | None
    evidence: str
    confidence: float = 1.0


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
    explorer: Explorer, asked: Asked, styles: Sequence[OffsetPaging], named: Sequence[str], size: int, rows: int | None = None
) -> Measured:
    """Try the paging styles on one list.

    `named` are the query parameters its description names, `size` the rows wanted, `rows` those which came without page
    parameters, where that is known.
    """
    if rows is None:
        alone = explorer.one(asked)
        if alone.category != "readable":
            return Measured(NoPaging(), [_available(alone)], {}, f"it answers {alone.reason or alone.category}")
        rows = alone.rows
    findings = [Finding("defaultPageSize", str(rows), f"GET {asked.path} without page parameters gave {rows} rows")]
    last = Measured(NoPaging(), findings, {}, "no paging style is known")
    for style in styles:
        last = _measure_style(explorer, asked, style, named, size, rows)
        if isinstance(last.paging, OffsetPaging) or last.unmeasured or last.ignores_offset:
            break
    return Measured(last.paging, [*findings, *last.findings], last.query, last.unmeasured, last.ignores_offset)


def _measure_style(
    explorer: Explorer, asked: Asked, style: OffsetPaging, named: Sequence[str], size: int, plain: int
) -> Measured:
    def page(offset: int, rows: int) -> Sight:
        return explorer.one(asked, {style.offset_param: str(offset), style.size_param: str(rows)})

    known = style.offset_param in named and style.size_param in named
    if plain <= FEW:
        if known:
            assumed = style.model_copy(update={"size": size})
            findings = [*_parameters(style, 0.5, "named by the description"), _paging(assumed, "too few rows to compare", 0.5)]
            return Measured(assumed, findings, {}, f"{plain} rows are too few to compare pages")
        return _unpaged("one answer, no page parameters are named", 0.6)
    first = page(0, FEW)
    if first.rows != FEW:
        return _unpaged(f"asked for {FEW} rows, {first.rows} came: {style.size_param} is ignored, all rows come at once", 0.9)
    second, both = page(FEW, FEW), page(0, 2 * FEW)
    if second.records == first.records:
        return _stuck(page, style, plain)
    if [*first.records, *second.records] != both.records:
        return _unpaged("pages of different sizes don't fit together", 0.3)
    return _limits(page, style, size)


def _limits(page: Any, style: OffsetPaging, size: int) -> Measured:
    """Paging works: the largest page, what is past the end, what the declared total is worth."""
    proof = f"rows 0–{FEW - 1} and {FEW}–{2 * FEW - 1} together equal the first {2 * FEW}"
    big = page(0, size)
    held = max(big.rows, 2 * FEW)
    more = page(held, FEW).rows if big.rows < size else 0
    accepted = held if more else size
    why = f"asked for {size} rows, {held} came" + (f", and {more} more after them: a silent limit" if more else "")
    paging = style.model_copy(update={"size": accepted})
    beyond = page(_BEYOND, FEW)
    after = "empty" if beyond.rows == 0 and beyond.category == "readable" else "firstPage" if beyond.rows else beyond.reason
    findings = [
        _paging(paging, proof, 1.0),
        *_parameters(style, 1.0, proof),
        Finding("largestPageSize", str(accepted), why, 1.0 if more or big.rows == size else 0.8),
        Finding("pastTheEnd", after or beyond.category, f"{style.offset_param}={_BEYOND} gave {beyond.rows} rows"),
        Finding("offsetIgnored", "false", proof),
    ]
    small = page(0, FEW).declared_total
    if small is not None:
        lie = small in (0, FEW) and held > FEW
        told = f"a page of {FEW} rows declares {small}, a page of {held} declares {big.declared_total}"
        findings.append(Finding("declaredTotal", "notCredible" if lie else "credible", told, 1.0 if lie else 0.8))
    return Measured(paging, findings, {})


def _stuck(page: Any, style: OffsetPaging, plain: int) -> Measured:
    """The offset is ignored: see whether a size can ask for everything at once."""
    evidence = f"{style.offset_param}={FEW} gave the same {FEW} rows as {style.offset_param}=0"
    findings = [
        Finding("offsetIgnored", "true", evidence),
        Finding("pastTheEnd", "firstPage", evidence),
        *_parameters(style, 1.0, evidence),
    ]
    everything = page(0, 0)
    if everything.rows > plain:
        told = f"{style.size_param}=0 gave {everything.rows} rows, the default is {plain}"
        findings += [Finding("largestPageSize", "0", f"{told}: 0 asks for every row", 0.9), _paging(NoPaging(), told, 0.9)]
        return Measured(NoPaging(), findings, {style.size_param: "0"}, ignores_offset=True)
    findings.append(_paging(NoPaging(), f"{evidence}, and no size gives more", 0.3))
    return Measured(NoPaging(), findings, {}, "the server ignores the offset: only its first page can be had", True)


def _unpaged(why: str, confidence: float) -> Measured:
    return Measured(NoPaging(), [_paging(NoPaging(), why, confidence)], {})


def _paging(paging: Paging, evidence: str, confidence: float) -> Finding:
    return Finding("paging", paging.model_dump_json(), evidence, confidence)


def _parameters(style: OffsetPaging, confidence: float, evidence: str) -> list[Finding]:
    return [
        Finding("offsetParameter", style.offset_param, evidence, confidence),
        Finding("sizeParameter", style.size_param, evidence, confidence),
    ]


def _available(found: Sight) -> Finding:
    return Finding("availability", found.category, found.reason or found.category)


def filled(picks: Mapping[str, Pick] | Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, Id], ...]:
    """What fills the parameters, from `probedWith`."""
    return tuple((name, pick.value if isinstance(pick, Pick) else pick["value"]) for name, pick in picks.items())
