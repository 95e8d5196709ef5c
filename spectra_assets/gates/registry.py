"""The gates that a playbook may demand.

The modules of this package register theirs as the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged

Subject = Callable[[Candidate], Judged | Iterable[Judged]]
"""What a gate judges: frames with their rules. Of several, the first broken one decides."""

Needs = Callable[[Candidate], Iterable[str]]
"""Columns of the candidate without which the subject can't be formed."""


@dataclass(frozen=True)
class RegisteredGate:
    """A gate, with the kinds of build it applies to (empty: every kind)."""

    name: str
    subject: Subject
    kinds: frozenset[str]
    needs: Needs | None = None

    @property
    def description(self) -> str:
        """What it shows, in one line."""
        return " ".join((self.subject.__doc__ or "").split())


GATES: dict[str, RegisteredGate] = {}
"""Every gate that a playbook may demand."""


def gate(name: str, kinds: Collection[str] = (), needs: Needs | None = None) -> Callable[[Subject], Subject]:
    """Register the function as the gate `name` for tables built in one of `kinds`."""

    def register(subject: Subject) -> Subject:
        if name in GATES:
            raise SpectraError(f"the gate {name} is registered twice")
        GATES[name] = RegisteredGate(name, subject, frozenset(kinds), needs)
        return subject

    return register
