"""Where the API is: addresses, and which part of them all paths have in front."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.pointers import Node, mapping, sequence
from spectra_assets.untrusted import parts_of

_MOST = 20
_NO_ADDRESS = "server address that is none"
_VARIABLE = re.compile(r"\{([^{}]+)\}")


def servers_of(root: Node, findings: Findings) -> list[str]:
    """The addresses of `servers`, or of Swagger's host, basePath and schemes; a relative address is only a path."""
    if "servers" not in root and (root.get("host") or root.get("basePath")):
        host, base = brief(root.get("host"), 200), brief(root.get("basePath"), 300)
        ways = [way for way in sequence(root.get("schemes")) if way in ("https", "http")] or ["https"]
        path = f"/{base.strip('/')}" if base.strip("/") else ""
        if host and parts_of(f"//{host}") is None:
            findings.add(_NO_ADDRESS, host)
            host = ""
        return [f"{way}://{host}{path}" for way in sorted(set(ways), reverse=True)] if host else [path]
    return addresses(root.get("servers"), findings)


def addresses(servers: Any, findings: Findings) -> list[str]:
    """The addresses in a list of OpenAPI's server objects, with the defaults of their variables."""
    found = [address for each in sequence(servers)[:_MOST] if (address := _address(mapping(each), findings)) is not None]
    return list(dict.fromkeys(found))


def _address(server: Node, findings: Findings) -> str | None:
    url = server.get("url")
    if not isinstance(url, str):
        return None
    variables = mapping(server.get("variables"))

    def filled(found: re.Match[str]) -> str:
        variable = mapping(variables.get(found.group(1)))
        values = [variable.get("default"), *sequence(variable.get("enum"))]
        value = next((str(value) for value in values if isinstance(value, str | int) and value != ""), None)
        if value is None:
            findings.add("server variable without a value", f"{found.group(0)} in {url}")
        return found.group(0) if value is None else value

    address = _VARIABLE.sub(filled, url.strip())[:500]
    return checked(address, findings)


def checked(address: str, findings: Findings) -> str | None:
    """The address up to its query, without a slash at the end; None, and a finding, if it is none."""
    if parts_of(address) is None:
        findings.add(_NO_ADDRESS, address)
        return None
    return address.partition("?")[0].partition("#")[0].rstrip("/")


def host_of(address: str) -> str:
    """Host and port of an address, empty for a relative one."""
    parts = parts_of(address)
    return parts.netloc.lower() if parts else ""


def path_of(address: str) -> str:
    """Path of an address without a slash at its end: empty, or `/api/v1`."""
    parts = parts_of(address)
    path = parts.path if parts else ""
    if not path.strip("/") or "{" in path:
        return "" if "{" not in path else path.rstrip("/")
    return posixpath.normpath("/" + path).rstrip("/").replace("//", "/")


def shared_path(paths: list[str]) -> str:
    """The segments that all of these paths begin with."""
    if not paths:
        return ""
    parts = [path.split("/") for path in paths]
    common = posixpath.commonprefix([tuple(each) for each in parts])
    return "/".join(common)
