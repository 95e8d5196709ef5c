"""pygeoapi, OGC API Features."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer, seeded


class Pygeoapi(RealServer):
    """OGC API Features: GeoJSON, `offset` and `limit`, links in the body, an OpenAPI document of its own."""

    name = "pygeoapi"

    def install(self) -> None:
        self.pip("pygeoapi==0.21.0")

    def prepare(self) -> None:
        collections = {
            "lakes": seeded(
                "lake", 140, id=lambda n: n + 1, lon=lambda n: 6 + n / 50, lat=lambda n: 46 + n / 90, depth=lambda n: n * 3
            ),
            "huts": seeded(
                "hut", 65, id=lambda n: f"H{n:03}", lon=lambda n: 7 + n / 50, lat=lambda n: 47 + n / 90, beds=lambda n: n % 40
            ),
        }
        for name, rows in collections.items():
            with (self.folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        limits = {"default_items": 20, "max_items": 50, "on_exceed": "throttle"}
        about = {"title": "Places", "description": "Seeded places", "keywords": ["places"], "keywords_type": "theme"}
        who = {"name": "Nobody", "url": "http://127.0.0.1", "email": "nobody@example.org"}
        configuration = {
            "server": {
                "bind": {"host": "127.0.0.1", "port": self.port},
                "url": self.address,
                "mimetype": "application/json; charset=UTF-8",
                "encoding": "utf-8",
                "languages": ["en-US"],
                "limits": limits,
                "map": {"url": f"{self.address}/tiles", "attribution": "none"},
            },
            "logging": {"level": "ERROR"},
            "metadata": {
                "identification": {**about, "terms_of_service": "none", "url": "http://127.0.0.1"},
                "license": {"name": "CC0", "url": "http://127.0.0.1"},
                "provider": {"name": "Nobody", "url": "http://127.0.0.1"},
                "contact": who,
            },
            "resources": {
                name: {
                    "type": "collection",
                    **{key: value for key, value in about.items() if key != "keywords_type"},
                    "title": name,
                    "links": [],
                    "extents": {"spatial": {"bbox": [-180, -90, 180, 90], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
                    "providers": [
                        {
                            "type": "feature",
                            "name": "CSV",
                            "data": str(self.folder / f"{name}.csv"),
                            "id_field": "id",
                            "geometry": {"x_field": "lon", "y_field": "lat"},
                        }
                    ],
                }
                for name in collections
            },
        }
        (self.folder / "config.yml").write_text(json.dumps(configuration, indent=1))
        subprocess.run(
            ["venv/bin/pygeoapi", "openapi", "generate", "config.yml", "--output-file", "openapi.yml"],
            cwd=self.folder,
            env={**os.environ, **self.environment()},
            check=True,
            capture_output=True,
        )

    def environment(self) -> dict[str, str]:
        return {"PYGEOAPI_CONFIG": str(self.folder / "config.yml"), "PYGEOAPI_OPENAPI": str(self.folder / "openapi.yml")}

    def command(self) -> list[str]:
        return ["venv/bin/pygeoapi", "serve", "--flask"]

    def ready(self) -> str:
        return f"{self.address}/conformance?f=json"

    def rows(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for file in sorted(self.folder.glob("*.csv")):
            with file.open(newline="") as opened:
                found[file.stem] = {row["mark"] for row in csv.DictReader(opened)}
        return found
