"""A gap: one failed gate, seen in a run, with its cause. Free of Dagster: what was evaluated comes in as plain values."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

_SLUG = re.compile(r"[^a-z0-9]+")


class Cause(StrEnum):
    """Why a gate fails, as far as the gate alone can tell."""

    CREDENTIAL = "credential"
    CATALOGUE = "catalogue"
    UNREACHABLE_ENTITY = "unreachable_entity"
    UNPROVEN_DEPENDENCY = "unproven_dependency"
    INCOMPLETE_SCHEMA = "incomplete_schema"
    PAGE_LIMIT = "page_limit"
    INCOMPLETE_EXTRACT = "incomplete_extract"
    SCHEMA_DRIFT = "schema_drift"
    MISSING_KEY = "missing_key"
    ORPHAN = "orphan"
    TYPE_CONFLICT = "type_conflict"
    WRONG_KEY = "wrong_key"
    LOST_ROWS = "lost_rows"
    MISSING_VALUE = "missing_value"
    QUARANTINE = "quarantine"
    HISTORY = "history"
    RULE = "rule"
    TOTALS = "totals"
    LINEAGE = "lineage"
    MISSING_OUTPUT = "missing_output"
    MISSING_GATE = "missing_gate"
    OTHER = "other"


CAUSES: dict[str, Cause] = {
    "auth_valid": Cause.CREDENTIAL,
    "endpoints_unique": Cause.CATALOGUE,
    "endpoints_parsed": Cause.CATALOGUE,
    "hierarchy_proven": Cause.UNREACHABLE_ENTITY,
    "dependencies_proven": Cause.UNPROVEN_DEPENDENCY,
    "dependencies_acyclic": Cause.UNPROVEN_DEPENDENCY,
    "schema_has_all_entities": Cause.INCOMPLETE_SCHEMA,
    "one_entity_per_row": Cause.INCOMPLETE_SCHEMA,
    "fields_as_arrays": Cause.INCOMPLETE_SCHEMA,
    "fields_have_target_names": Cause.INCOMPLETE_SCHEMA,
    "endpoints_covered": Cause.UNREACHABLE_ENTITY,
    "page_limits_known": Cause.PAGE_LIMIT,
    "extract_complete": Cause.INCOMPLETE_EXTRACT,
    "no_schema_drift": Cause.SCHEMA_DRIFT,
    "primary_key_present": Cause.MISSING_KEY,
    "parents_resolved": Cause.ORPHAN,
    "types_hold": Cause.TYPE_CONFLICT,
    "primary_key_unique": Cause.WRONG_KEY,
    "rows_conserved": Cause.LOST_ROWS,
    "required_present": Cause.MISSING_VALUE,
    "quarantine_small": Cause.QUARANTINE,
    "one_current_row": Cause.HISTORY,
    "validity_has_no_gap_or_overlap": Cause.HISTORY,
    "foreign_keys_resolve": Cause.ORPHAN,
    "references_matched": Cause.ORPHAN,
    "grain_unique": Cause.WRONG_KEY,
    "rules_applied": Cause.RULE,
    "totals_reconcile": Cause.TOTALS,
    "model_complete": Cause.MISSING_OUTPUT,
    "lineage_matches_covenant": Cause.LINEAGE,
    "all_outputs_exist": Cause.MISSING_OUTPUT,
    "all_gates_ran": Cause.MISSING_GATE,
    "manifest_complete": Cause.MISSING_OUTPUT,
}
"""Gate → the cause its failure speaks for."""


class Gap(BaseModel):
    """One failed evaluation of one gate. `evaluation` tells it from every other one, so that it is counted once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    stage: str
    table: str
    check: str
    severity: str
    covenant_version: str
    run_id: str
    evaluation: str
    seen_at: str
    """UTC, ISO 8601."""
    failed: int | None = None
    total: int | None = None
    message: str = ""

    @property
    def cause(self) -> Cause:
        return CAUSES.get(self.check, Cause.OTHER)

    @property
    def fingerprint(self) -> str:
        """Equal for evaluations that show the same gap: source, stage, table, check, cause."""
        parts = (self.source, self.stage, self.table, self.check, self.cause)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    @property
    def lesson_id(self) -> str:
        """File name of the gap's lesson: readable, and unique by the end of the fingerprint."""
        readable = _SLUG.sub("-", f"{self.source}-{self.stage}-{self.table}-{self.check}".lower()).strip("-")
        return f"{readable[:90]}-{self.fingerprint[:8]}"
