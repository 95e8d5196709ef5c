"""A candidate judged by the gates that its covenant demands."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from pyspark.errors import PySparkException

from spectra_assets.covenant.model import Gate, Severity
from spectra_assets.errors import SpectraError, one_of
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Result, judge, nothing_to_judge, unjudged
from spectra_assets.gates.registry import GATES, RegisteredGate
from spectra_assets.lakehouse.retry import asked_again

__all__ = ["GATES", "Candidate", "Result", "blocking", "evaluate"]


def evaluate(candidate: Candidate) -> list[Result]:
    """Judge the candidate by the gates of its covenant entry, in order.

    Raises SpectraError for a gate that is not registered, is not for tables of this kind, or can't be judged (no evidence, a
    broken expression), and MissingInputError for an input that has not been delivered.
    """
    wanted = [(gate, _registered(candidate, gate)) for gate in candidate.table.gates]
    return [asked_again(partial(_evaluate, candidate, gate, registered)) for gate, registered in wanted]


def blocking(results: Iterable[Result]) -> list[Result]:
    """Those for which nothing may be published: failed, and demanded as ERROR."""
    return [result for result in results if not result.passed and result.severity == Severity.ERROR]


def _registered(candidate: Candidate, gate: Gate) -> RegisteredGate:
    table = candidate.table
    registered = GATES.get(gate.name)
    if registered is None:
        raise SpectraError(f"{table.table} names the gate {gate.name}, which is none of {one_of(GATES)}")
    if registered.kinds and table.build.kind not in registered.kinds:
        raise SpectraError(
            f"{table.table} is a table of kind {table.build.kind}; the gate {gate.name} judges {one_of(registered.kinds)}"
        )
    return registered


def _evaluate(candidate: Candidate, gate: Gate, registered: RegisteredGate) -> Result:
    try:
        if registered.needs is not None:
            needed = Judged(candidate.accepted, columns=dict.fromkeys(registered.needs(candidate)))
            absent = set(needed.columns) - set(candidate.accepted.columns)
            if absent:
                return judge(candidate, gate, needed)
        subject = registered.subject(candidate)
        result: Result | None = None
        for judged in [subject] if isinstance(subject, Judged) else subject:
            result = judge(candidate, gate, judged)
            if not result.passed:
                break
    except PySparkException as error:
        raise unjudged(candidate, gate, error) from error
    return result or nothing_to_judge(candidate, gate)
