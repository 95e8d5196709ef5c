"""Extraction over a tape: what was fetched is not fetched again, what did not change is not sent again, damage costs requests only."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.extract.small import GATES, GROUPS, ITEMS, PAGE, URL, Extracts, SmallApi, fields
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.errors import GateError, MissingInputError, RetriableError, StorageError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.raw import MANIFEST, Attempts, Manifest
from spectra_assets.lakehouse.segments import Segments
from spectra_assets.lakehouse.turn import Turn
from spectra_assets.names import TableRef
from spectra_assets.stages.deliver import Delivery

NEXT_ENTRY = struct.pack("<I", 0x184D2A50)
"""What each entry of a segment begins with: the byte before it is of the body of the entry before."""

VOLATILE = ("requestId", "seenAt", "sequence")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallApi]:
    with SmallApi() as server:
        monkeypatch.setenv(URL, server.url)
        yield server


@pytest.fixture
def made(tmp_path: Path, engine: Engine, api: SmallApi) -> Extracts:
    return Extracts(tmp_path, engine)


def content(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in VOLATILE} for row in rows]


def attempts(made: Extracts, entity: str = "item") -> list[Manifest]:
    return [manifest for _, manifest in Attempts(made.lakehouse, entity).all()]


def newest(made: Extracts, entity: str = "item") -> Path:
    return Attempts(made.lakehouse, entity).all()[-1][0]


def cut_off(made: Extracts, api: SmallApi, after: int) -> int:
    """An extraction of the items that ends after so many answers, as if the API had gone; the pages that it kept: of the last
    answers some may have come when it was over."""
    seen = iter(range(10_000))
    api.fault = lambda address: 404 if "items" not in address else (503 if next(seen) >= after else None)
    client = made.work(ITEMS, "probe").client
    client.close()
    with pytest.raises(RetriableError):
        made.deliver(ITEMS, "dying")
    for thread in threading.enumerate():  # an answer that came before the first failure may be kept after it, beside the others
        if thread.name.startswith("fan-out"):
            thread.join(60)
    api.fault = lambda _: None
    kept = len(Segments(newest(made)))
    assert after - made.covenant.pipeline.server.in_flight < kept <= after
    return kept


def test_an_undisturbed_extraction_leaves_a_complete_attempt(made: Extracts, api: SmallApi) -> None:
    made.deliver(GROUPS)
    delivery = made.deliver(ITEMS)
    assert len(made.rows(ITEMS)) == 1200
    assert delivery.draft.evidence["tape"]["fetched"] == sum(api.asked.values()) - api.asked[f"/groups?offset=0&size={PAGE}"] - 1
    (manifest,) = attempts(made)
    assert (manifest.state, manifest.runs, manifest.rows_in) == ("complete", ("run1",), 4)
    assert manifest.segments == tuple(sorted(path.name for path in newest(made).glob("*.zst")))
    assert newest(made).parent.name == f"{manifest.started_at:%Y-%m-%d}"
    assert not list(newest(made).glob("part-*"))


def test_a_run_that_was_cut_off_is_continued(made: Extracts, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.client.exchange.backoff", lambda attempt, base: 0.0)
    made.deliver(GROUPS)
    kept = cut_off(made, api, 9)
    assert attempts(made)[-1].state == "open"
    api.forget()
    delivery = made.deliver(ITEMS, "run2")
    facts = delivery.draft.evidence["tape"]
    assert facts["resumed"] == kept
    assert max(api.asked.values()) == 1
    assert facts["fetched"] == sum(api.asked.values())
    assert any(f"run dying was cut off; {kept} pages" in text for text in made.said)
    assert [(manifest.state, manifest.runs) for manifest in attempts(made)] == [("complete", ("dying", "run2"))]
    rows = made.rows(ITEMS)
    assert len(rows) == 1200 == len({json.loads(row["record"])["id"] for row in rows})


def test_requests_of_the_tape_are_in_the_ledger(made: Extracts, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.client.exchange.backoff", lambda attempt, base: 0.0)
    made.deliver(GROUPS)
    kept = cut_off(made, api, 9)
    made.deliver(ITEMS, "run2")
    waiting = sorted(made.lakehouse.files("log", "waiting").glob("*.json"))
    requests = json.loads(waiting[-1].read_text())["requests"]
    origins = [request["origin"] for request in requests]
    assert (origins.count("tape"), set(origins)) == (kept, {"tape", "network"})
    assert {row["requestId"] for row in made.rows(ITEMS)} <= {request["requestId"] for request in requests}


def test_an_attempt_that_is_too_old_or_from_the_future_is_begun_again(
    made: Extracts, api: SmallApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectra_assets.client.exchange.backoff", lambda attempt, base: 0.0)
    made.deliver(GROUPS)
    for hours in (-25, 2):
        cut_off(made, api, 9)
        manifest = newest(made) / MANIFEST
        facts = json.loads(manifest.read_text())
        facts["started_at"] = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        manifest.write_text(json.dumps(facts))
        api.forget()
        delivery = made.deliver(ITEMS, "run2")
        assert delivery.draft.evidence["tape"]["resumed"] == 0
        assert len(made.rows(ITEMS)) == 1200


def test_what_a_gate_held_back_is_not_continued(made: Extracts, api: SmallApi) -> None:
    made.deliver(GROUPS)
    api.fault = lambda address: 403 if "groups/2/" in address else None
    with pytest.raises(GateError):
        made.deliver(ITEMS)
    assert attempts(made)[-1].state == "refused"
    api.fault = lambda _: None
    api.forget()
    delivery = made.deliver(ITEMS, "run2")
    assert delivery.draft.evidence["tape"]["resumed"] == 0
    assert [manifest.state for manifest in attempts(made)] == ["refused", "complete"]


@pytest.mark.parametrize(
    ("whole", "contract", "minutes", "found"),
    [
        (True, "other", 5, True),
        (True, "same", 5, False),  # by the same contract it would be held back again
        (False, "other", 5, False),  # pages are missing, or were none
        (True, "other", 70, False),  # too long ago for what is to be the state of now
    ],
)
def test_what_is_healed_is_judged_anew_and_not_read_anew(
    made: Extracts, whole: bool, contract: str, minutes: int, found: bool
) -> None:
    kept = Attempts(made.lakehouse, "item")
    begun = datetime.now(UTC) - timedelta(minutes=minutes)
    inputs = {"contract": "same", "canon": "same", "parents": "one"}
    recording = kept.begin("plan", "http://h", "run1", begun, begun, inputs)
    recording.add(b"0" * 16, {"purpose": "list"}, b"[]")
    recording.end("refused", whole=whole)
    now = {**inputs, "contract": contract}
    resumed = kept.resumable("plan", 24, datetime.now(UTC), now)
    assert (resumed is not None) == found
    assert kept.resumable("another plan", 24, datetime.now(UTC), now) is None
    if resumed is not None:
        again = kept.resume(*resumed, "run2", now)
        assert (again.manifest.state, again.manifest.whole, again.manifest.runs) == ("open", False, ("run1", "run2"))


def test_a_second_run_without_changes_reads_nothing(made: Extracts, api: SmallApi) -> None:
    made.deliver(GROUPS)
    first = made.deliver(ITEMS)
    asked = sum(api.asked.values())
    api.forget()
    made.deliver(GROUPS, "run2")
    second = made.deliver(ITEMS, "run2")
    assert (sum(api.asked.values()), dict(api.statuses)) == (asked, {304: asked})
    assert second.outcome is not None
    assert first.outcome is not None
    assert (second.outcome.status, second.outcome.rows_out, second.outcome.rows_in) == ("unchanged", 1200, 4)
    assert second.outcome.schema_hash == first.outcome.schema_hash
    assert all(result.passed for result in second.results)
    assert [result.gate for result in second.results] == GATES
    assert second.draft.standing
    assert second.draft.evidence["tape"]["notModified"] > 20
    (manifest,) = attempts(made)
    assert manifest.confirmed_at is not None
    assert manifest.runs == ("run1",)


def test_gates_judge_the_table_that_stands(made: Extracts, api: SmallApi) -> None:
    """A parent that went since: the items are unchanged, and the gate still sees that one's parent is gone."""
    made.deliver(GROUPS)
    made.deliver(ITEMS)
    with made.delivering(ITEMS, "run2") as delivery:
        assert delivery.draft.standing
        assert delivery.staged is not None
        assert delivery.staged.accepted().count() == 1200


