"""Apache Airflow."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer, marks_in


class Airflow(RealServer):
    """89 operations in an OpenAPI document of its own, basic auth that only the description tells; its first path is for nobody, it
    refuses parameters that it does not know, and gives 100 rows where more are asked for."""

    name, user, token = "airflow", "reader", "air-secret-5"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/v1"

    def install(self) -> None:
        self.pip("apache-airflow==2.10.5")

    def environment(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }

    def prepare(self) -> None:
        (self.folder / "home" / "airflow.db").unlink(missing_ok=True)
        self.app("dags.py")
        person = ["-r", "Admin", "-f", "A", "-l", "B", "-e", "a@example.org", "-u", str(self.user), "-p", str(self.token)]
        for command in (["airflow", "db", "migrate"], ["airflow", "users", "create", *person], ["python", "dags.py"]):
            tool, *rest = command
            subprocess.run([f"venv/bin/{tool}", *rest], cwd=self.folder, env=self.around(), check=True, capture_output=True)

    def command(self) -> list[str]:
        address = f"127.0.0.1:{self.port}"
        return ["venv/bin/gunicorn", "-w", "1", "--threads", "4", "-t", "600", "-b", address, "airflow.www.app:cached_app()"]

    def ready(self) -> str:
        return f"{self.base_url}/version"

    def rows(self) -> Mapping[str, set[str]]:
        columns = {"variable": "key", "connection": "conn_id", "slot_pool": "pool", "dag": "dag_id", "dag_run": "run_id"}
        with sqlite3.connect(self.folder / "home" / "airflow.db") as database:
            found = {table: marks_in(database, table, column=column) for table, column in columns.items()}
        return {table: {mark for mark in marks if "-" in mark} for table, marks in found.items()}
