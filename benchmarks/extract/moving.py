"""A list that changes while it is read, in every style of paging: what the table holds after such a run, and after a quiet one.

    python -m benchmarks.extract.moving [--rounds N] [--seed N]

Recipes come (in front, behind, or in their place by title), go, and are touched, which moves them where the list is sorted by their
time of change: some at once, between any two pages. A run is right if each recipe that was there all the time is in the table with
one of the contents that it had then, and nothing is that never was; a quiet run after it, if the table is what the API has.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from benchmarks.extract.small import GATES, STEPS, URL, Extracts, fields
from spectra_assets.covenant.access import (
    Auth,
    CursorPaging,
    Fetch,
    KeysetPaging,
    LinkPaging,
    NextPaging,
    OffsetPaging,
    PagePaging,
    Server,
)
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.forms import EXTRACT_FORM
from spectra_assets.covenant.model import Covenant, Gate, Pipeline, StageContract, Table
from spectra_assets.errors import GateError
from spectra_assets.lakehouse.engine import Engine, shared
from spectra_assets.settings import load

PAGE = 10
RECIPES = "extract.recipes"
STYLES: dict[str, Any] = {
    "offset": OffsetPaging(offset_param="offset", size_param="size", size=PAGE),
    "page": PagePaging(page_param="page", size_param="size", size=PAGE),
    "cursor": CursorPaging(cursor_param="cursor", next="next", size_param="size", size=PAGE),
    "next": NextPaging(next="next", size_param="size", size=PAGE),
    "link": LinkPaging(size_param="size", size=PAGE),
    "keyset": KeysetPaging(after_param="after", field="id", size_param="size", size=PAGE),
}
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "id": lambda row: row["id"],
    "newest": lambda row: -row["id"],
    "title": lambda row: (row["title"], row["id"]),
    "touched": lambda row: (row["updatedAt"], row["id"]),
    "touched last": lambda row: (-row["updatedAt"], row["id"]),
}


class Recipes:
    """The API: `/recipes` in one style and order. `between` is called after each page of it."""

    def __init__(self, style: str, sort: str, total: bool) -> None:
        self.style, self.sort, self.total = style, "id" if style == "keyset" else sort, total
        self.now, self.last = 1, 0
        self.rows: dict[int, dict[str, Any]] = {}
        self.between: Callable[[], None] = lambda: None
        self.asked = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, chance: random.Random) -> None:
        """One more recipe."""
        self.last, self.now = self.last + 1, self.now + 1
        self.rows[self.last] = {"id": self.last, "title": f"recipe {chance.randrange(1000):03}", "updatedAt": self.now}

    def touch(self, key: int) -> None:
        """Change a recipe."""
        self.now += 1
        self.rows[key] = {**self.rows[key], "updatedAt": self.now}

    def truth(self) -> dict[int, str]:
        """Recipe → its content."""
        return {key: json.dumps(row) for key, row in self.rows.items()}

    def answer(self, query: dict[str, str]) -> tuple[Any, dict[str, str]]:
        found = sorted(self.rows.values(), key=SORTS[self.sort])
        size = int(query["size"])
        start = self._start(query, size, found)
        page = found[start : start + size]
        body: dict[str, Any] = {"recipes": page} | ({"total": len(found)} if self.total else {})
        headers = {}
        if start + size < len(found):
            if self.style == "cursor":
                body["next"] = urlsafe_b64encode(json.dumps({"skip": start + size}).encode()).decode()
            elif self.style == "next":
                body["next"] = f"/recipes?{urlencode({'page': start // size + 2, 'size': size})}"
            elif self.style == "link":
                headers["Link"] = f'</recipes?{urlencode({"offset": start + size, "size": size})}>; rel="next"'
        self.asked += 1
        self.between()
        return body, headers

    def _start(self, query: dict[str, str], size: int, found: list[dict[str, Any]]) -> int:
        if "cursor" in query:
            return int(json.loads(urlsafe_b64decode(query["cursor"]))["skip"])
        if "page" in query:
            return (int(query["page"]) - 1) * size
        if "after" in query:
            return sum(row["id"] <= int(query["after"]) for row in found)
        return int(query.get("offset", 0))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: Recipes

    def do_GET(self) -> None:
        value, headers = self.api.answer(dict(parse_qsl(urlsplit(self.path).query)))
        body = json.dumps(value).encode()
        self.send_response(200)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


class Kitchen(Extracts):
    """The pipeline of one table."""

    def __init__(self, folder: Path, engine: Engine, style: str) -> None:
        self.fetch = Fetch(entity="recipe", path="/recipes", records="recipes", paging=STYLES[style])
        gates = [Gate(name=name) for name in GATES]
        table = Table(
            table=RECIPES, description="", entity="recipe", steps=STEPS, build=Extraction(fetch=self.fetch), schema=EXTRACT_FORM,
            gates=gates, inputs=[],
        )  # fmt: skip
        server = Server(base_url_env=URL, auth=Auth(kind="none"), probe="/recipes", in_flight=2)
        stage = StageContract(name="extract", playbook="", outputs=[table])
        made = Pipeline(
            source="small", title="Recipes", version="v1", owner="", intelligence="small", server=server, stages=[stage]
        )
        checks: list[Any] = [{"stage": "extract", "checks": GATES}]
        super().__init__(folder, engine, covenant=Covenant(pipeline=made, quality_gates=checks))

    def canon(self) -> list[CanonEntity]:
        return [fields(self.fetch, ("id", "title", "updatedAt"))]

    def found(self) -> list[tuple[int, str]]:
        """(id, content) of each row."""
        records = [json.loads(row["record"]) for row in self.rows(RECIPES)]
        return [(record["id"], json.dumps(record)) for record in records]


class Moving:
    """One list, read again and again, with changes in every other run."""

    def __init__(self, folder: Path, engine: Engine, style: str, sort: str, total: bool, seed: int) -> None:
        self.chance = random.Random(f"{style} {sort} {total} {seed}")  # noqa: S311
        self.api = Recipes(style, sort, total)
        for _ in range(self.chance.randrange(25, 55)):
            self.api.add(self.chance)
        os.environ[URL] = self.api.url
        self.kitchen = Kitchen(folder, engine, style)
        self.run = 0

    def round(self) -> list[str]:
        """What was wrong after a run with changes, and after a quiet one."""
        before, contents = self.api.truth(), set(self.api.truth().items())
        pages = self.chance.sample(range(1, 7), self.chance.randint(1, 2))

        def change() -> None:
            if self.api.asked not in pages:
                return
            for _ in range(self.chance.randint(1, 3)):
                self._change()
            contents.update(self.api.truth().items())

        wrong = []
        self.api.asked, self.api.between = 0, change
        moved = self._read()
        self.api.between = lambda: None
        found = self.kitchen.found() if not moved else []
        keys = Counter(key for key, _ in found)
        stayed = before.keys() & self.api.truth().keys()
        if moved:
            wrong.append(f"held back: {moved}")
        else:
            wrong += [f"lost {key}" for key in stayed - keys.keys()]
            wrong += [f"twice {key}" for key, count in keys.items() if count > 1]
            wrong += [f"never was {row}" for row in found if row not in contents]
        again = self._read()
        if again or sorted(self.kitchen.found()) != sorted(self.api.truth().items()):
            wrong.append(f"not the truth after a quiet run: {again}")
        return wrong

    def _change(self) -> None:
        kinds = ["add", "delete", "touch", "replace"]
        kind = self.chance.choice(kinds)
        key = self.chance.choice(sorted(self.api.rows))
        if kind == "touch":
            self.api.touch(key)
        if kind in ("delete", "replace"):
            del self.api.rows[key]
        if kind in ("add", "replace"):
            self.api.add(self.chance)

    def _read(self) -> str:
        self.run += 1
        try:
            self.kitchen.deliver(RECIPES, f"run{self.run}")
        except GateError as error:
            return str(error)[:200]
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    engine = shared(load({}))
    print("| style | total | order | rounds | wrong | requests of a quiet run |\n|---|---|---|---|---|---|")
    for style in STYLES:
        for total in (False, True):
            for sort in SORTS if style != "keyset" else ["id"]:
                with tempfile.TemporaryDirectory() as folder:
                    moving = Moving(Path(folder), engine, style, sort, total, options.seed)
                    found = [wrong for _ in range(options.rounds) if (wrong := moving.round())]
                    moving.api.asked = 0
                    moving._read()
                    moving.api.close()
                told = "; ".join(", ".join(each) for each in found[:3])
                print(
                    f"| {style} | {'yes' if total else 'no'} | {sort} | {options.rounds} | {len(found)} {told} | {moving.api.asked} for {len(moving.api.rows)} rows |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
