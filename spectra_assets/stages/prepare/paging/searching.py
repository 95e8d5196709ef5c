"""The search for the style in which one list pages: what answers tell, then numbers, then keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spectra_assets.client.pager import first
from spectra_assets.covenant.access import OffsetPaging, PagePaging, PagingStyle
from spectra_assets.stages.asking.pagenames import STRICT_STYLES, page_style, sizes_in
from spectra_assets.stages.asking.pagenames import numbered as styles_of
from spectra_assets.stages.prepare.paging.clues import clues
from spectra_assets.stages.prepare.paging.lister import Leaf, Lister
from spectra_assets.stages.prepare.paging.proving import (
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

_CANDIDATES = 6
"""Styles by number tried for one list before names are guessed."""

ROUND = frozenset(
    (5, 10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 50, 60, 64, 75, 80, 100, 120, 128, 150, 200, 250, 256, 500, 512, 1000)
)
"""Numbers of rows that may be the size of a page rather than all there are."""

_FRUITLESS = 2
"""Lists whose names were guessed for nothing, after which only lists that look cut are guessed at."""


@dataclass
class Habits:
    """What other endpoints of the same API were shown to do: tried first, and assumed where a list is too short to tell."""

    styles: list[PagingStyle] = field(default_factory=list)
    """Proven styles, the latest first."""
    origin: str = ""
    """Path of the endpoint that showed the latest."""
    strange: set[str] = field(default_factory=set)
    """Parameters that refusals named as unknown."""
    fruitless: int = 0
    """Lists in a row for which guessing names led to nothing."""

    def learn(self, style: PagingStyle, path: str) -> None:
        """Remember a proven style."""
        alike = [known for known in self.styles if form_of(known) != form_of(style)]
        self.styles, self.origin, self.fruitless = [style, *alike], path, 0

    @property
    def sizes(self) -> list[str]:
        """Parameters shown to ask for a page's size."""
        return list(dict.fromkeys(style.size_param for style in self.styles if style.size_param))


@dataclass
class Search:
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
        for style in self.numbered()[:_CANDIDATES]:
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
        for style in self.numbered()[:_CANDIDATES]:
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
        guess = self.may_guess()
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
        further = self.size is not None or (guess and self._looks_cut())
        if further and (proof := find_number(self.lister, self.plain, self.size)):
            return self._better(proof)
        for style in STRICT_STYLES if guess and self._incomplete() else ():
            if (proof := prove_numbered(self.lister, self.plain, style)).outcome == "proven":
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
        name = self.size or find_size(self.lister, self.plain, candidates, self.may_guess() or not candidates)[0]
        if name is None:
            return proof
        if isinstance(proof.style, PagePaging):
            both = prove_numbered(self.lister, self.plain, page_style(proof.style.page_param, name))
            return both if both.outcome == "proven" and both.sized else proof
        if self._limits_all(proof, name):
            return proof
        return Proof(proof.outcome, with_size(proof.style, name, step_of(self.plain.rows)), proof.evidence, True, proof.leaf)

    def _limits_all(self, proof: Proof, name: str) -> bool:
        """Whether a parameter tells how many rows come in all, as OData's $top does: a smaller page then names no next one."""
        small = self.lister.get({name: str(step_of(self.plain.rows))})
        cut = small.readable and 0 < small.rows < self.plain.rows
        return cut and self.lister.leads_on(proof.style, self.plain) and not self.lister.leads_on(proof.style, small)

    def numbered(self) -> list[OffsetPaging | PagePaging]:
        """Candidates: proven styles, described names, the pack's styles, names in the next page's address."""
        told = clues(self.plain.sight, self.named).names
        found = [*self.habits.styles, *styles_of(self.named), *self.styles, *styles_of(told)]
        by_number = [style for style in found if isinstance(style, OffsetPaging | PagePaging)]
        free = [style for style in by_number if not parameters_of(style) & self.lister.taken]
        return list({form_of(style): style for style in reversed(free)}.values())[::-1]

    def _better(self, proof: Proof) -> Proof:
        """The style that the small page tells itself, if that is proven, since it holds while rows come and go."""
        told = self.told(proof.leaf) if proof.leaf is not None and proof.sized else None
        if told is None:
            return proof
        name = proof.style.size_param
        both = f"{told.evidence}; {title_of(proof.style)} works too: {proof.evidence}"
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
        return self._incomplete() or self.plain.rows in ROUND

    def may_guess(self) -> bool:
        """Whether to spend requests on names nobody told: not on lists that are whole, nor after guesses that led to nothing."""
        if self._incomplete():
            return True
        total, place = self.plain.sight.declared_total, self.plain.sight.total_at
        whole = total == self.plain.rows and not place.lower().endswith("count")
        described = bool(styles_of(self.named) or sizes_in(self.named)) or self.lister.explorer.pack.origin == "curated"
        if whole or described:
            return False
        fresh = not self.habits.styles and self.habits.fruitless < _FRUITLESS
        return fresh or self.plain.rows in ROUND


def parameters_of(style: PagingStyle) -> set[str]:
    """Names of a style's parameters."""
    fields = ("offset_param", "page_param", "cursor_param", "after_param", "size_param")
    return {name for each in fields if (name := getattr(style, each, None))}


def form_of(style: PagingStyle) -> tuple[Any, ...]:
    """What makes a style: its kind and names, whatever the size."""
    return (style.kind, tuple(sorted(parameters_of(style))), getattr(style, "next", ""))


def title_of(style: PagingStyle) -> str:
    return "&".join(sorted(parameters_of(style)))
