"""What the package does in the benchmark: a plan by its own Prepare and Design, then Extract, and Extract with Clean.

    python -m benchmarks.extract.ours plan <folder>       once, not measured
    python -m benchmarks.extract.ours extract <folder>    measured, as is: python -m benchmarks.extract.ours clean <folder>

The address of the API is in SPEED_URL.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.extract.rendered import LEVELS, PAGE

REPOSITORY = Path(__file__).parent.parent.parent
URL = "SPEED_URL"
IN_FLIGHT = 16
SOURCE = "speed"


def plan(folder: Path) -> None:
    """Canon and covenant from samples, kept in `folder`."""
    from spectra_assets.client.api import ApiClient
    from spectra_assets.covenant.access import Auth, Fetch, OffsetPaging, ParentKey, Server
    from spectra_assets.covenant.canon import Canon
    from spectra_assets.covenant.files import write
    from spectra_assets.covenant.model import DataType
    from spectra_assets.intelligence.model import EntityHint, Pack
    from spectra_assets.lakehouse.commit import CommitInfo
    from spectra_assets.lakehouse.engine import shared
    from spectra_assets.lakehouse.staging import Staging
    from spectra_assets.names import TableRef
    from spectra_assets.stages.design import design
    from spectra_assets.stages.prepare.fields.canonise import canonise
    from spectra_assets.stages.prepare.fields.naming import named
    from spectra_assets.stages.prepare.prepare import schema_table

    settings, lakehouse = _place(folder)
    server = Server(base_url_env=URL, auth=Auth(kind="none"), probe="/projects", in_flight=IN_FLIGHT)
    paging = OffsetPaging(offset_param="offset", size_param="size", size=PAGE)
    client = ApiClient.from_environment(server)
    entities, hints, above = [], [], None
    for order, (entity, plural) in enumerate(LEVELS):
        parent = ParentKey(entity=above[0], path="id", parameter="id") if above else None
        path = f"/{above[1]}/{{id}}/{plural}" if above else f"/{plural}"
        fetch = Fetch(entity=entity, path=path, records="items", parent=parent, paging=paging)
        sample = [json.loads(text) for page in client.pages(fetch, 1 if parent else None, limit=200) for text in page.records]
        hint = EntityHint(entity=entity, description=f"The {plural}.", routes=[path])
        made, _ = canonise(hint, fetch, order, sample, None, [DataType.INT64], set())
        entities.append(made)
        hints.append(hint)
        above = (entity, plural)
    canon = Canon(entities=tuple(named(entities, {}, lambda entity, raw: None)))
    pack = Pack(source=SOURCE, title="Speed", server=server, endpoints=[], entities=hints)
    covenant, _ = design(settings, pack, canon)
    write(folder / "speed.yaml", covenant)
    with Staging(lakehouse, "plan", shared(settings)) as staging:
        ref = TableRef("prepare", "schema")
        lakehouse.publish(ref, staging.stage_arrow(ref, schema_table(canon.entities)), CommitInfo("plan", "v1"))


def deliver(folder: Path, stages: tuple[str, ...]) -> list[dict[str, object]]:
    """Make, judge and publish the tables of `stages`, in order, in this process. What became of each."""
    from spectra_assets.covenant.files import read
    from spectra_assets.lakehouse.engine import shared
    from spectra_assets.stages import actions  # noqa: F401  registers them
    from spectra_assets.stages.deliver import Delivery
    from spectra_assets.stages.design import playbooks_of
    from spectra_assets.stages.work import Work

    settings, lakehouse = _place(folder)
    covenant, playbooks = read(folder / "speed.yaml"), playbooks_of(settings)
    done: list[dict[str, object]] = []
    for stage in stages:
        for table in (table for table in covenant.tables() if table.ref.schema == stage):
            cpu, wall = time.process_time(), time.monotonic()
            work = Work(settings, covenant, table, lakehouse, shared(settings), playbooks, "speed", datetime.now(UTC))
            with Delivery(work) as delivery:
                delivery.audit()
                delivery.publish()
            outcome = delivery.outcome
            assert outcome is not None
            assert outcome.status == "published", outcome.error
            done.append(
                {
                    "table": table.table,
                    "rows": outcome.rows_out,
                    "requests": delivery.draft.evidence.get("extraction", {}).get("requests", 0),
                    "cpu": round(time.process_time() - cpu, 2),
                    "wall": round(time.monotonic() - wall, 2),
                }
            )
    return done


def _place(folder: Path):  # type: ignore[no-untyped-def]
    from spectra_assets.lakehouse.store import Lakehouse
    from spectra_assets.settings import Settings

    in_flight = int(os.environ.get("SPECTRA_IN_FLIGHT", IN_FLIGHT))
    return Settings(project=REPOSITORY, lakehouse_root=str(folder), in_flight=in_flight), Lakehouse(str(folder), SOURCE)


def main() -> None:
    task, folder = sys.argv[1], Path(sys.argv[2])
    if task == "plan":
        plan(folder)
    else:
        stages = ("extract",) if task == "extract" else ("extract", "clean")
        print(json.dumps(deliver(folder, stages)))


if __name__ == "__main__":
    main()
