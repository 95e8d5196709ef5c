"""How endpoints page, measured by fetching: in which style, by which parameters, how many rows come at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.client.pager import first
from spectra_assets.covenant.model import (
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
from spectra_assets.stages.clues import clues
from spectra_assets.stages.ids import Id, Pick
from spectra_assets.stages.limits import ENDLESS, Finding, extent, past_the_end, totals
from spectra_assets.stages.lister import Leaf, Lister
from spectra_assets.stages.pagenames import numbered, page_style, sizes_in
from spectra_assets.stages.proving import (
    Proof,
    find_number,
    find_size,
    keysets_of,
    prove_keyset,
    prove_numbered,
    sizes_of,
    step_of,
    told_by,
    with_size,
)
from spectra_assets.stages.sampling import Asked, Explorer

__all__ = ["Finding", "Habits", "Measured", "filled", "measure"]

_CANDIDATES = 6
"""Styles by number tried for one list before names are guessed."""

_ROUND = frozenset(
    (5, 10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 50, 60, 64, 75, 80, 100, 120, 128, 150, 200, 250, 256, 500, 512, 1000)
)
"""Numbers of rows that may be the size of a page rather than all there are."""


@dataclass(frozen=True)
class Measured:
    """How one endpoint pages. `unmeasured` says why that is only assumed."""

    paging: Paging
    findings: list[Finding]
    query: dict[str, str]
    """What must be sent along, for example a size that asks for every row."""
    unmeasured: str = ""
    ignores_offset: bool = False


@dataclass
class Habits:
    """What other endpoints of the same API were shown to do: tried first, and assumed where a list is too short to tell."""

    styles: list[PagingStyle] = field(default_factory=list)
    """Proven styles, the latest first."""
    origin: str = ""
    """Path of the endpoint that showed the latest."""
    fruitless: int = 0
    """Lists in a row for which guessing names led to nothing."""

    def learn(self, style: PagingStyle, path: str) -> None:
        """Remember a proven style."""
        alike = [known for known in self.styles if _form(known) != _form(style)]
        self.styles, self.origin, self.fruitless = [style, *alike], path, 0

    @property
    def sizes(self) -> list[str]:
        """Parameters shown to ask for a page's size."""
        return list(dict.fromkeys(style.size_param for style in self.styles if style.size_param))


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
    lister = Lister(explorer, asked)
    if rows is not None and rows < 2:
        told = f"GET {asked.path} without page parameters gave {rows} rows"
        return _too_short(None, rows, styles, named, size, habits, [Finding("defaultPageSize", str(rows), told)])
    plain = lister.plain()
    search = _Search(lister, plain, list(styles), list(named), habits)
    if plain.sight.category == "needsParameters":
        plain = search.plain = search.opened()
    if not plain.readable:
        why = plain.sight.reason or plain.sight.category
        if plain.sight.category == "notProbed":
            return _unmeasured(styles, named, size, habits, why)
        return Measured(NoPaging(), [Finding("availability", plain.sight.category, why)], {}, f"it answers {why}")
    findings = [Finding("defaultPageSize", str(plain.rows), f"GET {asked.path} without page parameters gave {plain.rows} rows")]
    proof = search.told(plain)
    if proof is None and plain.rows < 2:
        return _too_short(plain, plain.rows, styles, named, size, habits, findings)
    proof = proof or search.by_number() or search.by_guess()
    if proof is None:
        return search.nothing(size, findings)
    return _proven(lister, search.sized(proof), plain, size, findings, habits)


