"""Source: how the API is called, whether the credential holds, which endpoints answer. Only what reads is sent."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from spectra_assets import settings
from spectra_assets.client.address import host_of
from spectra_assets.client.verdict import CLOSED
from spectra_assets.errors import RetriableError, SkippableError
from spectra_assets.intelligence.model import Endpoint, Pack
from spectra_assets.playbook.rules import SETTINGS, SettingRule
from spectra_assets.stages.asking.answers import Sight, sight
from spectra_assets.stages.asking.moments import timelike
from spectra_assets.stages.asking.wire import NOT_TRIED, Wire
from spectra_assets.stages.evidence import Credential, HierarchyProof, Probing
from spectra_assets.stages.source.probing import SOURCE_SHARE, Probe, Prober, is_read, picks_json
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Draft, Work, action

_ACCOUNT = re.compile(r"user_?name|login|account|e?mail|(full_?|display_?)?name", re.IGNORECASE)
_SINCE = re.compile(r"modified|updated|changed|since|after", re.IGNORECASE)
_GONE = (404, 405, 410)
_OTHERS = 5
"""Lists that are asked at most in place of the one that proves the credential."""

_PERSON = re.compile(r"(By|By_?id|Id|Name)$", re.IGNORECASE)


@action("source.read_settings")
def read_settings(draft: Draft, work: Work) -> None:
    """`source.config`: what this pipeline works with, one row per setting; of a secret, its variable only.

    Raises ConfigurationError or CredentialError if a variable is missing.
    """
    server, pack = work.covenant.pipeline.server, work.pack
    facts: list[tuple[str, Any, str]] = [
        ("source", work.covenant.source, "Name of the source."),
        ("title", work.covenant.pipeline.title, "What people call it."),
        ("covenantVersion", work.covenant.version, "Version of the covenant this run follows."),
        ("baseUrlVariable", server.base_url_env, "Environment variable with the address of the API."),
        ("host", host_of(work.client.base_url), "Host and port, from that variable."),
        ("basePath", server.base_path, "Path below which all endpoints are."),
        ("authKind", server.auth.kind, "How the credential is sent."),
        ("tokenVariable", server.auth.token_env, "Environment variable with the credential."),
        ("userVariable", server.auth.user_env, "Environment variable with the user name."),
        ("probe", server.probe, "GET that proves the credential."),
        ("inFlight", work.client.in_flight, "Requests in flight at most."),
        ("requestsPerSecond", server.requests_per_second, "Requests per second at most; empty: no limit is known."),
        ("intelligence", pack.source, "Intelligence pack."),
        ("packEndpoints", len(pack.endpoints), "Operations the pack lists."),
        ("packEntities", ", ".join(entity.entity for entity in pack.entities), "Entities the pack knows."),
        ("packQuirks", len(pack.quirks), "Behaviours the pack notes."),
    ]
    for name, known in sorted(SETTINGS.items()):
        rules = [rule for rule in work.playbooks.rules(SettingRule, work.covenant.source) if rule.name == name]
        origin = f"rule {rules[-1].id}" if rules else "default"
        facts.append((f"setting.{name}", work.playbooks.setting(name, work.covenant.source), f"{known.meaning} ({origin})"))
    draft.rows = table_of(
        "source.config",
        ({"key": key, "value": None if value is None else str(value), "description": text} for key, value, text in facts),
    )


@action("source.prove_credential")
def prove_credential(draft: Draft, work: Work) -> None:
    """`source.credentials`: one GET that any valid credential may read; evidence `credential` (Credential).

    If that one is gone or wants something else, which says nothing of the credential, a few other lists are asked; 410 is no
    refusal where none of them answers. A refused credential is a row with isValid false. Raises CredentialError or
    ConfigurationError for a missing variable, RetriableError if the API is silent.
    """
    server = work.covenant.pipeline.server
    answer = work.client.get(server.probe)
    found = sight(answer, work.client.mask)
    valid = _accepted(answer.status, found)
    message = _message(found, answer.status, server.auth.token_env, server.base_url_env) if not valid else "accepted"
    if not valid and answer.status not in CLOSED:
        for path in _other_lists(work.pack, server.probe):
            with suppress(RetriableError, SkippableError):
                other = work.client.get(path)
                seen = sight(other, work.client.mask)
                if _accepted(other.status, seen):
                    message = (
                        f"accepted by GET {path}; GET {server.probe}, which proved it before: {found.reason or answer.status}"
                    )
                    answer, found, valid = other, seen, True
                    break
    if not valid and answer.status == _PATH_GONE:  # the path is gone, which its own gates tell; nobody refused the credential
        message, valid = f"not refused: GET {server.probe}, which proves it, is gone, and no other list answers", True
    draft.rows = table_of(
        "source.credentials",
        [
            {
                "kind": server.auth.kind,
                "tokenVariable": server.auth.token_env,
                "maskedValue": _masked(settings.variable(server.auth.token_env) if server.auth.token_env else None),
                "isValid": valid,
                "httpStatus": answer.status,
                "checkedAt": work.now,
                "account": _account(found.value) if valid else None,
                "message": message,
            }
        ],
    )
    draft.evidence["credential"] = Credential(isValid=valid, httpStatus=answer.status, message=message)


@action("source.read_catalogue")
def read_catalogue(draft: Draft, work: Work) -> None:
    """`source.endpoints`: every operation of the pack, one row per method and path; nothing is called.

    Two spellings of one path (a slash at its end, another case of a parameter's name) are one endpoint. Evidence `probing`
    (Probing) as far as it is known.
    """
    rows = [_catalogued(endpoint, work.pack) for endpoint in _distinct(work.pack.endpoints)]
    draft.rows = table_of("source.endpoints", rows)
    draft.evidence["probing"] = Probing(listed=len(rows), readable=0, budget=0, requests=0, notProbed={})


@action("source.probe_endpoints")
def probe_endpoints(draft: Draft, work: Work) -> None:
    """Fill in what each endpoint that reads answers; evidence `probing` (Probing).

    Raises CredentialError if the credential stops being accepted, RetriableError if the API falls silent.
    """
    budget = max(1, int(work.requests_allowed * SOURCE_SHARE))
    wire = Wire(work.client, budget)
    probes = {probe.endpoint.path: probe for probe in Prober(wire, work.pack).run()}
    rows = draft.rows.to_pylist() if draft.rows is not None else []
    for row in rows:
        if is_read(row) and row["path"] in probes:
            row.update(_answered(probes[row["path"]]))
    draft.rows = table_of("source.endpoints", rows)
    readable = sum(row["apiStatus"] == "readable" for row in rows)
    asked = "answers of before" if work.twin is not None else "requests"
    work.say(f"{wire.sent} {asked}: {readable} of {len(probes)} endpoints that read answer with data")
    draft.notes["requests"] = wire.sent
    draft.evidence["probing"] = Probing(
        listed=draft.evidence["probing"]["listed"] if "probing" in draft.evidence else len(rows),
        readable=readable,
        budget=budget,
        requests=wire.sent,
        notProbed={path: probe.reason for path, probe in probes.items() if probe.sight is None},
    )


@action("source.prove_hierarchy")
def prove_hierarchy(draft: Draft, work: Work) -> None:
    """Whether every entity can be reached, those with a parent by an id found in it; evidence `hierarchy` (HierarchyProof)."""
    rows = work.read("source.endpoints").to_pylist()
    without = _empty(work.pack, rows)
    draft.evidence["hierarchy"] = [_proof(entity.entity, rows, without.get(entity.entity)) for entity in work.pack.entities]


@action("source.summarise_portfolio")
def summarise_portfolio(draft: Draft, work: Work) -> None:
    """`source.portfolio`: the findings as one row."""
    rows = work.read("source.endpoints").to_pylist()
    credentials = work.read("source.credentials").to_pylist()
    hierarchy: list[HierarchyProof] = draft.evidence.get("hierarchy", [])
    categories = Counter(row["category"] for row in rows)
    reads = [row for row in rows if is_read(row)]
    probed = [row for row in reads if row["apiStatus"] not in (None, "notProbed")]
    proven = bool(hierarchy) and all(proof["reachable"] for proof in hierarchy)
    valid = bool(credentials) and all(row["isValid"] for row in credentials)
    incremental, why = _incremental(rows)
    readable = categories["readable"]
    draft.rows = table_of(
        "source.portfolio",
        [
            {
                "source": work.covenant.source,
                "endpointCount": len(rows),
                "documentedCount": sum(row["origin"] == "documented" for row in rows),
                "getCount": len(reads),
                "writeCount": len(rows) - len(reads),
                "probedCount": len(probed),
                "readableCount": readable,
                "needsParametersCount": categories["needsParameters"],
                "forbiddenCount": categories["forbidden"] + categories["unauthorized"],
                "goneCount": categories["gone"] + categories["notFound"],
                "brokenCount": categories["broken"] + categories["notJson"] + categories["unreachable"],
                "notProbedCount": categories["notProbed"],
                "categoryCounts": json.dumps(dict(sorted(categories.items()))),
                "entityCount": len(work.pack.entities),
                "reachableEntityCount": sum(proof["reachable"] for proof in hierarchy),
                "authStatus": "unknown" if not credentials else "valid" if valid else "invalid",
                "successRate": round(readable / len(probed), 4) if probed else 0.0,
                "hierarchyProven": proven,
                "hierarchyEvidence": json.dumps(hierarchy, ensure_ascii=False),
                "supportsIncremental": incremental,
                "incrementalEvidence": why,
                "health": "down" if not valid or not readable else "healthy" if proven else "degraded",
            }
        ],
    )


_PATH_GONE = 410


def _accepted(status: int, found: Sight) -> bool:
    return status == 200 and found.category == "readable" and found.shape != "empty"


def _other_lists(pack: Pack, probe: str) -> list[str]:
    """Paths of lists that want nothing but the credential, as far as is known."""
    routes = {endpoint.path: endpoint for endpoint in pack.endpoints if endpoint.method == "GET"}
    listed = [route for hint in pack.entities for route in hint.routes if route in routes and route != probe]
    plain = [path for path in listed if not any(part.required or part.location == "path" for part in routes[path].parameters)]
    return list(dict.fromkeys(path for path in plain if "{" not in path))[:_OTHERS]


def _message(found: Sight, status: int, token: str | None, address: str) -> str:
    if status in CLOSED and token is None:
        return f"the API wants a credential ({found.reason}): name the variable that holds it, `run … --token-env NAME`"
    if status in CLOSED:
        return f"the API refuses the credential ({found.reason}): set {token} to a valid one"
    if found.category == "notJson":
        return f"{status}, but {found.reason}: check {address}, or wait if the API is being maintained"
    if status in (200, 204):
        return f"{status} without content, where a valid credential gets a document: check {address}"
    moved = "; if the API has moved (a new version in its paths), run the sentence with --rediscover" if status in _GONE else ""
    return f"the API gave an unexpected answer ({found.reason or status}): check {address}, then the API itself{moved}"


def _masked(secret: str | None) -> str | None:
    if secret is None:
        return None
    size = "up to 16" if len(secret) <= 16 else "17 to 64" if len(secret) <= 64 else "over 64"
    return f"**** ({size} characters)"


def _account(value: Any) -> str | None:
    """The name of the account in the probe's answer: the value of the key that looks most like one."""
    if not isinstance(value, Mapping):
        return None
    named = [key for key, below in value.items() if isinstance(below, str) and below and _ACCOUNT.fullmatch(key)]
    order = ("username", "user_name", "login", "account")
    return value[min(named, key=lambda key: order.index(key.lower()) if key.lower() in order else 9)] if named else None


def _distinct(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    kept: dict[tuple[str, str], Endpoint] = {}
    for endpoint in endpoints:
        spelling = re.sub(r"\{[^}]*\}", lambda match: match[0].lower(), endpoint.path.rstrip("/") or "/")
        kept.setdefault((endpoint.method, spelling), endpoint)
    return list(kept.values())


def _catalogued(endpoint: Endpoint, pack: Pack) -> dict[str, Any]:
    reads = endpoint.method == "GET" or pack.search(endpoint.path) == endpoint
    return {
        "method": endpoint.method,
        "path": endpoint.path,
        "group": endpoint.group,
        "origin": endpoint.origin,
        "entity": pack.entity_at(endpoint.path) if reads else None,
        "pathParameters": endpoint.path_parameters,
        "queryParameters": endpoint.query,
        "documentedStatus": endpoint.probed_status,
        "category": "notProbed" if reads else "write",
        "apiStatus": "notProbed",
        "keys": [],
        "reason": None if reads else _unasked(endpoint),
    }


def _unasked(endpoint: Endpoint) -> str:
    """Why an operation is never called."""
    return "a search by POST, which nobody allowed: never called" if endpoint.reads else "writes: never called"


def _answered(probe: Probe) -> dict[str, Any]:
    found = probe.sight
    if found is None:
        return {"reason": probe.reason}
    return {
        "category": found.category,
        "apiStatus": found.category,
        "httpStatus": probe.status,
        "latencyMs": probe.latency_ms,
        "rowCount": found.rows,
        "answerShape": found.shape,
        "recordsPath": found.location,
        "keys": found.keys[:100],
        "probeUrl": probe.url,
        "probedWith": picks_json(probe.picks),
        "reason": found.reason or None,
    }


def _empty(pack: Pack, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Entities without a row → why one that can't be asked for is empty: a parameter takes ids of what is itself empty."""
    reads = [row for row in rows if is_read(row) and row["entity"]]
    full = {row["entity"] for row in reads if row["category"] == "readable" and row["rowCount"]}
    found = {row["entity"]: "" for row in reads if row["category"] == "readable" and row["entity"] not in full}
    while True:
        fresh: dict[str, str] = {}
        for row in reads:
            if row["category"] in ("needsParameters", "notProbed") and row["entity"] not in full | found.keys():
                needed = row["pathParameters"] or row["queryParameters"]
                parents = (parent for name in needed for parent, _ in pack.candidates(name, row["path"]))
                empty = next((parent for parent in parents if parent in found), None)
                if empty:
                    fresh[row["entity"]] = f"{row['method']} {row['path']} takes an id of {empty}, which is empty"
        if not fresh:
            return found
        found |= fresh


def _proof(entity: str, rows: Sequence[Mapping[str, Any]], empty: str | None) -> HierarchyProof:
    """The best answer among the entity's routes: readable first, then with rows. `empty` says why there is none to ask for."""
    routes = [row for row in rows if is_read(row) and row["entity"] == entity]
    best = max(routes, key=lambda row: (row["category"] == "readable", row["rowCount"] or 0), default=None)
    if best is None:
        return _unreached(entity, None, "the pack names no route that is in the catalogue")
    reachable = best["category"] == "readable"
    picks = json.loads(best["probedWith"]) if best["probedWith"] else {}
    pick = next((pick for pick in picks.values() if pick["entity"]), {"entity": None, "path": None, "value": None})
    if not reachable and empty:
        return _unreached(entity, best["path"], empty) | {"reachable": True, "rows": 0}
    if not reachable:
        untried = next((row["reason"] for row in routes if (row["reason"] or "").startswith(NOT_TRIED)), None)
        return _unreached(entity, best["path"], untried or best["reason"] or best["category"])
    given = f" with {pick['entity']}.{pick['path']} = {pick['value']}" if pick["entity"] else ""
    return HierarchyProof(
        entity=entity,
        reachable=True,
        route=best["path"],
        parentEntity=pick["entity"],
        parentPath=pick["path"],
        parentId=pick["value"],
        rows=best["rowCount"],
        reason=f"{best['method']} {best['probeUrl']} gave {best['rowCount']} rows{given}",
    )


def _unreached(entity: str, route: str | None, reason: str) -> HierarchyProof:
    return HierarchyProof(
        entity=entity, reachable=False, route=route, parentEntity=None, parentPath=None, parentId=None, rows=None, reason=reason
    )


def _incremental(rows: Sequence[Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether a readable route of an entity can be asked for changes only, and why."""
    routes = [row for row in rows if row["entity"] and row["category"] == "readable"]
    filters = [f"{row['path']}?{name}" for row in routes for name in row["queryParameters"] if _SINCE.search(name)]
    if filters:
        return True, f"filters by change time, not proven: {', '.join(filters[:10])}"
    fields = [f"{row['entity']}.{key}" for row in routes for key in row["keys"] if _tells_change(key)]
    seen = f"; records carry {', '.join(dict.fromkeys(fields))}, but only complete fetches can use them" if fields else ""
    return False, f"no route has a parameter for the time of change{seen}"


def _tells_change(key: str) -> bool:
    """Whether a key looks like the instant of a record's last change."""
    return bool(_SINCE.search(key)) and timelike(key) and not _PERSON.search(key)
