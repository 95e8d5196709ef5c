"""What ended a run, as an error with its exit code."""

from __future__ import annotations

import dagster as dg

from spectra_assets.client.verdict import CLOSED
from spectra_assets.engine.console import Console
from spectra_assets.errors import ConfigurationError, CredentialError, GateError, SourceError, SpectraError
from spectra_assets.gates.judgement import Result


def ended_by(console: Console, run_id: str) -> BaseException:
    """What ended a run: the first table's error; a refused credential by its own name."""
    for outcome, results, error in console.problems:
        refused = next((result for result in results if result.gate == "auth_valid" and not result.passed), None)
        if refused is not None:
            return refusal(refused)
        if error is not None:
            return error
        return GateError(outcome.error or f"{outcome.table} was not published")
    return SpectraError(f"run {run_id} failed; see it in the Dagster UI (make dev)")


def refusal(result: Result) -> SpectraError:
    """Why no credential was accepted: it was refused; or what answers at the base URL is not the API, or not well."""
    statuses = {row.get("httpStatus") for row in result.sample}
    if statuses & CLOSED:
        return CredentialError(result.message)
    broken = any(status is not None and int(status) >= 500 for status in statuses)
    return SourceError(result.message) if broken else ConfigurationError(result.message)


def exit_code(problem: BaseException | None) -> int:
    """What the command ends with: 0 without a problem, else the code of its kind (README)."""
    if problem is None:
        return 0
    if isinstance(problem, SpectraError):
        return problem.exit_code
    return GateError.exit_code if isinstance(problem, dg.DagsterError) else SpectraError.exit_code
