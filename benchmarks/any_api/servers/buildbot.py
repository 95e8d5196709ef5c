"""Buildbot, a continuous integration server."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer, marks_in


class Buildbot(RealServer):
    """A root that lists bare names; records within a key of their own name; every parameter that it does not know is refused."""

    name = "buildbot"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/v2"

    def install(self) -> None:
        self.pip("buildbot==4.3.0", "buildbot-www==4.3.0", "buildbot-worker==4.3.0", "setuptools<81")

    def environment(self) -> dict[str, str]:
        return {"BUILDBOT_TEST_PORT": str(self.port)}

    def prepare(self) -> None:
        for name in ("buildbot_master.py", "buildbot_rows.py"):
            self.app(name)
        master = self.folder / "master"
        if not (master / "buildbot.tac").exists():
            subprocess.run(
                ["venv/bin/buildbot", "create-master", "-r", "master"], cwd=self.folder, check=True, capture_output=True
            )
        (master / "master.cfg").write_text((self.folder / "buildbot_master.py").read_text())

    def command(self) -> list[str]:
        return ["venv/bin/twistd", "--nodaemon", "--no_save", "--pidfile=", "-y", "master/buildbot.tac"]

    def ready(self) -> str:
        return f"{self.base_url}/builders"

    def seed(self) -> None:
        subprocess.run(["venv/bin/python", "buildbot_rows.py", "master/state.sqlite"], cwd=self.folder, check=True)

    def rows(self) -> Mapping[str, set[str]]:
        columns = {"builders": "description", "changes": "comments", "buildsets": "reason", "builds": "state_string"}
        with sqlite3.connect(self.folder / "master" / "state.sqlite") as database:
            return {table: marks_in(database, table, column=column) for table, column in columns.items()}
