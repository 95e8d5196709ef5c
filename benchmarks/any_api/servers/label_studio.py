"""Label Studio, for annotating data."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping

import requests

from benchmarks.any_api.servers.server import RealServer, marks_in


class LabelStudio(RealServer):
    """190 operations in an OpenAPI document of its own, `Authorization: Token`; most lists are empty, and want a project's id."""

    name, token = "label_studio", "abcdef0123456789abcdef0123456789abcdef01"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api"

    def install(self) -> None:
        self.pip("label-studio==1.23.2")

    def environment(self) -> dict[str, str]:
        return {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.folder / "data"),
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "COLLECT_ANALYTICS": "false",
            "SENTRY_DSN": "",
        }

    def prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "data" / "label_studio.sqlite3").unlink(missing_ok=True)

    def command(self) -> list[str]:
        person = ["--username", "reader@example.org", "--password", "reader-secret-1", "--user-token", str(self.token)]
        return [
            "venv/bin/label-studio",
            "start",
            "--no-browser",
            "--internal-host",
            "127.0.0.1",
            "--port",
            str(self.port),
            *person,
        ]

    def ready(self) -> str:
        return f"{self.address}/health"

    def seed(self) -> None:
        chance = random.Random("label")  # noqa: S311 (seeded data, no secret)
        session = requests.Session()
        session.headers["Authorization"] = f"Token {self.token}"
        view = '<View><Text name="text" value="$text"/><Choices name="c" toName="text"><Choice value="A"/></Choices></View>'
        for _ in range(6):
            project = {"title": f"project-{chance.getrandbits(48):012x}", "label_config": view}
            made = session.post(f"{self.base_url}/projects/", json=project, timeout=60)
            made.raise_for_status()
            tasks = [{"data": {"text": f"task-{chance.getrandbits(48):012x}"}} for _ in range(45)]
            session.post(f"{self.base_url}/projects/{made.json()['id']}/import", json=tasks, timeout=60).raise_for_status()

    def rows(self) -> Mapping[str, set[str]]:
        with sqlite3.connect(self.folder / "data" / "label_studio.sqlite3") as database:
            tasks = marks_in(database, "task", column="data")
            return {
                "project": marks_in(database, "project", column="title"),
                "task": {text.partition('"text": "')[2].partition('"')[0] for text in tasks},
            }
