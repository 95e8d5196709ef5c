"""Roundup, an issue tracker."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer


class Roundup(RealServer):
    """Basic auth, lists of `{id, link}` alone: all that a record holds stands at its own address, in `data.attributes`."""

    name, user, token, answers = "roundup", "reader", "reader-pw-1", 403

    @property
    def base_url(self) -> str:
        return f"{self.address}/desk/rest/data"

    def install(self) -> None:
        self.pip("roundup==2.6.0")

    def prepare(self) -> None:
        home = self.folder / "tracker"
        shutil.rmtree(home, ignore_errors=True)
        admin = [str(self.folder / "venv/bin/roundup-admin"), "-i", "tracker"]
        subprocess.run([*admin, "install", "classic", "sqlite"], cwd=self.folder, check=True, capture_output=True)
        file = home / "config.ini"
        text = file.read_text()
        for name, value in (
            ("web", f"{self.address}/desk/"),
            ("domain", "example.org"),
            ("host", "localhost"),
            ("password", "x"),
        ):
            text = re.sub(rf"^#?{name} = NO DEFAULT$", f"{name} = {value}", text, flags=re.MULTILINE)
        file.write_text(text)
        (home / "detectors" / "nosyreaction.py").unlink()  # it sends mail
        subprocess.run([*admin, "initialise", "admin"], cwd=self.folder, check=True, capture_output=True)
        self.app("tracker.py")
        subprocess.run(["venv/bin/python", "tracker.py", "tracker", str(self.token)], cwd=self.folder, check=True)
        if os.geteuid() == 0:  # it refuses to run as root
            for path in (home, *home.rglob("*")):
                os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)

    def command(self) -> list[str]:
        serve = ["venv/bin/roundup-server", "-t", "debug", "-p", str(self.port), "-n", "127.0.0.1", "desk=tracker"]
        return ["setpriv", "--reuid=nobody", "--clear-groups", *serve] if os.geteuid() == 0 else serve

    def ready(self) -> str:
        return self.base_url

    def rows(self) -> Mapping[str, set[str]]:
        pattern = re.compile(r"[a-z]+-[0-9a-f]{12}")
        found: dict[str, set[str]] = {}
        with sqlite3.connect(self.folder / "tracker" / "db" / "db") as database:
            for table, column in (("_issue", "_title"), ("_msg", "_summary"), ("_user", "_realname"), ("_keyword", "_name")):
                texts = [str(text) for (text,) in database.execute(f"SELECT {column} FROM {table}")]  # noqa: S608
                found[table[1:]] = {mark for text in texts for mark in pattern.findall(text)}
        return found
