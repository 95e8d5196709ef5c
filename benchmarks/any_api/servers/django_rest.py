"""Django REST framework."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer, marks_in


class DjangoRest(RealServer):
    """A browsable root and `Authorization: Token`; pages by number, offset and cursor; records with `url` in place of an id, lists
    linked below them; addresses that must end with a slash; rows that the API hides are none of its truth."""

    name, token, answers = "django_rest", "drf-secret-token-0123456789abcdef", 401

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/v1/"

    def install(self) -> None:
        self.pip("djangorestframework==3.18.3", "django==5.2.19", "django-filter==26.2")

    def prepare(self) -> None:
        self.app("library.py")
        subprocess.run(["venv/bin/python", "library.py", "seed", str(self.token)], cwd=self.folder, check=True)

    def command(self) -> list[str]:
        return ["venv/bin/python", "library.py", "serve", f"127.0.0.1:{self.port}"]

    def ready(self) -> str:
        return self.base_url

    def rows(self) -> Mapping[str, set[str]]:
        with sqlite3.connect(self.folder / "db.sqlite3") as database:
            tables = {name: f"auth_{name}" for name in ("author", "branch", "book", "review", "member", "loan")}
            return {name: marks_in(database, table, "active" if name == "member" else "1") for name, table in tables.items()}
