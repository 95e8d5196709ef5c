"""Swagger 2.0 and OpenAPI 3: the operations of a parsed document, however little it conforms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.bodies import Bodies
from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.model import Description, Kind, Reply
from spectra_assets.intelligence.description.parameters import Parameters
from spectra_assets.intelligence.description.pointers import Document, Node, mapping, sequence
from spectra_assets.intelligence.description.replies import Replies
from spectra_assets.intelligence.description.schemas import Schemas
from spectra_assets.intelligence.description.searches import judged
from spectra_assets.intelligence.description.security import schemes_of
from spectra_assets.intelligence.description.servers import addresses, host_of, path_of, servers_of, shared_path
from spectra_assets.intelligence.description.shapes import Shapes
from spectra_assets.intelligence.description.templates import template
from spectra_assets.intelligence.model import Endpoint, Method

MOST_OPERATIONS = 50_000

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
_NO_METHODS = frozenset(("parameters", "servers", "summary", "description", "$ref"))


def is_openapi(root: Any) -> bool:
    """Whether a parsed document is, or wants to be, Swagger 2.0 or OpenAPI 3."""
    return isinstance(root, dict) and ("openapi" in root or "swagger" in root or isinstance(root.get("paths"), dict))


@dataclass(frozen=True)
class _Operation:
    """One operation. `base` is the path of its server."""

    method: Method
    path: str
    base: str
    query: tuple[str, ...]
    node: Node
    item: Node


def read_openapi(root: Node, name: str, findings: Findings) -> Description:
    """Catalogue the document. Raises DocumentError for a version that is not 2.0 or 3.x, and if there are no paths."""
    kind, form = _version(root, name, findings)
    document = Document(root, findings, name)
    schemas = Schemas(document)
    replies = Replies(document, schemas, Shapes(schemas))
    parameters, bodies = Parameters(document, schemas), Bodies(document, schemas)
    servers = servers_of(root, findings)
    operations = list(_operations(document, servers))
    base = shared_path([operation.base for operation in operations] or [path_of(servers[0]) if servers else ""])
    seen: dict[tuple[str, str], None] = {}
    endpoints: list[Endpoint] = []
    answers: dict[tuple[str, str], Reply] = {}
    for operation in operations:
        path = operation.base[len(base) :] + operation.path
        if (operation.method, path) in seen:
            findings.add("operation that is there twice, the first one counts", f"{operation.method} {path}")
            continue
        seen[operation.method, path] = None
        reply = replies.reply(operation.node, path) if operation.method in ("GET", "POST") else Reply()
        endpoint = _endpoint(parameters, operation, path, reply)
        if operation.method == "POST":
            endpoint = _search(endpoint, operation, reply, bodies)
        endpoints.append(endpoint)
        if operation.method == "GET" or endpoint.reads:
            answers[operation.method, path] = reply
    if not endpoints:
        findings.add("no operation is described")
    info = mapping(root.get("info"))
    return Description(
        name=name,
        kind=kind,
        format=form,
        title=brief(info.get("title"), 200),
        version=brief(str(info.get("version", "")), 60),
        servers=servers,
        base_path=base,
        schemes=schemes_of(document, (operation.node for operation in operations)),
        endpoints=endpoints,
        replies={path: answers.get(("GET", path), reply) for (_, path), reply in answers.items()},
        findings=findings.lines(),
    )


def _version(root: Node, name: str, findings: Findings) -> tuple[Kind, str]:
    said = root.get("openapi", root.get("swagger"))
    form = brief(str(said), 20) if said is not None else ""
    if form.startswith("3"):
        return "openapi", form
    if form.startswith("2"):
        return "swagger", form
    if not said and isinstance(root.get("paths"), dict):
        old = any(key in root for key in ("definitions", "securityDefinitions", "basePath", "host"))
        findings.add("no version is given", "read as Swagger 2.0" if old else "read as OpenAPI 3")
        return ("swagger", "2.0") if old else ("openapi", "3.0")
    raise DocumentError(
        f"version {form!r} of the description is not known: valid are Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2", name
    )


def _operations(document: Document, servers: list[str]) -> Iterator[_Operation]:
    findings = document.findings
    main = servers[0] if servers else ""
    count = 0
    for written, value in mapping(document.root.get("paths")).items():
        if not isinstance(written, str) or written.startswith("x-"):
            continue
        item = document.node(value)
        read = template(written)
        if read is None or (read.path == "/" and "#" in written):
            findings.add("path that can't be asked for", written)
            continue
        for key, node in item.items():
            method = key.lower()
            if method not in _METHODS:
                if key not in _NO_METHODS and not key.startswith("x-") and isinstance(node, dict):
                    findings.add("method that is not used", f"{key} {written}")
                continue
            operation = document.node(node)
            base = _base(operation, item, main, findings, written)
            if base is None:
                continue
            count += 1
            if count > MOST_OPERATIONS:
                findings.add(f"more than {MOST_OPERATIONS:,} operations: the others are left out")
                return
            yield _Operation(cast(Method, method.upper()), read.path, base, read.query, operation, item)


def _base(operation: Node, item: Node, main: str, findings: Findings, path: str) -> str | None:
    """Path of the server that the operation is on; None if that is another host."""
    own = addresses(operation.get("servers") or item.get("servers"), findings)
    if not own or main in own:
        return path_of(main)
    same = next((each for each in own if host_of(each) in ("", host_of(main))), None)
    if same is None:
        findings.add("operation on another server, left out", f"{path} on {own[0]}")
        return None
    return path_of(same)


def _endpoint(parameters: Parameters, operation: _Operation, path: str, reply: Reply) -> Endpoint:
    names = re.findall(r"\{([^}]+)\}", path)
    lists = [*sequence(operation.item.get("parameters")), *sequence(operation.node.get("parameters"))]
    known = parameters.of(lists, names)
    query = [each.name for each in known if each.location == "query"]
    tag = next((brief(tag, 80) for tag in sequence(operation.node.get("tags")) if isinstance(tag, str) and tag.strip()), "")
    summary = (
        brief(operation.node.get("summary")) or brief(operation.node.get("description")) or brief(operation.item.get("summary"))
    )
    return Endpoint(
        method=operation.method,
        path=path,
        group=tag or first_segment(path),
        query=list(dict.fromkeys([*query, *operation.query])),
        parameters=[each for each in known if each.location in ("path", "query", "header")],
        record=reply.shape.name if reply.shape else None,
        summary=summary,
    )


def _search(endpoint: Endpoint, operation: _Operation, reply: Reply, bodies: Bodies) -> Endpoint:
    """The POST with what its description shows: whether it is a search, and of one what its body takes."""
    body = bodies.body(operation.node, operation.item)
    reads, because = judged(operation.node, endpoint.path, reply, body)
    if not reads:
        return endpoint.model_copy(update={"because": brief(because, 500)})
    inside = [known for known in endpoint.parameters if known.location == "path"]
    changes = {"query": [known.name for known in body.parameters], "parameters": [*inside, *body.parameters], "body": body.always}
    return endpoint.model_copy(update={"reads": True, "because": brief(because, 500), **changes})


def first_segment(path: str) -> str:
    """The first fixed segment of a path; of `/` and `/{id}` the word `root`."""
    return next((segment for segment in path.split("/") if segment and "{" not in segment), "root")[:80]
