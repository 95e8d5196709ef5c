"""Gates of Refine: the declared rules are there, each as a column."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.covenant.build import Derivation, Refinement
from spectra_assets.covenant.model import DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged
from spectra_assets.gates.registry import gate


@gate("rules_applied", kinds=("refinement",))
def rules_applied(candidate: Candidate) -> Iterator[Judged]:
    """Every column that a rule declares is there, with the covenant's type."""
    build = candidate.table.build
    made: dict[str, DataType | None] = {}
    for rule in build.rules if isinstance(build, Refinement) else ():
        for name in [rule.column] if isinstance(rule, Derivation) else rule.columns:
            column = candidate.table.columns.get(name)
            made[name] = column.type if column else None
    if made:
        advice = "the step that follows the rules was left out, or the covenant is older than the rules"
        yield Judged(candidate.accepted, columns=made, advice=advice)
