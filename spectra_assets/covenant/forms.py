"""Columns of the tables whose form is fixed: Source, Prepare, every Extract table and the pipeline's own log.

`lakehouse.types.arrow_schema(FORMS[name])` is the Arrow schema of a form.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from spectra_assets.covenant.model import Column, DataType, PiiLevel

_TEXT, _INT, _FLOAT, _BOOL = DataType.TEXT, DataType.INT64, DataType.FLOAT64, DataType.BOOL
_TIME, _JSON, _LIST = DataType.TIMESTAMP, DataType.JSON, DataType.TEXT_LIST


def _must(name: str, kind: DataType, description: str) -> Column:
    return Column(name=name, type=kind, description=description, required=True)


def _may(name: str, kind: DataType, description: str, pii: PiiLevel = PiiLevel.NONE) -> Column:
    return Column(name=name, type=kind, description=description, pii=pii)


_CONFIG = [
    _must("key", _TEXT, "Name of the setting."),
    _may("value", _TEXT, "Its value; never a secret."),
    _may("description", _TEXT, "What it means."),
]

_CREDENTIALS = [
    _must("kind", _TEXT, "How the credential is sent: bearer, basic, header or none."),
    _may("tokenVariable", _TEXT, "Environment variable that holds the credential."),
    _may("maskedValue", _TEXT, "The credential made unreadable, with a rough length only."),
    _must("isValid", _BOOL, "Whether the API accepted it."),
    _may("httpStatus", _INT, "Status of the probe's answer; null if there was none."),
    _may("checkedAt", _TIME, "When it was checked."),
    _may("account", _TEXT, "Account the credential belongs to, as the probe's answer names it.", PiiLevel.DIRECT),
    _must("message", _TEXT, "What the check found, in words."),
]

_ENDPOINTS = [
    _must("method", _TEXT, "HTTP method."),
    _must("path", _TEXT, "Path below the base path, with {parameters}."),
    _may("group", _TEXT, "Group of the API's description."),
    _must("origin", _TEXT, "documented: in the API's description; client: other clients were seen using it."),
    _may("entity", _TEXT, "Entity whose records this may list."),
    _must("pathParameters", _LIST, "Parameters in the path."),
    _must("queryParameters", _LIST, "Parameters of the query."),
    _may("documentedStatus", _INT, "Status somebody saw for a plain GET; evidence, not a verdict."),
    _must(
        "category",
        _TEXT,
        "readable, needsParameters, unauthorized, forbidden, gone, notFound, broken, notJson, unreachable, notProbed or write.",
    ),
    _may("apiStatus", _TEXT, "The category that the API's own answer gave; notProbed if it was not asked."),
    _may("httpStatus", _INT, "Status of the answer."),
    _may("latencyMs", _FLOAT, "How long the answer took."),
    _may("rowCount", _INT, "Records in the answer."),
    _may("answerShape", _TEXT, "array, envelope, map, lines, object, empty, html or text."),
    _may("recordsPath", _TEXT, "Where the records are, as the plan's `records` says; empty for the answer itself."),
    _must("keys", _LIST, "Keys of the first record, or of the object."),
    _may("probeUrl", _TEXT, "Path and query that were asked."),
    _may("probedWith", _JSON, "Parameter → {entity, path, value}: whose id filled it."),
    _may("reason", _TEXT, "Why it is not readable or was not probed."),
]

_PORTFOLIO = [
    _must("source", _TEXT, "The source."),
    _must("endpointCount", _INT, "Operations in the catalogue."),
    _must("documentedCount", _INT, "Those which the API's description documents."),
    _must("getCount", _INT, "Those that read."),
    _must("writeCount", _INT, "Those that write; never called."),
    _must("probedCount", _INT, "Those that were called."),
    _must("readableCount", _INT, "Those that answered with data or an empty list."),
    _must("needsParametersCount", _INT, "Those that want parameters nobody could give."),
    _must("forbiddenCount", _INT, "Those the credential may not read."),
    _must("goneCount", _INT, "Those that are gone or not found."),
    _must("brokenCount", _INT, "Those that failed on the server."),
    _must("notProbedCount", _INT, "Those that read but were not called."),
    _must("categoryCounts", _JSON, "Category → count."),
    _must("entityCount", _INT, "Entities the source is known to have."),
    _must("reachableEntityCount", _INT, "Entities with a readable route."),
    _must("authStatus", _TEXT, "valid, invalid or unknown."),
    _must("successRate", _FLOAT, "Readable among the probed, 0 to 1."),
    _must("hierarchyProven", _BOOL, "Whether every entity is reachable, those with a parent by an id found in it."),
    _must("hierarchyEvidence", _JSON, "Per entity: route, parent, id, rows."),
    _must("supportsIncremental", _BOOL, "Whether a query parameter of a readable route filters by change time."),
    _may("incrementalEvidence", _TEXT, "Why, and which change fields the records carry."),
    _must("health", _TEXT, "healthy, degraded or down."),
]

_CONSTRAINTS = [
    _may("entity", _TEXT, "Entity whose route it is; null for other endpoints."),
    _must("path", _TEXT, "Path of the endpoint; `*` for what holds for the whole API."),
    _must(
        "constraint",
        _TEXT,
        "paging, offsetParameter, pageParameter, firstPage, cursorParameter, afterParameter, afterField, nextAt, "
        "sizeParameter, defaultPageSize, largestPageSize, pastTheEnd, declaredTotal, totalAt, offsetIgnored, recordsAt, "
        "requiredQuery, hiddenRows, rateLimit, latency, availability or notMeasured.",
    ),
    _may("value", _TEXT, "What was measured."),
    _must("evidence", _TEXT, "How it was seen."),
    _must("confidence", _FLOAT, "0 to 1."),
]

_DEPENDENCIES = [
    _must("entity", _TEXT, "The child."),
    _must("path", _TEXT, "Route tried."),
    _may("parameter", _TEXT, "Parameter that names the parent, or several; null without one."),
    _may("location", _TEXT, "path or query."),
    _may("parentEntity", _TEXT, "Entity whose ids were given."),
    _may("parentPath", _TEXT, "Where these ids are in its records, for each parameter; @parent: what it was asked for with."),
    _must(
        "verdict",
        _TEXT,
        "proven, complete (without a parent), partial, ignored, empty, error, contradicted or notTried.",
    ),
    _must("chosen", _BOOL, "Whether Extract follows this route."),
    _may("entityOrder", _INT, "Place of the entity, parents before children; on the chosen row."),
    _must("parentsTried", _INT, "Parents asked for."),
    _must("parentsWithRows", _INT, "Parents that had rows."),
    _must("rowsSeen", _INT, "Distinct rows seen."),
    _may("overlap", _FLOAT, "Share of rows which two parents both showed."),
    _may("inclusionField", _TEXT, "Field of the child that holds the parent's id."),
    _may("inclusion", _FLOAT, "Share of rows whose field equals the id asked for."),
    _may("referencedPath", _TEXT, "Where in the parent's records the values of that field are."),
    _may("requestsPredicted", _INT, "Requests for all rows this way."),
    _must("evidence", _TEXT, "What was seen, in words."),
    _may("missed", _TEXT, "Rows that another route showed and this one does not give; on the chosen row."),
    _may("fetch", _JSON, "The fetch plan (covenant Fetch); on the chosen row."),
]

_SCHEMA = [
    _must("entity", _TEXT, "The entity."),
    _must("entitySortOrder", _INT, "Parents before children."),
    _must("sourceEndpoint", _TEXT, "Where its records come from."),
    _must("apiStatus", _TEXT, "Whether that endpoint is readable."),
    _must("primaryKey", _LIST, "JSON path of the key."),
    _may("cursorField", _TEXT, "JSON path of the field that tells when a record changed."),
    _must("sampleSize", _INT, "Records looked at."),
    _must("fieldId", _LIST, "entity.path of each field."),
    _must("structureType", _LIST, "scalar, record, array or objectDump, per field."),
    _must("rawField", _LIST, "JSON path, per field."),
    _must("targetField", _LIST, "Column name, per field."),
    _must("dataType", _LIST, "Type, per field."),
    _must("isRequired", _LIST, "true or false, per field."),
    _must("isNullable", _LIST, "true or false, per field."),
    _must("keyField", _LIST, "true or false, per field."),
    _must("piiLevel", _LIST, "none, indirect, direct or secret, per field."),
    _must("description", _LIST, "Per field."),
    _must("confidence", _LIST, "0 to 1, per field."),
    _must("evidence", _LIST, "spec, sample, playbook or lesson, per field."),
    _must("group", _LIST, "Table the field belongs to, per field."),
    _must("dateFormat", _LIST, "Spark pattern of text dates, or unit of epoch numbers, per field; null for others."),
    _must("references", _LIST, "entity.path whose values the field holds, per field; null for others."),
    _must("valuesSeen", _LIST, "All values where they are few and repeat, a JSON array of texts, per field."),
    _must("unresolved", _LIST, "What the field's ids seem to name, where no such entity is known; empty for others."),
    _must("note", _LIST, "Where description and observation differ, and what else the evidence says, per field."),
    _must("filledShare", _LIST, "Share of the rows seen that have a value, 0 to 1, per field."),
    _must("fetch", _JSON, "The fetch plan."),
    _may("dimensionName", _TEXT, "Dimension made of the entity."),
    _must("bridgeName", _LIST, "Bridges made of the entity."),
    _may("factName", _TEXT, "Fact made of the entity."),
    _may("factGrain", _TEXT, "One row of that fact."),
]

_COVERAGE = [
    _must("kind", _TEXT, "endpoint, search (by POST), reference (a field whose ids name an entity) or rows (of an entity)."),
    _must("name", _TEXT, "Path of the endpoint, entity.path of the field, or the entity."),
    _must("disposition", _TEXT, "ingested, excluded or gap."),
    _may("entity", _TEXT, "Entity whose records it gives, or which holds the field."),
    _may("rowsSeen", _INT, "Records in the endpoint's answer."),
    _must("reason", _TEXT, "Why, in words."),
]

_REQUESTS = [
    _must("runId", _TEXT, "Run that sent it."),
    _may("table", _TEXT, "Table it was sent for."),
    _must("requestId", _TEXT, "Id, as extracted rows name it."),
    _may("entity", _TEXT, "Entity it was sent for."),
    _may("method", _TEXT, "GET, or POST of a search that a person allowed."),
    _must("path", _TEXT, "Path with its {parameters}."),
    _may("parent", _TEXT, "Id that filled the parameter."),
    _may("page", _INT, "Page, from 1."),
    _may("query", _TEXT, "Query, or the body of a search by POST; secrets masked."),
    _may("requestedAt", _TIME, "When it was sent first."),
    _may("status", _INT, "HTTP status; null if no answer came."),
    _may("attempts", _INT, "Times it was tried."),
    _may("elapsedMs", _FLOAT, "The last attempt, on the wire."),
    _may("bytes", _INT, "Bytes of the body."),
    _may("rows", _INT, "Records in the answer."),
    _may("repeated", _INT, "Records that the page before held as well."),
    _may("bodyHash", _TEXT, "Tells one body from another."),
    _may("error", _TEXT, "What went wrong."),
    _may("origin", _TEXT, "network, tape (as an earlier request brought it) or notModified (nor sent again by the API)."),
]

_MANIFEST = [
    _must("runId", _TEXT, "Run that made it."),
    _must("stage", _TEXT, "Stage of the table."),
    _must("table", _TEXT, "stage.table."),
    _may("startedAt", _TIME, "Start of its making."),
    _may("finishedAt", _TIME, "End of its making."),
    _must("status", _TEXT, "published, unchanged, blocked or failed."),
    _may("rowsIn", _INT, "Rows of the inputs."),
    _may("rowsOut", _INT, "Rows published."),
    _may("quarantined", _INT, "Rows set aside with a reason."),
    _may("duplicates", _INT, "Rows left out as repetitions."),
    _may("deltaVersion", _INT, "Version of the Delta table."),
    _may("schemaHash", _TEXT, "Hash of its columns."),
    _must("covenantVersion", _TEXT, "Covenant it was made by."),
    _must("gatesPassed", _INT, "Gates passed."),
    _must("gatesFailed", _LIST, "Names of the gates that failed."),
    _must("gatesRun", _LIST, "Names of all gates that ran."),
    _may("error", _TEXT, "Why it failed or was blocked."),
]

_RUNS = [
    _must("runId", _TEXT, "The run."),
    _must("stage", _TEXT, "The stage."),
    _may("startedAt", _TIME, "Start of its first table."),
    _may("finishedAt", _TIME, "End of its last table."),
    _must("tables", _INT, "Tables made."),
    _must("published", _INT, "Tables published."),
    _must("unchanged", _INT, "Tables that held just the same already."),
    _must("blocked", _INT, "Tables whose gates failed."),
    _must("failed", _INT, "Tables that could not be made."),
    _must("rowsOut", _INT, "Rows published."),
]

_LESSONS = [
    _must("lessonId", _TEXT, "Name of the lesson's file in lessons/."),
    _must("stage", _TEXT, "Stage of the table that showed the gap."),
    _must("table", _TEXT, "stage.table."),
    _must("check", _TEXT, "Gate that failed, or what the loop saw by itself."),
    _must("cause", _TEXT, "Why, as far as the evidence tells."),
    _may("subject", _TEXT, "What it is about: a field, an entity, an endpoint, a column."),
    _must("severity", _TEXT, "ERROR or WARN."),
    _must("status", _TEXT, "observed, proposed, proven, applied, verified, ineffective or reverted."),
    _must("seen", _INT, "Evaluations that showed the gap."),
    _must("helped", _INT, "Runs whose gate passed under the lesson's rule."),
    _must("harmed", _INT, "Runs in which something failed under it that had not failed before."),
    _must("returned", _INT, "Times the gap came back although a remedy had been applied."),
    _may("firstSeen", _TIME, "When the gap was seen first."),
    _may("lastSeen", _TIME, "When it was seen last."),
    _may("appliedAt", _TIME, "When the remedy was applied."),
    _may("remedy", _TEXT, "The change of a playbook that is proposed, proven or applied."),
    _may("playbook", _TEXT, "Where it stands: file and line."),
    _may("question", _TEXT, "What a person is asked."),
    _may("closed", _TEXT, "Why there is nothing to do any more, where no rule did it."),
]

_SEMANTIC_MODEL = [
    _must("kind", _TEXT, "table, column, relationship or measure."),
    _must("table", _TEXT, "Table it belongs to, as stage.table."),
    _must("name", _TEXT, "Its name; of a relationship, the column that refers."),
    _may("expression", _TEXT, "How it is calculated; of a relationship, the column it refers to."),
    _may("type", _TEXT, "Type of a column."),
    _may("description", _TEXT, "What it means."),
]

EXTRACT_FORM: list[Column] = [
    _must("record", _JSON, "The record as the API gave it."),
    _must(
        "recordHash",
        _TEXT,
        "Hash of the record's canonical form: equal records, whatever the order of keys, hash alike.",
    ),
    _may("parentKey", _TEXT, "Id of the parent the request named."),
    _may("treeParentKey", _TEXT, "Id of the record this one was nested in."),
    _must("requestId", _TEXT, "Request that brought it (log.requests)."),
    _must("sequence", _INT, "Order of arrival, from 0."),
    _must("seenAt", _TIME, "The run's instant."),
]
"""Form of every Extract table."""

FORMS: Mapping[str, list[Column]] = MappingProxyType(
    {
        "source.config": _CONFIG,
        "source.credentials": _CREDENTIALS,
        "source.endpoints": _ENDPOINTS,
        "source.portfolio": _PORTFOLIO,
        "prepare.constraints": _CONSTRAINTS,
        "prepare.dependencies": _DEPENDENCIES,
        "prepare.schema": _SCHEMA,
        "prepare.coverage": _COVERAGE,
        "analyse.semanticModel": _SEMANTIC_MODEL,
        "log.requests": _REQUESTS,
        "log.manifest": _MANIFEST,
        "log.runs": _RUNS,
        "log.lessons": _LESSONS,
    }
)
"""`stage.table` → its columns."""

HASHING = "extract.hash_records"
"""The action that fills `recordHash`."""

VOLATILE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "source.credentials": frozenset({"checkedAt"}),
        "source.endpoints": frozenset({"latencyMs"}),
        "extract": frozenset({"requestId", "sequence", "seenAt"}),
    }
)
"""Table (or stage) → columns that differ in every run without the data having changed."""
