"""Execution records, computed from their position: a million of them take no memory.

Statuses are a configurable list of values, by default 1 PASS, 2 FAIL, 3 WIP, 4 BLOCKED (C23); an execution that was not
executed has no status key at all. Nobody in particular is testerId -10 or 0 with the name Anyone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Any

from spectra_assets.standin.chance import DAY_MS, TODAY_MS, Kind, mix
from spectra_assets.standin.layout import VERSION, Phase, World, shared_id
from spectra_assets.standin.planning import user_name
from spectra_assets.standin.testware import tree_testcase

Record = dict[str, Any]

ABSENT = "absent"
"""How truth names the status of executions without one."""

_STATUSES: tuple[str | None, ...] = ("1",) * 11 + ("2",) * 3 + ("3", "4") + (None,) * 4
"""55 % PASS, 15 % FAIL, 5 % WIP, 5 % BLOCKED, 20 % not executed."""

_NEXT = {None: "1", "1": "2", "2": "3", "3": "4", "4": "1"}


def status_of(world: World, position: int) -> str | None:
    """Status of execution `position` today; None where it was not executed."""
    return _status(world, position, mix(world.seed, Kind.EXECUTION, position))


def _status(world: World, position: int, chance: int) -> str | None:
    status = _STATUSES[chance % 20]
    if world.rerun and position in world.rerun:
        for _ in range(world.rerun[position][0]):
            status = _NEXT[status]
    return status


def status_counts(world: World) -> dict[str, int]:
    """Executions by status, `absent` for those without. Takes about 0.5 µs per execution."""
    seed, counts = (
        world.seed,
        Counter(mix(world.seed, Kind.EXECUTION, position) % 20 for position in range(world.executions)),
    )
    totals: Counter[str] = Counter()
    for slot, count in counts.items():
        totals[_STATUSES[slot] or ABSENT] += count
    for position in world.rerun:
        totals[_STATUSES[mix(seed, Kind.EXECUTION, position) % 20] or ABSENT] -= 1
        totals[status_of(world, position) or ABSENT] += 1
    return {status: totals[status] for status in ("1", "2", "3", "4", ABSENT)}


def testcase_of(world: World, phase: Phase, position: int) -> int:
    """Position of the testcase that execution `position` of `phase` runs: one of the project's, in turn."""
    project = world.project_by_id[phase.project_id]
    return project.first_testcase + (phase.id * 31 + position - phase.first) % project.testcases


def tester_of(world: World, position: int) -> int:
    """User id of the assigned tester; -10 or 0 for half of those not executed: anyone."""
    chance = mix(world.seed, Kind.EXECUTION, position)
    return _tester(world, chance, _status(world, position, chance))


def _tester(world: World, chance: int, status: str | None) -> int:
    if status is None and chance >> 60 & 1:
        return -10 if chance >> 61 & 1 else 0
    return 1 + (chance >> 8) % world.users


def execution_record(world: World, phase: Phase, position: int) -> Record:
    """One execution. Dates are epoch ms; `status` and `versionId` are texts holding integers."""
    chance = mix(world.seed, Kind.EXECUTION, position)
    status = _status(world, position, chance)
    tester = _tester(world, chance, status)
    days = (phase.end - phase.start) // DAY_MS + 1
    assigned = phase.start + (chance >> 16) % days * DAY_MS
    changed = assigned
    case = testcase_of(world, phase, position)
    record: Record = {
        "id": position + 1,
        "assignmentDate": assigned,
        "versionId": str(shared_id(case, VERSION)),
        "testerId": tester,
        "testerIdName": user_name(world, tester) if tester > 0 else "Anyone",
        "cyclePhaseId": phase.id,
        "attachmentCount": (chance >> 28) % 16 // 14,
        "defects": _defects(position, chance) if status in ("2", "4") else [],
        "tcrTreeTestcase": tree_testcase(world, case),
    }
    if status is not None:
        changed = assigned + (chance >> 24) % (5 * DAY_MS)
        if position in world.rerun:
            changed = TODAY_MS + world.rerun[position][1] * DAY_MS + chance % DAY_MS
        executor = tester if chance >> 32 & 7 else 1 + (chance >> 36) % world.users
        record["status"] = status
        record["executedBy"] = executor
        record["actualTime"] = (chance >> 40) % 3_600
        record["lastTestResult"] = {
            "id": 2 * position + 1,
            "executionDate": changed,
            "executionStatus": status,
            "testerId": executor,
            "releaseTestScheduleId": position + 1,
        }
    record["lastModifiedOn"] = changed
    return record


def _defects(position: int, chance: int) -> list[Record]:
    """One defect for half of the failed and blocked, two for some: {id, externalId, status, priority, description}."""
    count = (0, 1, 1, 2)[chance >> 50 & 3] if chance >> 52 & 1 else chance >> 50 & 1
    return [defect_record(2 * position + number + 1) for number in range(count)]


def defect_record(defect_id: int) -> Record:
    """Defect `defect_id`; execution e (by id) can have the defects 2e-1 and 2e."""
    return {
        "id": defect_id,
        "externalId": f"BUG-{defect_id}",
        "status": ("Open", "In Progress", "Closed")[defect_id % 3],
        "priority": ("Blocker", "Major", "Minor | trivial")[defect_id % 7 % 3],
        "description": f'Crash when "saving" & <b>closing</b> 💥\nseen in run {defect_id}',
    }


def defects_of(world: World, position: int) -> list[Record]:
    """Defects of execution `position`."""
    chance = mix(world.seed, Kind.EXECUTION, position)
    return _defects(position, chance) if status_of(world, position) in ("2", "4") else []


class Selection:
    """Executions of some phases as one sequence in order of id: item n without listing those before it."""

    def __init__(self, world: World, phases: tuple[Phase, ...]) -> None:
        self._world = world
        self._phases = sorted((phase for phase in phases if phase.count), key=lambda phase: phase.first)
        self._starts = []
        self.count = 0
        for phase in self._phases:
            self._starts.append(self.count)
            self.count += phase.count

    def position(self, number: int) -> tuple[Phase, int]:
        """Phase and position of the `number`-th execution."""
        slot = bisect_right(self._starts, number) - 1
        phase = self._phases[slot]
        return phase, phase.first + number - self._starts[slot]

    def record(self, number: int) -> Record:
        """Record of the `number`-th execution."""
        phase, position = self.position(number)
        return execution_record(self._world, phase, position)
