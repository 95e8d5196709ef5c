"""A gap: what a run showed to be otherwise than promised, with its cause, its subject and typed evidence. Free of Dagster.

One failed evaluation may show several gaps, one per subject: a field, an entity, an endpoint, a column. What they are is decided
by evidence (`detect.py`), never by the name of the gate alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_SLUG = re.compile(r"[^a-z0-9]+")

FACTS = 20
"""Facts that a gap holds at most."""

WIDTH = 200
"""Characters of a fact's text at most."""

NOTED = 400
"""Characters of what an API said, with where it said so, at most."""


class Cause(StrEnum):
    """Why a promise was not kept, as far as the evidence tells."""

    CREDENTIAL = "credential"
    CATALOGUE = "catalogue"
    UNREACHABLE_ENTITY = "unreachable_entity"
    UNPROVEN_DEPENDENCY = "unproven_dependency"
    IGNORED_PARAMETER = "ignored_parameter"
    INCOMPLETE_SCHEMA = "incomplete_schema"
    UNCOVERED_ENDPOINT = "uncovered_endpoint"
    ENDPOINT_GONE = "endpoint_gone"
    ENDPOINT_FORBIDDEN = "endpoint_forbidden"
    ENDPOINT_BROKEN = "endpoint_broken"
    RATE_LIMITED = "rate_limited"
    PAGE_LIMIT = "page_limit"
    PAGING_CHANGED = "paging_changed"
    ENVELOPE_CHANGED = "envelope_changed"
    INCOMPLETE_EXTRACT = "incomplete_extract"
    DUPLICATE_ROWS = "duplicate_rows"
    NEW_FIELD = "new_field"
    CHANGED_TYPE = "changed_type"
    MISSING_FIELD = "missing_field"
    EMPTIED_FIELD = "emptied_field"
    RENAMED_FIELD = "renamed_field"
    CHANGED_UNIT = "changed_unit"
    CHANGED_VALUES = "changed_values"
    CHANGED_WORDS = "changed_words"
    PLACEHOLDER = "placeholder"
    SECOND_DATE_FORMAT = "second_date_format"
    NULL_IN_REQUIRED = "null_in_required"
    MISSING_KEY = "missing_key"
    WRONG_KEY = "wrong_key"
    ORPHAN = "orphan"
    LATE_PARENT = "late_parent"
    UNMAPPED_VALUE = "unmapped_value"
    LOST_ROWS = "lost_rows"
    RECORDS_GONE = "records_gone"
    SOURCE_SHRANK = "source_shrank"
    QUARANTINE = "quarantine"
    HISTORY = "history"
    RULE = "rule"
    ROWS_SET_ASIDE = "rows_set_aside"
    UNSTEADY_ENDPOINT = "unsteady_endpoint"
    NEEDLESS_RULE = "needless_rule"
    STEP_DID_NOT_RUN = "step_did_not_run"
    TOTALS = "totals"
    LINEAGE = "lineage"
    MISSING_OUTPUT = "missing_output"
    MISSING_GATE = "missing_gate"
    MISSING_STEP = "missing_step"
    OTHER = "other"
    # what lessons of before say, from which evidence now tells more
    SCHEMA_DRIFT = "schema_drift"
    TYPE_CONFLICT = "type_conflict"
    MISSING_VALUE = "missing_value"


OF_LISTS = (Cause.ENDPOINT_GONE, Cause.ENDPOINT_FORBIDDEN, Cause.ENDPOINT_BROKEN, Cause.CREDENTIAL, Cause.PAGE_LIMIT,
             Cause.ENVELOPE_CHANGED, Cause.UNREACHABLE_ENTITY, Cause.UNPROVEN_DEPENDENCY,
            Cause.PAGING_CHANGED)  # fmt: skip
"""Causes that lie in how a list answers: each gate that asks for it shows them, in its own words."""


class Fact(BaseModel):
    """One piece of evidence. Texts are bounded and, as gates show them, masked; what does not apply is None."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    """What the fact is about: `newField`, `changedType`, `skipped`, `mismatch`, `request`, … as its gate or ledger says."""
    entity: str | None = None
    path: str | None = None
    """JSON path of a field."""
    column: str | None = None
    references: str | None = None
    """`entity.path` whose values the column holds."""
    endpoint: str | None = None
    """Path template of an endpoint."""
    parameter: str | None = None
    expected: str | None = None
    seen: str | None = None
    status: int | None = None
    count: int | None = None
    total: int | None = None
    note: str | None = None


class Echo(BaseModel):
    """Another gate that shows what a gap is about: `table` is `stage.table`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    check: str
    cause: Cause
    subject: str = Field(default="", max_length=WIDTH)


class Evaluation(BaseModel):
    """What one gate said of one table in one run. `key` tells it from every other one, so that it is counted once.

    `check` is a gate's name, or one of `detect.SEEN` for what no gate judges. `sample` are rows that broke it, as the gate shows
    them. `began` is when the table's attempt was evaluated (UTC, ISO 8601).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    stage: str
    table: str
    check: str
    passed: bool
    severity: str
    covenant_version: str
    run_id: str
    key: str
    seen_at: str
    failed: int | None = None
    total: int | None = None
    rule: str = ""
    message: str = ""
    sample: tuple[Mapping[str, Any], ...] = ()


class Gap(BaseModel):
    """One thing that is otherwise than promised. `evaluation` tells where it was seen, so that it is counted once."""

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
    cause: Cause = Cause.OTHER
    subject: str = ""
    """What it is about within the table: a field's path, an entity, a column, an endpoint, a parameter, a value."""
    entity: str | None = None
    failed: int | None = None
    total: int | None = None
    message: str = ""
    evidence: tuple[Fact, ...] = Field(default=(), max_length=FACTS)
    also: tuple[Echo, ...] = ()
    """Other gates that showed the same in this run."""

    @property
    def echo(self) -> Echo:
        """The gap as one that others show as well."""
        return Echo(table=self.full_table, check=self.check, cause=self.cause, subject=self.subject)

    def as_shown_by(self, echo: Echo) -> Gap:
        """The gap as another gate shows it."""
        stage, table = echo.table.split(".", 1)
        same = {"check": echo.check, "cause": echo.cause, "subject": echo.subject, "also": ()}
        return self.model_copy(update={"stage": stage, "table": table, **same})

    @property
    def fingerprint(self) -> str:
        """Equal for evaluations that show the same gap: source, stage, table, check, cause, subject."""
        parts = (self.source, self.stage, self.table, self.check, self.cause, self.subject)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    @property
    def lesson_id(self) -> str:
        """File name of the gap's lesson: readable, and unique by the end of the fingerprint."""
        words = f"{self.source}-{self.table}-{self.cause}-{self.subject}"
        return f"{_SLUG.sub('-', words.lower()).strip('-')[:80].rstrip('-')}-{self.fingerprint[:8]}"

    @property
    def full_table(self) -> str:
        """`stage.table`."""
        return f"{self.stage}.{self.table}"
