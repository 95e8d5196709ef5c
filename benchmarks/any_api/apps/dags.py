"""Rows for Airflow's own database: python dags.py (run by the environment that `servers/airflow.py` installs)."""

import datetime as dt
import random

from airflow.models import Connection, DagModel, DagRun, Pool, Variable
from airflow.utils.session import create_session

chance = random.Random(2)  # noqa: S311 (seeded data, no secret)


def mark(kind: str) -> str:
    return f"{kind}-{chance.getrandbits(48):012x}"


with create_session() as session:
    for n in range(140):
        session.add(Variable(key=mark("variable"), val=f"value {n}", description="é"))
    for n in range(35):
        session.add(Connection(conn_id=mark("connection"), conn_type="http", host="h", description=None if n % 2 else "é"))
    for n in range(12):
        session.add(Pool(pool=mark("pool"), slots=n + 1, include_deferred=False))
    for n in range(14):
        dag = DagModel(
            dag_id=mark("dag"),
            is_active=True,
            is_paused=False,
            fileloc="/dags/seeded.py",
            owners="reader",
            description=f"DAG {n}",
            default_view="grid",
            schedule_interval="@daily",
            max_active_tasks=4,
            max_active_runs=2,
            has_task_concurrency_limits=False,
            max_consecutive_failed_dag_runs=0,
        )
        session.add(dag)
        for day in range(n * 3 % 11):
            at = dt.datetime(2024, 1, 1 + day, tzinfo=dt.UTC)
            state = "success" if day % 3 else "failed"
            run = {"run_type": "manual", "execution_date": at, "start_date": at, "state": state}
            session.add(DagRun(dag_id=dag.dag_id, run_id=mark("run"), **run))
    session.commit()
