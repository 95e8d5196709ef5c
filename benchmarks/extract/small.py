"""A small API on loopback, groups with their items, and the two Extract tables of its pipeline: real HTTP, Delta, gates."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa

from spectra_assets.covenant.access import Auth, Fetch, Incremental, OffsetPaging, ParentKey, Server
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.canon import CanonEntity, CanonField, to_row
from spectra_assets.covenant.forms import EXTRACT_FORM
from spectra_assets.covenant.model import Covenant, Gate, Pipeline, StageContract, Table
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.playbook.model import Playbooks, Standards
from spectra_assets.settings import Settings
from spectra_assets.stages.deliver import Delivery
from spectra_assets.stages.extract import cursor, extract  # noqa: F401  register the actions
from spectra_assets.stages.extract.scope import WATCH
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Work

URL = "SMALL_API_URL"
PAGE = 50
GROUPS, ITEMS = "extract.groups", "extract.items"
STEPS = ["extract.fetch_records", "extract.flatten_tree", "extract.hash_records"]
START, FORM = datetime(2026, 1, 1, tzinfo=UTC), "%Y-%m-%dT%H:%M:%SZ"
"""Of `updatedAt`."""

BY_TIME = Incremental(
    cursor="updatedAt", parameter="updated_since", form=FORM, overlap_seconds=60, sweep_runs=10, sweep_days=7
)  # fmt: skip
GATES = ["extract_complete", "no_schema_drift", "fields_seen", "primary_key_present", "parents_resolved"]


class SmallApi:
    """`groups` lists of `items` items each, behind offset paging. `asked` counts requests by address; `told` are conditions sent.

    `tag`: answers have an ETag. `latency` in seconds. `fault` is called with the address before an answer, and may raise OSError
    to cut the connection, or give a status to refuse with. `names` (group, item → name) change what the items hold. `timed`: items
    have `updatedAt`, and `updated_since` gives those at or after it.
    """

    def __init__(
        self, groups: int = 4, items: int = 300, tag: bool = True, latency: float = 0.0, text: int = 20, timed: bool = False
    ) -> None:
        self.timed = timed
        self.groups, self.items, self.tag, self.latency, self.text = groups, items, tag, latency, text
        self.names: dict[tuple[int, int], str] = {}
        self.fault: Callable[[str], int | None] = lambda _: None
        self.asked: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def note(self, address: str) -> None:
        """One more request."""
        with self._lock:
            self.asked[address] += 1

    def sent(self, status: int) -> None:
        """One more answer."""
        with self._lock:
            self.statuses[status] += 1

    def forget(self) -> None:
        """Count from nothing again."""
        with self._lock:
            self.asked.clear()
            self.statuses.clear()

    def rows(self, path: str, query: dict[str, str]) -> list[dict[str, Any]] | None:
        """The rows of one page; None for what there is not."""
        start, size = int(query.get("offset", 0)), int(query.get("size", PAGE))
        parts = path.strip("/").split("/")
        if parts == ["groups"]:
            return [{"id": group, "name": f"group {group}"} for group in range(1, self.groups + 1)][start : start + size]
        if len(parts) == 3 and parts[0] == "groups" and parts[2] == "items":
            group = int(parts[1])
            since = self._number(query.get("updated_since")) if self.timed else 1
            numbers = range(since, self.items + 1)[start : start + size] if group <= self.groups else ()
            return [self._item(group, number) for number in numbers]
        return None

    def _item(self, group: int, number: int) -> dict[str, Any]:
        name = self.names.get((group, number), f"item {number} of {group} " + "x" * self.text)
        item = {"id": group * 1_000_000 + number, "name": name, "owner": {"login": f"user{number % 7}"}}
        return item | {"updatedAt": (START + timedelta(seconds=number)).strftime(FORM)} if self.timed else item

    def _number(self, since: str | None) -> int:
        """The first item that changed since."""
        if since is None:
            return 1
        return max(1, int((datetime.strptime(since, FORM).replace(tzinfo=UTC) - START).total_seconds()))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> SmallApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: killed clients are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: SmallApi

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/__asked":
            self._send(200, json.dumps(self.api.asked).encode(), {})
            return
        if self.api.latency:
            time.sleep(self.api.latency)
        status = self.api.fault(self.path)
        self.api.note(self.path)
        rows = self.api.rows(parts.path, dict(parse_qsl(parts.query)))
        body = json.dumps(rows if rows is not None and not status else {"error": "no"}).encode()
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        if rows is None or status:
            self._send(status or 404, body, {})
        elif self.api.tag and self.headers.get("If-None-Match") == tag:
            self._send(304, b"", {"ETag": tag})
        else:
            self._send(200, body, {"ETag": tag} if self.api.tag else {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.api.sent(status)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def pipeline(in_flight: int = 8, page: int = PAGE, incremental: Incremental | None = None) -> Covenant:
    """The covenant of the two tables. `incremental` is how items are asked for what changed."""
    paging = OffsetPaging(offset_param="offset", size_param="size", size=page)
    groups = Fetch(entity="group", path="/groups", paging=paging)
    by_group = ParentKey(entity="group", path="id", parameter="group")
    items = Fetch(entity="item", path="/groups/{group}/items", parent=by_group, paging=paging, incremental=incremental)
    gates = [Gate(name=name) for name in GATES]
    tables = [
        Table(
            table=name, description=name, entity=fetch.entity, steps=[*STEPS, WATCH] if incremental else STEPS, build=Extraction(fetch=fetch), schema=EXTRACT_FORM,
            gates=gates, inputs=more,
        )
        for name, fetch, more in ((GROUPS, groups, []), (ITEMS, items, [GROUPS]))
    ]  # fmt: skip
    server = Server(base_url_env=URL, auth=Auth(kind="none"), probe="/groups", in_flight=in_flight)
    contract = StageContract(name="extract", playbook="", outputs=tables)
    made = Pipeline(source="small", title="Small", version="v1", owner="", intelligence="small", server=server, stages=[contract])
    checks: list[Any] = [{"stage": "extract", "checks": GATES}]
    return Covenant(pipeline=made, quality_gates=checks)


def fields(fetch: Fetch, names: tuple[str, ...]) -> CanonEntity:
    """The canon of one entity."""
    made = tuple(
        CanonField(raw=name, structure="scalar", target=name, type="int64" if name == "id" else "text", group=fetch.entity)
        for name in names
    )
    return CanonEntity(entity=fetch.entity, order=1, fetch=fetch, primary_key="id", sample_size=1, fields=made)


class Extracts:
    """The pipeline's tables, delivered by the package's own Delivery into a lakehouse below `folder`."""

    def __init__(
        self, folder: Path, engine: Engine, in_flight: int = 8, page: int = PAGE, covenant: Covenant | None = None
    ) -> None:
        self.lakehouse = Lakehouse(str(folder), "small")
        self.settings = Settings(project=folder, lakehouse_root=str(folder))
        self.covenant = covenant or pipeline(in_flight, page)
        self.engine = engine
        self.said: list[str] = []
        if not self.lakehouse.exists(TableRef("prepare", "schema")):
            self._prepare()

    def canon(self) -> list[CanonEntity]:
        """What Prepare knows of the entities."""
        return [
            fields(
                table.build.fetch,
                ("id", "name")
                if table.table == GROUPS
                else ("id", "name", "owner.login", *(["updatedAt"] if table.build.fetch.incremental else [])),
            )
            for table in self.covenant.tables()
            if isinstance(table.build, Extraction)
        ]

    def _prepare(self) -> None:
        rows = table_of("prepare.schema", [_texts(to_row(entity)) for entity in self.canon()])
        with Staging(self.lakehouse, "prepare", self.engine) as staging:
            staged = staging.stage_arrow(TableRef("prepare", "schema"), rows)
            self.lakehouse.publish(TableRef("prepare", "schema"), staged, CommitInfo("prepare", "v1"))

    def work(self, table: str, run: str, replay: bool = False, **more: Any) -> Work:
        """What is given to make one table."""
        return Work(
            settings=self.settings,
            covenant=self.covenant,
            table=self.covenant.table(table),
            lakehouse=self.lakehouse,
            engine=self.engine,
            playbooks=Playbooks(Standards("", "", (), (), "STANDARDS.md"), ()),
            run_id=run,
            now=datetime.now(UTC),
            say=self.said.append,
            replay=replay,
            **more,
        )

    @contextmanager
    def delivering(self, table: str, run: str, replay: bool = False, **more: Any) -> Iterator[Delivery]:
        """One delivery, audited; the caller publishes it."""
        with Delivery(self.work(table, run, replay, **more)) as delivery:
            delivery.audit()
            yield delivery

    def deliver(self, table: str, run: str = "run1", replay: bool = False, **more: Any) -> Delivery:
        """Make, judge and publish one table. Raises what goes wrong."""
        with self.delivering(table, run, replay, **more) as delivery:
            delivery.publish()
        return delivery

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The table in the order of its records."""
        found: pa.Table = self.lakehouse.read(TableRef.parse(table))
        return list(found.sort_by("sequence").to_pylist())


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: [_text(each) for each in value] if isinstance(value, list) else value for name, value in row.items()}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