@pytest.mark.parametrize("tag", [True, False])
def test_what_changed_is_fetched_and_the_rest_is_not_sent(made: Extracts, api: SmallApi, tag: bool) -> None:
    api.tag = tag
    made.deliver(GROUPS)
    made.deliver(ITEMS)
    before = content(made.rows(ITEMS))
    api.names[3, 77] = "changed"
    api.forget()
    second = made.deliver(ITEMS, "run2")
    facts = second.draft.evidence["tape"]
    assert second.published is not None
    assert second.published.changed
    assert max(api.asked.values()) <= 2
    if tag:
        assert api.statuses[200] <= 2 + 8
        assert facts["fetched"] == 1
        assert facts["notModified"] + 1 == len(api.asked)
    else:
        assert (facts["notModified"], facts["fetched"], set(api.statuses)) == (0, sum(api.asked.values()), {200})
    after = content(made.rows(ITEMS))
    changed = [row for row in after if row not in before]
    assert [json.loads(row["record"])["name"] for row in changed] == ["changed"]
    assert len(after) == 1200
    replayed = made.deliver(ITEMS, "run3", replay=True)
    assert replayed.published is not None
    assert not replayed.published.changed


def test_new_parents_come_without_the_old_ones_sent_again(made: Extracts, api: SmallApi) -> None:
    made.deliver(GROUPS)
    made.deliver(ITEMS)
    api.groups = 5
    api.forget()
    made.deliver(GROUPS, "run2")
    made.deliver(ITEMS, "run2")
    assert len(made.rows(ITEMS)) == 1500
    assert all(count == 1 for address, count in api.asked.items() if "items" in address)
    sent = [address for address in api.asked if "items" in address]
    fresh = [address for address in sent if "groups/5/" in address]
    again = [address for address in sent if address not in fresh]
    assert api.statuses[304] >= len(again) > 0
    assert api.statuses[200] <= len(fresh) + sum(count for address, count in api.asked.items() if "items" not in address)


