"""Real servers from PyPI and npm, installed into a folder of their own, seeded, run on 127.0.0.1. Each knows the rows it was given.

Every seeded row holds a text that no other row has (`mark`): by it the rows that land are told from those that do not.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import requests

Row = dict[str, Any]

APPS = Path(__file__).parent.parent / "apps"


def seeded(kind: str, count: int, /, **columns: Any) -> list[Row]:
    """`count` rows of this kind; each of `columns` is called with the row's number."""
    chance = random.Random(kind)  # noqa: S311 (seeded data, no secret)
    return [
        {"mark": f"{kind}-{chance.getrandbits(48):012x}", **{key: make(n) for key, make in columns.items()}} for n in range(count)
    ]


class RealServer(ABC):
    """One server: how it is installed, seeded and started, and what it holds."""

    name: ClassVar[str]
    token: ClassVar[str | None] = None
    user: ClassVar[str | None] = None
    answers: ClassVar[int] = 200
    """Status of `ready` once the server is up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return self.address

    @abstractmethod
    def install(self) -> None: ...

    @abstractmethod
    def prepare(self) -> None:
        """Write data and configuration."""

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def rows(self) -> Mapping[str, set[str]]:
        """Table → the marks of its rows, from the server's own database where it has one."""

    def ready(self) -> str:
        """Address that answers with `answers` once it is up."""
        return self.address

    def seed(self) -> None:  # noqa: B027 (most are seeded by files)
        """Give it rows through its own interface, where files can't."""

    def description(self) -> Path | None:
        """An OpenAPI document that a person gives, where the server has none."""
        return None

    def environment(self) -> dict[str, str]:
        return {}

    def around(self) -> dict[str, str]:
        """The environment that its programs run in."""
        return {**os.environ, **self.environment()}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Started and seeded; stopped at the end."""
        with (self.folder / "server.log").open("wb") as log:
            process = subprocess.Popen(self.command(), cwd=self.folder, env=self.around(), stdout=log, stderr=subprocess.STDOUT)
            try:
                self._wait(process)
                self.seed()
                yield
            finally:
                process.terminate()
                process.wait(20)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 180
        while time.monotonic() < until and process.poll() is None:
            try:
                if requests.get(self.ready(), timeout=20).status_code == self.answers:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} did not start: {(self.folder / 'server.log').read_text(errors='replace')[-2000:]}")

    def app(self, name: str) -> None:
        """Put a program or a script of ours beside it, which its own environment runs."""
        shutil.copy(APPS / name, self.folder / name)

    def npm(self, *packages: str) -> None:
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", *packages]
        subprocess.run(command, cwd=self.folder, check=True)

    def pip(self, *packages: str) -> None:
        if not (self.folder / "venv" / "bin" / "pip").exists():
            subprocess.run([sys.executable, "-m", "venv", "venv"], cwd=self.folder, check=True)
        subprocess.run(
            ["venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages], cwd=self.folder, check=True
        )


def marks_in(database: sqlite3.Connection, table: str, where: str = "1", column: str = "mark") -> set[str]:
    """The marks of a table's rows."""
    return {str(mark) for (mark,) in database.execute(f'SELECT "{column}" FROM "{table}" WHERE {where}')}  # noqa: S608


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])