@dataclass
class _Search:
    """The search for the style of one list."""

    lister: Lister
    plain: Leaf
    styles: list[PagingStyle]
    named: list[str]
    habits: Habits
    ignored: Proof | None = None
    """A style by number whose number changes nothing."""
    size: str | None = None
    """A parameter shown to ask for a page's size."""
    refusals: list[str] = field(default_factory=list)
    unfit: str = ""
    sought: bool = False
    """Whether a parameter of size was looked for under every well-known name."""
    idle: set[str] = field(default_factory=set)
    """Parameters of size that were shown to change nothing."""

    def opened(self) -> Leaf:
        """The first page of a list that demands its parameters of paging; what it was without them if there is none."""
        for style in self._numbered()[:_CANDIDATES]:
            leaf = self.lister.get(first(style).query)
            if leaf.readable and leaf.rows:
                return self.lister.identified(leaf)
        return self.plain

    def told(self, leaf: Leaf) -> Proof | None:
        """The style in which an answer tells the next page itself."""
        start = self._place(leaf)
        expected = self.plain.marks[start + leaf.rows :] if start is not None else []
        return told_by(self.lister, leaf, self.named, expected)

    def by_number(self) -> Proof | None:
        """Styles by number, proven ones of this API first; if one works and the answer tells the next page too, that wins."""
        for style in self._numbered()[:_CANDIDATES]:
            proof = prove_numbered(self.lister, self.plain, style)
            if proof.sized and self.size is None:
                self.size = style.size_param
            if proof.outcome == "proven":
                return self._better(proof)
            if proof.outcome == "ignored" and not proof.sized and style.size_param:
                self.idle.add(style.size_param)
            if proof.outcome == "ignored" and (self.ignored is None or (proof.sized and not self.ignored.sized)):
                self.ignored = proof
            if proof.outcome == "refused":
                self.refusals.append(proof.evidence)
            if proof.outcome == "unfit":
                self.unfit = proof.evidence
        return None

    def by_guess(self) -> Proof | None:
        """Names that nothing told: a size first, since a small page may tell the next one; then numbers; then keys."""
        guess = self._may_guess()
        if self.size is None:
            known = dict.fromkeys([*self.habits.sizes, *sizes_of(self.plain, self.named)])
            candidates = [name for name in known if name not in self.idle]
            self.sought = guess
            self.size, small = find_size(self.lister, self.plain, candidates, guess)
        else:
            small = self.lister.get({self.size: str(step_of(self.plain.rows))})
        if small is not None and small.rows and (proof := self.told(small)):
            return proof
        # without a size that works, numbers are unlikely, unless the rows look like a page
        further = guess and (self.size is not None or self._looks_cut())
        if further and (proof := find_number(self.lister, self.plain, self.size)):
            return self._better(proof)
        names = keysets_of(self.named, further)
        if names and (proof := prove_keyset(self.lister, self.plain, names, self.size)):
            return proof
        self.habits.fruitless += guess
        return None

    def sized(self, proof: Proof) -> Proof:
        """The proof with a parameter for the page's size, if one works as well."""
        hopeless = self.sought and self.size is None
        if proof.sized or isinstance(proof.style, OffsetPaging) or self.plain.rows < 2 or hopeless:
            return proof
        candidates = list(dict.fromkeys([*self.habits.sizes, *sizes_of(self.plain, self.named)]))
        name = self.size or find_size(self.lister, self.plain, candidates, self._may_guess() or not candidates)[0]
        if name is None:
            return proof
        if isinstance(proof.style, PagePaging):
            both = prove_numbered(self.lister, self.plain, page_style(proof.style.page_param, name))
            return both if both.outcome == "proven" and both.sized else proof
        return Proof(proof.outcome, with_size(proof.style, name, step_of(self.plain.rows)), proof.evidence, True, proof.leaf)

    def nothing(self, size: int, findings: list[Finding]) -> Measured:
        """No style works: everything came at once, or the rest can't be had."""
        total = self.plain.sight.declared_total
        if self.ignored is not None and self.ignored.sized and isinstance(self.ignored.style, OffsetPaging | PagePaging):
            stuck = _stuck(self.lister, self.ignored, self.plain)
            return Measured(stuck.paging, [*findings, *stuck.findings], stuck.query, stuck.unmeasured, stuck.ignores_offset)
        rows = self.plain.rows
        if self.lister.explorer.wire.spent:
            left = _unmeasured(self.styles, self.named, size, self.habits, "the budget of requests was used up while measuring")
            return Measured(left.paging, [*findings, *left.findings], {}, left.unmeasured)
        if total is not None and total > rows:
            why = f"{rows} rows came of {total} that are declared, and no parameter gives the others"
            return Measured(NoPaging(), [*findings, _paging(NoPaging(), why, 0.2)], {}, why)
        if self.unfit:
            return Measured(NoPaging(), [*findings, _paging(NoPaging(), self.unfit, 0.3 if "move" in self.unfit else 0.9)], {})
        if total == rows:
            why, sure = f"{rows} rows came, as many as are declared", 1.0
        elif self.ignored is not None and _names(self.ignored.style) <= set(self.named):
            why = f"{self.ignored.evidence}, although the description names these parameters"
            return Measured(NoPaging(), [*findings, _paging(NoPaging(), why, 0.5)], {}, why)
        elif self.ignored is not None:
            why, sure = f"{self.ignored.evidence}, and sizes are ignored: all rows come at once", 0.9
        elif self.refusals:
            why, sure = f"parameters of pages are refused: {self.refusals[0][:160]}", 0.7
        else:
            why, sure = "no parameter of paging changes the answer: all rows come at once", 0.6 if rows in _ROUND else 0.8
        return Measured(NoPaging(), [*findings, _paging(NoPaging(), why, sure)], {})

    def _numbered(self) -> list[OffsetPaging | PagePaging]:
        """Candidates: proven styles, described names, the pack's styles, names in the next page's address."""
        told = clues(self.plain.sight, self.named).names
        found = [*self.habits.styles, *numbered(self.named), *self.styles, *numbered(told)]
        by_number = [style for style in found if isinstance(style, OffsetPaging | PagePaging)]
        free = [style for style in by_number if not _names(style) & self.lister.taken]
        return list({_form(style): style for style in reversed(free)}.values())[::-1]

    def _better(self, proof: Proof) -> Proof:
        """The style that the small page tells itself, if that is proven, since it holds while rows come and go."""
        told = self.told(proof.leaf) if proof.leaf is not None and proof.sized else None
        if told is None:
            return proof
        name = proof.style.size_param
        both = f"{told.evidence}; {_title(proof.style)} works too: {proof.evidence}"
        return Proof("proven", with_size(told.style, name, step_of(self.plain.rows)), both, True, told.leaf)

    def _place(self, leaf: Leaf) -> int | None:
        """Where the rows of a page begin in the plain answer."""
        marks = self.plain.marks
        return marks.index(leaf.marks[0]) if leaf.marks and leaf.marks[0] in marks else None

    def _incomplete(self) -> bool:
        total = self.plain.sight.declared_total
        return total is not None and total > self.plain.rows

    def _looks_cut(self) -> bool:
        """Whether the rows are as many as a page may have, or fewer than are declared."""
        return self._incomplete() or self.plain.rows in _ROUND

    def _may_guess(self) -> bool:
        """Whether to spend requests on names nobody told: not on lists that are whole, nor after guesses that led to nothing."""
        if self._incomplete():
            return True
        total, place = self.plain.sight.declared_total, self.plain.sight.total_at
        whole = total == self.plain.rows and not place.lower().endswith("count")
        described = bool(numbered(self.named) or sizes_in(self.named)) or self.lister.explorer.pack.origin == "curated"
        if whole or described:
            return False
        fresh = not self.habits.styles and self.habits.fruitless < _FRUITLESS
        return fresh or self.plain.rows in _ROUND


