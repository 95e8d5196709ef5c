"""The pipeline's own tables (playbook 007): what was delivered, asked for and run, collected from what each attempt left.

Every attempt leaves one file under `Files/log/waiting/` (see `deliver`). The collecting actions bring them into Delta tables; a
file goes only once its rows are published, so that a killed run loses and doubles nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spectra_assets.covenant.build import Chart
from spectra_assets.covenant.forms import FORMS
from spectra_assets.covenant.model import DataType
from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import arrow_schema
from spectra_assets.names import LOG, TableRef
from spectra_assets.stages.analyse.chart import draw
from spectra_assets.stages.work import Draft, Work, action

LESSONS = "lessons.json"
"""Below `Files/log/`: what the learning loop left, one entry per lesson with the columns of `log.lessons`."""

_MOST_DAYS = 90
_STEPS = (("%Y-%m-%d", timedelta(days=1)), ("%H:00", timedelta(hours=1)), ("%H:%M", timedelta(minutes=1)))
"""What a point of the lessons' chart is: the first of which they touch several, else the last."""

_MOST_ASKING = 10

KEPT_DAYS = 90
"""Days for which requests and attempts are kept."""


@action("pipeline.collect_requests")
def collect_requests(draft: Draft, work: Work) -> None:
    """`log.requests`: what it held, and the requests of every attempt that left a file, each once by its requestId."""
    rows = [row for record in waiting(work.lakehouse) for row in record["requests"]]
    _collect(draft, work, rows, key=["requestId"], instant="requestedAt")


@action("pipeline.collect_manifest")
def collect_manifest(draft: Draft, work: Work) -> None:
    """`log.manifest`: what it held, and every attempt that left a file, each once by run, table and start.

    Evidence `lineage` (pairs of tables), `run`, and `replay`: whether that makes tables again from what stands.
    """
    _clear(work.lakehouse, work.now)
    rows = [record["manifest"] for record in waiting(work.lakehouse)]
    _collect(draft, work, rows, key=["runId", "table", "startedAt"], instant="startedAt")
    draft.evidence["lineage"] = _recorded_edges(work)
    draft.evidence |= {"run": work.run_id, "replay": work.remakes}


@action("pipeline.summarise_runs")
def summarise_runs(draft: Draft, work: Work) -> None:
    """`log.runs`: one row per run and stage, from `log.manifest`."""
    manifest = work.read("log.manifest")
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for attempt in manifest.to_pylist():
        row = rows.setdefault(
            (attempt["runId"], attempt["stage"]),
            {
                "runId": attempt["runId"],
                "stage": attempt["stage"],
                "startedAt": attempt["startedAt"],
                "finishedAt": attempt["finishedAt"],
                **dict.fromkeys(("tables", "published", "unchanged", "blocked", "failed", "rowsOut"), 0),
            },
        )
        row["startedAt"] = min(row["startedAt"], attempt["startedAt"])
        row["finishedAt"] = max(row["finishedAt"], attempt["finishedAt"])
        row["tables"] += 1
        row[attempt["status"]] += 1
        row["rowsOut"] += attempt["rowsOut"] or 0
    schema = arrow_schema(FORMS["log.runs"])
    ordered = sorted(rows.values(), key=lambda row: (row["startedAt"], row["stage"]))
    draft.rows = pa.Table.from_pylist(ordered, schema=schema)


@action("pipeline.collect_lessons")
def collect_lessons(draft: Draft, work: Work) -> None:
    """`log.lessons`: the lessons of this source as the learning loop left them last, with a chart of gaps over time."""
    file = work.lakehouse.files(LOG, LESSONS)
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    for row in rows:
        row |= {name: _instant(row.get(name)) for name in ("firstSeen", "lastSeen", "appliedAt")}
    draft.rows = pa.Table.from_pylist(rows, schema=arrow_schema(FORMS["log.lessons"]))
    states = Counter("open" if _is_open(row) else "healed" if row["status"] == "verified" else "other" for row in rows)
    draft.notes |= {"gaps seen": len(rows), "gaps healed": states["healed"], "gaps open": states["open"]}
    asking = list({row["remedy"] or row["lessonId"]: row["lessonId"] for row in reversed(rows) if row["question"]}.values())[::-1]
    draft.notes |= {"ask a person": ", ".join(asking[:_MOST_ASKING]) + (" …" if asking[_MOST_ASKING:] else "")} if asking else {}
    if rows:
        chart = Chart(type="line", title="Gaps seen, healed and open", x="day", y=["seen", "open", "healed"], top=_MOST_DAYS)
        draft.notes["chart"] = draw(chart, _by_day(rows))


def _is_open(row: Mapping[str, Any]) -> bool:
    """Whether a gap still waits for a remedy or a person."""
    return row["status"] not in ("applied", "verified") and not row["closed"]


