"""How callers prove who they are, by what the description says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from spectra_assets.covenant.access import is_header
from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.model import Scheme
from spectra_assets.intelligence.description.pointers import Document, Node, mapping, sequence
from spectra_assets.untrusted import parts_of

_MOST = 40
_QUOTED_WORD = re.compile(r"""["'`:]\s*(?:authorization:\s*)?([A-Za-z][\w-]{1,20})\s+[<{\[$]?[\w.]""", re.IGNORECASE)
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9._=-]{0,39}")
_TOKEN_WORDS = frozenset(("bearer", "token", "basic", "apikey", "api-key", "key", "jwt", "sso-key", "ssws"))
_MEANT_OTHERWISE = re.compile(
    r"(?:set-)?cookie2?|user-agent|referer|origin|from|via|forwarded|date|range|cache-control|pragma"
    r"|(?:x-forwarded|accept|content|if|sec|access-control)(?:-.*)?",
    re.IGNORECASE,
)
"""Headers that mean something else, which servers and proxies act on, or write into their logs."""

_UNSUPPORTED = frozenset(("digest", "hoba", "mutual", "negotiate", "scram-sha-1", "scram-sha-256", "vapid", "oauth", "dpop"))


def schemes_of(document: Document, operations: Iterable[Node]) -> list[Scheme]:
    """The security schemes: those asked for everywhere first, then by how many of `operations` take them."""
    root = document.root
    named = mapping(mapping(root.get("components")).get("securitySchemes")) or mapping(root.get("securityDefinitions"))
    general = _names(root.get("security"))
    counts: Counter[str] = Counter()
    together: dict[str, set[str]] = {}
    for operation in operations:
        asked = operation.get("security") if "security" in operation else root.get("security")
        counts.update(_names(asked))
        _note_together(asked, together)
    for name in sorted({*general, *counts} - set(named)):
        document.findings.add("security scheme that is not described", name)
    found = []
    for name, value in list(named.items())[:_MOST]:
        scheme = _scheme(name, document.node(value), document.findings)
        alone_never = together.get(name)
        if alone_never and scheme.kind is not None:
            others = ", ".join(sorted(alone_never))
            scheme = scheme.model_copy(
                update={"reason": brief(f"{scheme.reason}; asked for together with {others}".lstrip("; "))}
            )
        found.append(scheme.model_copy(update={"everywhere": name in general, "operations": counts[name]}))
    return sorted(found, key=lambda each: (each.kind is None, not each.everywhere, -each.operations))


def _names(requirements: Any) -> set[str]:
    return {name for each in sequence(requirements) for name in mapping(each)}


def _note_together(requirements: Any, together: dict[str, set[str]]) -> None:
    """Keep, of each scheme, which others it comes with; nothing once it was seen alone."""
    for each in sequence(requirements):
        names = set(mapping(each))
        for name in names:
            together[name] = (names - {name}) & together.get(name, names)


def _scheme(name: str, node: Node, findings: Findings) -> Scheme:
    kind = str(node.get("type", "")).lower()
    told = brief(node.get("description"), 1000)
    label = brief(name, 120)
    if kind == "basic" or (kind == "http" and _http(node) == "basic"):
        return Scheme(name=label, kind="basic")
    if kind == "http":
        return _by_http(label, _http(node), str(node.get("scheme", "")).strip())
    if kind == "apikey":
        return _by_key(label, node, told)
    if kind == "oauth2":
        return _by_oauth2(label, node, findings)
    if kind == "openidconnect":
        return Scheme(name=label, kind="bearer", reason="OpenID Connect: a token got elsewhere is sent as a bearer token")
    findings.add("security scheme of a kind that is not supported", f"{label}: {brief(kind) or 'no type'}")
    return Scheme(name=label, kind=None, reason=brief(f"{kind or 'a scheme without a type'} is not supported"))


def _http(node: Node) -> str:
    return str(node.get("scheme", "")).strip().lower()


def _by_http(name: str, scheme: str, written: str) -> Scheme:
    if scheme == "bearer":
        return Scheme(name=name, kind="bearer")
    if scheme in _UNSUPPORTED or not _PREFIX.fullmatch(written):
        return Scheme(name=name, kind=None, reason=brief(f"HTTP authentication {scheme or '(no scheme)'} is not supported"))
    return Scheme(name=name, kind="header", header="Authorization", prefix=written)


def _by_key(name: str, node: Node, told: str) -> Scheme:
    place, key = node.get("in"), brief(node.get("name"), 120)
    if not key:
        return Scheme(name=name, kind=None, reason="an API key without a name")
    if place == "query":
        return Scheme(name=name, kind="query", parameter=key)
    if place != "header":
        return Scheme(name=name, kind=None, reason=brief(f"an API key in {place} is not supported"))
    if not is_header(key) or _MEANT_OTHERWISE.fullmatch(key):
        return Scheme(
            name=name, kind=None, reason=brief(f"an API key in the header {key!r} is not sent: no credential belongs there")
        )
    word = next((found for found in _QUOTED_WORD.findall(told) if found.lower() in _TOKEN_WORDS), "")
    if key.lower() != "authorization":
        return Scheme(name=name, kind="header", header=key)
    if word.lower() == "bearer" or (not word and re.search(r"\b(bearer|jwt)\b", f"{told} {name}", re.IGNORECASE)):
        return Scheme(name=name, kind="bearer")
    if word.lower() == "basic":
        return Scheme(name=name, kind="basic")
    return Scheme(name=name, kind="header", header=key, prefix=word or None)


def _by_oauth2(name: str, node: Node, findings: Findings) -> Scheme:
    flows = {flow: mapping(value) for flow, value in mapping(node.get("flows")).items()}
    if not flows and isinstance(node.get("flow"), str):
        flows = {node["flow"]: node}
    scopes = [brief(scope, 200) for flow in flows.values() for scope in mapping(flow.get("scopes"))]
    kept = list(dict.fromkeys(scopes))[:200]
    credentials = flows.get("clientCredentials") or flows.get("application")
    url = brief(credentials.get("tokenUrl"), 500) if credentials else ""
    if url and parts_of(url) is None:
        findings.add("address of tokens that is none", url)
    elif url:
        return Scheme(name=name, kind="oauth2", token_url=url, scopes=kept)
    told = ", ".join(sorted(flows)) or "no flow"
    return Scheme(
        name=name, kind="bearer", scopes=kept, reason=brief(f"OAuth2 by {told}: a token got elsewhere is sent as a bearer token")
    )