_FRUITLESS = 2


def _proven(lister: Lister, proof: Proof, plain: Leaf, size: int, findings: list[Finding], habits: Habits) -> Measured:
    """Paging works: its limits."""
    found = extent(lister, proof, size, plain)
    style = with_size(proof.style, proof.style.size_param, found.size)
    habits.learn(style, lister.asked.path)
    small = [leaf for leaf in (proof.leaf, plain) if leaf is not None and leaf.readable]
    beyond = past_the_end(lister, style, found, plain)
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
        if _names(style) and _names(style) <= set(named):
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
    if plain is None or isinstance(style, LinkPaging):
        return not named
    if isinstance(style, NextPaging | CursorPaging):
        value: Any = plain.sight.value
        for key in style.next.split("."):
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
        facts |= {"cursorParameter": style.cursor_param, "nextAt": style.next}
    elif isinstance(style, KeysetPaging):
        facts |= {"afterParameter": style.after_param, "afterField": style.field}
    elif isinstance(style, NextPaging):
        facts["nextAt"] = style.next
    else:
        facts["nextAt"] = f"header {style.header}"
    return [Finding(name, value, evidence, confidence) for name, value in sorted(facts.items()) if value is not None]


def _paging(paging: Paging, evidence: str, confidence: float) -> Finding:
    return Finding("paging", paging.model_dump_json(), evidence[:600], confidence)


def _names(style: PagingStyle) -> set[str]:
    """Names of a style's parameters."""
    fields = ("offset_param", "page_param", "cursor_param", "after_param", "size_param")
    return {name for each in fields if (name := getattr(style, each, None))}


def _form(style: PagingStyle) -> tuple[Any, ...]:
    """What makes a style: its kind and names, whatever the size."""
    return (style.kind, tuple(sorted(_names(style))), getattr(style, "next", ""))


def _title(style: PagingStyle) -> str:
    return "&".join(sorted(_names(style)))


def filled(picks: Mapping[str, Pick] | Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, Id], ...]:
    """What fills the parameters, from `probedWith`."""
    return tuple((name, pick.value if isinstance(pick, Pick) else pick["value"]) for name, pick in picks.items())