def _by_day(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Day by day how many gaps were seen so far, were healed, and were open in the evening; by the hour within one day, by the
    minute within one hour.

    A gap whose remedy no run has confirmed yet is neither.
    """
    times = [row[name] for row in rows for name in ("firstSeen", "lastSeen", "appliedAt") if row[name] is not None]
    form, step = next((each for each in _STEPS if len({time.strftime(each[0]) for time in times}) > 1), _STEPS[-1])
    last = max(times)
    quiet = range(min(int((last - min(times)) / step), _MOST_DAYS) + 1)
    events: dict[str, Counter[str]] = {(last - step * back).strftime(form): Counter() for back in quiet}
    for row in rows:
        events.setdefault(row["firstSeen"].strftime(form), Counter())["seen"] += 1
        ended = row["appliedAt"] if row["status"] in ("applied", "verified") else row["lastSeen"] if row["closed"] else None
        if ended is not None:
            mine = events.setdefault(ended.strftime(form), Counter())
            mine["ended"] += 1
            mine["healed"] += row["status"] == "verified"
    days, so_far = [], Counter[str]()
    for day in sorted(events):
        so_far += events[day]
        days.append({"day": day, "seen": so_far["seen"], "healed": so_far["healed"], "open": so_far["seen"] - so_far["ended"]})
    return days[-_MOST_DAYS:]


def _collect(draft: Draft, work: Work, rows: list[Mapping[str, Any]], key: list[str], instant: str) -> None:
    schema = arrow_schema(work.table.schema_)
    times = [column.name for column in work.table.schema_ if column.type == DataType.TIMESTAMP]
    fresh = [{name: _instant(row.get(name)) if name in times else row.get(name) for name in schema.names} for row in rows]
    new = _once(pa.Table.from_pylist(fresh, schema=schema), key)
    since = pa.scalar(_since(work.now), schema.field(instant).type)
    joined = _joined(work.lakehouse, TableRef.parse(work.table.table), new, key)
    draft.batches = (batch for table in joined for batch in table.filter(pc.greater(table[instant], since)).to_batches())
    draft.batches_schema = schema
    draft.notes["collected"] = len(rows)


def _joined(lakehouse: Lakehouse, ref: TableRef, new: pa.Table, key: list[str]) -> Iterator[pa.Table]:
    """What the table holds, batch by batch as there may be millions, then those of the new rows that it does not hold yet."""
    known: set[tuple[Any, ...]] = set()
    for batch in lakehouse.batches(ref) if lakehouse.exists(ref) else ():
        held = _fitted(pa.Table.from_batches([batch]), new.schema)
        known.update(_keys(held.filter(pc.is_in(held[key[0]], new[key[0]].combine_chunks())), key))
        yield held
    yield new.filter(pa.array([each not in known for each in _keys(new, key)], pa.bool_()))


def _keys(table: pa.Table, key: list[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in key), strict=True))


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table in `schema`: a column it lacks is null, one that went is left out."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _once(table: pa.Table, key: list[str]) -> pa.Table:
    """The first row of each key, in order."""
    firsts = {each: place for place, each in reversed([*enumerate(_keys(table, key))])}
    return table.take(pa.array(sorted(firsts.values()), pa.int64()))


def _waiting_files(lakehouse: Lakehouse) -> list[Path]:
    return sorted(lakehouse.files(LOG, "waiting").glob("[0-9]*.json"))


def latest_attempts(lakehouse: Lakehouse) -> dict[str, dict[str, Any]]:
    """The last attempt at each table (`stage.table`) as a row of `log.manifest`, collected there already or not."""
    ref = TableRef(LOG, "manifest")
    columns = ["table", "startedAt", "status", "gatesFailed", "error"]
    rows = lakehouse.read(ref, columns).to_pylist() if lakehouse.exists(ref) else []
    rows += [{**record["manifest"], "startedAt": _instant(record["manifest"]["startedAt"])} for record in waiting(lakehouse)]
    return {row["table"]: row for row in sorted(rows, key=lambda row: row["startedAt"])}


def waiting(lakehouse: Lakehouse) -> Iterator[dict[str, Any]]:
    """What each attempt left since `log.manifest` was made last. Raises StorageError for a file that can't be read."""
    for file in _waiting_files(lakehouse):
        try:
            yield json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:  # another run of this pipeline has collected it just now
            continue
        except (OSError, ValueError) as error:
            raise StorageError(f"{file} can't be read: {error}; move it away to go on without it") from None


def _since(now: datetime) -> datetime:
    """What was asked or begun until then is not kept."""
    return now - timedelta(days=KEPT_DAYS)


def _clear(lakehouse: Lakehouse, now: datetime) -> None:
    """Remove the files whose rows both log tables hold already; what is too old to be kept is awaited by none."""
    refs = {name: TableRef(LOG, name) for name in ("manifest", "requests")}
    if not all(lakehouse.exists(ref) for ref in refs.values()):
        return
    since = _since(now)
    manifest = lakehouse.read(refs["manifest"], ["runId", "table", "startedAt"]).to_pylist()
    held = {(row["runId"], row["table"], row["startedAt"]) for row in manifest}
    done: dict[Path, set[str]] = {}
    for file in _waiting_files(lakehouse):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:  # another run of this pipeline has collected it just now
            continue
        except ValueError:  # what waits is read, and this is told, by `waiting`
            continue
        row, asked = record["manifest"], record["requests"]
        begun = datetime.fromisoformat(row["startedAt"])
        if begun <= since or (row["runId"], row["table"], begun) in held:
            done[file] = {each["requestId"] for each in asked if datetime.fromisoformat(each["requestedAt"]) > since}
    wanted = pa.array(set[str]().union(*done.values()), pa.string())
    requests: set[str] = set()
    for batch in lakehouse.batches(refs["requests"], ["requestId"]) if len(wanted) else ():
        requests.update(batch.filter(pc.is_in(batch.column(0), wanted)).column(0).to_pylist())
    for file, ids in done.items():
        if ids <= requests:
            file.unlink(missing_ok=True)


def _recorded_edges(work: Work) -> list[tuple[str, str]]:
    """The edges that the tables' own commits name: what each version was made from."""
    edges = []
    for table in work.covenant.tables():
        if table.ref.schema != LOG and work.lakehouse.exists(table.ref):
            inputs = work.lakehouse.describe(table.ref).metadata.get("spectra.inputs", "")
            edges += [(name, table.table) for name in inputs.split(",") if name]
    return edges


def _instant(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
