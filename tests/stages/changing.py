"""A small real API whose records change, go and move, and the Extract tables of its pipeline: real HTTP, Delta, gates."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from benchmarks.extract.small import GATES, GROUPS, ITEMS, STEPS, URL, Extracts, fields
from spectra_assets.covenant.access import Auth, Fetch, Incremental, OffsetPaging, PagePaging, ParentKey, Server
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.forms import EXTRACT_FORM
from spectra_assets.covenant.model import Covenant, Gate, Pipeline, StageContract, Table
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.extract import cursor  # noqa: F401  registers the action
from spectra_assets.stages.extract.scope import WATCH

PAGE = 10
START = datetime(2026, 1, 1, tzinfo=UTC)


def stamp(hour: float) -> str:
    """An instant as the API writes it, so many hours after its beginning."""
    return (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Row:
    """One item. `updated` is in hours after the beginning."""

    key: int
    group: int
    name: str
    updated: float

    def record(self) -> dict[str, Any]:
        return {"id": self.key, "name": self.name, "updatedAt": stamp(self.updated)}


@dataclass
class ChangingApi:
    """`/groups` and `/groups/<id>/items`, filtered by `updated_since` (at or after), paged by offset or by page.

    `between` is called after each page of items with its number in this list; `asked` counts requests by address, `since`
    those with the filter. Totals go no further than `counts_to`. `fault` may give a status for an address; of the addresses that `torn` tells half of the text comes.
    """

    groups: list[int] = field(default_factory=lambda: [1, 2, 3])
    rows: list[Row] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    between: Callable[[str], None] = lambda _: None
    fault: Callable[[str], int | None] = lambda _: None
    torn: Callable[[str], bool] = lambda _: False
    hidden: frozenset[int] = frozenset()
    """Items that are left out of pages after these were cut."""
    says: bool = False
    """Whether each page says if there is more."""
    total: bool = False
    counts_to: int = 1_000_000
    touches: bool = False
    """A group's time of change is that of its youngest item."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def fill(self, each: int) -> None:
        """So many items in each group, the later the younger."""
        for group in self.groups:
            self.rows += [Row(group * 1000 + number, group, f"item {number}", number) for number in range(1, each + 1)]

    def row(self, key: int) -> Row:
        return next(row for row in self.rows if row.key == key)

    def forget(self) -> None:
        with self._lock:
            self.asked.clear()
            self.since.clear()

    def truth(self) -> list[tuple[str, int, str]]:
        """(group, id, name) of every item there is."""
        return sorted((str(row.group), row.key, row.name) for row in self.rows if row.group in self.groups)

    def answer(self, address: str) -> tuple[int, Any]:
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        with self._lock:
            self.asked[address] += 1
            if "updated_since" in query:
                self.since.append(address)
        status = self.fault(address)
        if status:
            return status, {"error": "no"}
        path = parts.path.strip("/").split("/")
        found: list[dict[str, Any]]
        if path == ["groups"]:
            found = [{"id": group, "name": f"group {group}", "updatedAt": self._changed(group)} for group in self.groups]
        elif len(path) == 3 and int(path[1]) in self.groups:
            with self._lock:
                mine = [row for row in self.rows if row.group == int(path[1])]
            found = [row.record() for row in mine if row.record()["updatedAt"] >= query.get("updated_since", "")]
        else:
            return 404, {"error": "not found"}
        size = int(query.get("size", PAGE if len(path) == 3 else 1_000))
        start = (int(query["page"]) - 1) * size if "page" in query else int(query.get("offset", 0))
        body: Any = [each for each in found[start : start + size] if each["id"] not in self.hidden]
        if self.says:
            body = {"items": body, "page": {"has_more": start + size < len(found)}}
        if self.total:
            body = {"total": min(len(found), self.counts_to), "items": body}
        return 200, body

    def _changed(self, group: int) -> str:
        moments = [row.updated for row in self.rows if row.group == group] if self.touches else []
        return stamp(max(moments, default=0))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: ChangingApi

    def do_GET(self) -> None:
        status, value = self.api.answer(self.path)
        body = json.dumps(value).encode()
        body = body[: len(body) // 2] if self.api.torn(self.path) else body
        if "items" in self.path:
            self.api.between(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


BY_TIME = Incremental(
    cursor="updatedAt", parameter="updated_since", form="%Y-%m-%dT%H:%M:%SZ", overlap_seconds=3600, sweep_runs=5, sweep_days=7
)


class Changing(Extracts):
    """The pipeline of groups and items. `incremental` is how items are asked for what changed; `paging` how they page."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        incremental: Incremental | None = BY_TIME,
        paging: Any = None,
        records: str = "",
        gates: list[Gate] | None = None,
    ) -> None:
        paging = paging or OffsetPaging(offset_param="offset", size_param="size", size=PAGE)
        self.fetches = {
            GROUPS: Fetch(entity="group", path="/groups", records=records),
            ITEMS: Fetch(
                entity="item",
                path="/groups/{group}/items",
                parent=ParentKey(entity="group", path="id", parameter="group"),
                paging=paging,
                incremental=incremental,
                records=records,
            ),
        }
        gates = gates or [Gate(name=name) for name in (*GATES, "rows_conserved")]
        tables = [
            Table(
                table=name, description=name, entity=fetch.entity, steps=[*STEPS, WATCH], build=Extraction(fetch=fetch),
                schema=EXTRACT_FORM, gates=gates, inputs=[] if name == GROUPS else [GROUPS],
            )
            for name, fetch in self.fetches.items()
        ]  # fmt: skip
        server = Server(base_url_env=URL, auth=Auth(kind="none"), probe="/groups", in_flight=2)
        stage = StageContract(name="extract", playbook="", outputs=tables)
        made = Pipeline(
            source="small", title="Small", version="v1", owner="", intelligence="small", server=server, stages=[stage]
        )
        checks: list[Any] = [{"stage": "extract", "checks": sorted({gate.name for gate in gates})}]
        super().__init__(folder, engine, covenant=Covenant(pipeline=made, quality_gates=checks))

    def canon(self) -> list[CanonEntity]:
        return [fields(fetch, ("id", "name", "updatedAt")) for fetch in self.fetches.values()]

    def both(self, run: str, **options: Any) -> Any:
        """Deliver groups, then items; the delivery of the items."""
        self.deliver(GROUPS, run)
        return self.deliver(ITEMS, run, **options)

    def found(self) -> list[tuple[str, int, str]]:
        """(group, id, name) of every row of the items' table."""
        rows = [(row["parentKey"], json.loads(row["record"])) for row in self.rows(ITEMS)]
        return sorted((parent, record["id"], record["name"]) for parent, record in rows)


def by_page() -> PagePaging:
    return PagePaging(page_param="page", size_param="size", size=PAGE)