def test_replay_from_the_raw_pages_needs_no_api(made: Extracts, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    made.deliver(GROUPS)
    made.deliver(ITEMS)
    before = {name: made.rows(name) for name in (GROUPS, ITEMS)}
    monkeypatch.delenv(URL)
    api.close()
    for name in (GROUPS, ITEMS):
        assert made.deliver(name, "run2", replay=True).published.changed is False  # type: ignore[union-attr]
    lost = Path(made.lakehouse.path(made.covenant.table(ITEMS).ref))
    lost.rename(lost.with_name("gone"))
    made.deliver(ITEMS, "run3", replay=True)
    assert {name: made.rows(name) for name in (GROUPS, ITEMS)} == before


def test_replay_tells_refusals_too(made: Extracts, api: SmallApi) -> None:
    """A table without the gate of completeness may be published with a parent that was refused; so it is replayed."""
    table = made.covenant.table(ITEMS)
    gates = [gate for gate in table.gates if gate.name != "extract_complete"]
    stage = made.covenant.pipeline.stages[0]
    outputs = [made.covenant.table(GROUPS), table.model_copy(update={"gates": gates})]
    pipeline = made.covenant.pipeline.model_copy(update={"stages": [stage.model_copy(update={"outputs": outputs})]})
    made.covenant = made.covenant.model_copy(update={"pipeline": pipeline})
    made.deliver(GROUPS)
    api.fault = lambda address: 403 if "groups/2/" in address else None
    first = made.deliver(ITEMS)
    asked = sum(api.asked.values())
    second = made.deliver(ITEMS, "run2", replay=True)
    assert sum(api.asked.values()) == asked
    assert second.draft.evidence["extraction"] == first.draft.evidence["extraction"]
    assert second.draft.evidence["extraction"]["skippedCount"] == 1


def test_without_raw_pages_a_replay_says_so(made: Extracts) -> None:
    with pytest.raises(MissingInputError, match="no raw pages of group to replay"):
        made.deliver(GROUPS, "run1", replay=True)


# ---------------------------------------------------------------- faults


def test_a_damaged_segment_costs_requests_and_nothing_else(made: Extracts, api: SmallApi) -> None:
    made.deliver(GROUPS)
    made.deliver(ITEMS)
    (segment,) = newest(made).glob("*.zst")
    data = bytearray(segment.read_bytes())
    data[data.index(NEXT_ENTRY, len(data) // 2) - 1] ^= 0xFF
    segment.write_bytes(data)
    api.forget()
    second = made.deliver(ITEMS, "run2")
    facts = second.draft.evidence["tape"]
    assert facts["damaged"]
    assert "damaged" in str(second.draft.notes) or "can't be read" in str(second.draft.notes)
    assert facts["fetched"] > 0
    assert len(made.rows(ITEMS)) == 1200
    assert second.outcome is not None
    assert second.outcome.status == "unchanged"


def test_a_cut_last_entry_is_left_out(made: Extracts, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.client.exchange.backoff", lambda attempt, base: 0.0)
    made.deliver(GROUPS)
    kept = cut_off(made, api, 9)
    *_, segment = sorted(newest(made).glob("*.zst"), key=lambda path: path.stat().st_mtime_ns)
    part = segment.with_name("part-1-1.zst")
    segment.rename(part)
    os.truncate(part, part.stat().st_size - 5)
    second = made.deliver(ITEMS, "run2")
    assert second.draft.evidence["tape"]["resumed"] == kept - 1
    assert len(made.rows(ITEMS)) == 1200
    assert not list(newest(made).glob("part-*"))


def test_a_full_disk_names_the_place_and_spoils_nothing(made: Extracts, api: SmallApi, tmp_path: Path) -> None:
    """The file size limit stands in for the disk: in a process of its own, since it holds for all of it."""
    made.deliver(GROUPS)
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from benchmarks.extract.small import Extracts, ITEMS\n"
        "from spectra_assets.lakehouse.engine import shared\n"
        "from spectra_assets.settings import load\n"
        "from spectra_assets.lakehouse.raw import Recording\n"
        "made = Extracts(Path(sys.argv[1]), shared(load({})))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        "try:\n"
        "    made.deliver(ITEMS, 'full')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    api.text = 2000
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert "StorageError" in run.stdout, run
    assert "raw/item" in run.stdout
    assert "raise the file size limit" in run.stdout
    for part in newest(made).glob("*.zst"):
        assert part.stat().st_size <= 6000
    second = made.deliver(ITEMS, "run2")
    assert second.draft.evidence["tape"]["damaged"] == []
    assert len(made.rows(ITEMS)) == 1200


def test_what_is_written_beside_the_tables_names_its_place_too(tmp_path: Path, engine: Engine, api: SmallApi) -> None:
    class Lacking(Extracts):
        """Its canon knows no owner, so that records are kept for the next sample."""

        def canon(self) -> list[CanonEntity]:
            return [fields(entity.fetch, ("id", "name")) for entity in super().canon()]

    made = Lacking(tmp_path, engine)
    made.deliver(GROUPS)
    made.lakehouse.files("samples").write_text("in the way")
    with pytest.raises(StorageError, match=r"Files/samples can't be written: .*; a file stands where a folder must be"):
        made.deliver(ITEMS)


def test_why_a_table_could_not_be_published_is_told_although_its_step_is_ended(made: Extracts) -> None:
    """Dagster closes a step whose output it could not keep, and says nothing of the reason."""
    with suppress(GeneratorExit), Delivery(made.work(GROUPS, "run1")) as delivery:
        delivery.audit()
        place = Path(made.lakehouse.path(TableRef.parse(GROUPS))).parent
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("in the way")
        with pytest.raises(StorageError, match="can't be written"):
            delivery.publish()
        raise GeneratorExit
    assert delivery.outcome is not None
    assert delivery.outcome.status == "failed"
    assert "extract/groups can't be written" in str(delivery.outcome.error)


def test_two_runs_take_turns(made: Extracts, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    made.deliver(GROUPS)
    turn = Turn(made.lakehouse, "item", "the other run", 0, print)
    monkeypatch.setattr("spectra_assets.stages.extract.taping._setting", lambda work, name: {"turn_seconds": 1}.get(name, 2))
    with pytest.raises(StorageError, match=r"item is being extracted by run the other run \(process \d+, since .*within 1 s"):
        made.deliver(ITEMS, "run2")
    monkeypatch.setattr("spectra_assets.stages.extract.taping._setting", lambda work, name: {"turn_seconds": 60}.get(name, 2))

    class Told(list[str]):
        def append(self, text: str) -> None:
            super().append(text)
            if "waiting for it up to 60 s" in text:
                threading.Timer(0.2, turn.leave).start()

    made.said = Told()
    made.deliver(ITEMS, "run3")
    assert len(made.rows(ITEMS)) == 1200
    assert any("waiting for it up to 60 s" in text for text in made.said)


def test_the_turn_of_a_dead_run_is_free(made: Extracts, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from spectra_assets.lakehouse.turn import Turn\n"
        "from spectra_assets.lakehouse.store import Lakehouse\n"
        "turn = Turn(Lakehouse(sys.argv[1], 'small'), 'item', 'dead', 0, print)\n"
        "print('mine', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(StorageError, match="run dead"):
        Turn(made.lakehouse, "item", "run2", 0, print)
    process.send_signal(signal.SIGKILL)
    process.wait()
    Turn(made.lakehouse, "item", "run2", 5, print).leave()


def test_only_some_attempts_are_kept(made: Extracts, api: SmallApi) -> None:
    for number in range(5):
        api.names[1, 1] = str(number)
        made.deliver(GROUPS, f"run{number}")
        made.deliver(ITEMS, f"run{number}")
        time.sleep(0.01)
    assert [manifest.runs for manifest in attempts(made)] == [("run3",), ("run4",)]


def test_killed_at_random_moments_the_table_is_that_of_an_undisturbed_run() -> None:
    """A short form of the benchmark, which kills 50."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "benchmarks.extract.kill", "--kills", "3", "--groups", "5", "--items", "500"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert (facts["kills"], facts["rows"]) == (3, 2500)
    assert facts["most per kill in a round"] <= facts["in flight"]


def test_raw_pages_that_lack_records_are_not_replayed(made: Extracts, api: SmallApi) -> None:
    made.deliver(GROUPS)
    made.deliver(ITEMS)
    (segment,) = newest(made).glob("*.zst")
    os.truncate(segment, segment.stat().st_size // 2)
    with pytest.raises(StorageError, match="extract"):
        made.deliver(ITEMS, "run2", replay=True)
    assert len(made.rows(ITEMS)) == 1200
