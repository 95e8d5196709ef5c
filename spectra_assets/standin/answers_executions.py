"""Answers about executions, and the search over them.

Observed: /execution pages in the envelope; without a filter it knows, it gives everyone the same first ten rows (C01).
Inferred: everything whose docstring says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spectra_assets.standin.answers_tests import case_position
from spectra_assets.standin.calls import DEFAULT_PAGE, Call, Record, Refusal, Rows
from spectra_assets.standin.executions import (
    Selection,
    defect_record,
    defects_of,
    execution_record,
    testcase_of,
    tester_of,
)
from spectra_assets.standin.layout import Phase, World
from spectra_assets.standin.routes import Handler
from spectra_assets.standin.testware import requirement_record, requirement_releases, testcase_record

SEARCH_LIMIT = 100
"""Most rows one search gives (C05)."""

_FILTERS_KEPT = 16


def _executions(call: Call) -> Record:
    """Executions by cyclephaseid, releaseid, testerid and parentid (a tree node, with all below it)."""
    phase, release = call.number("cyclephaseid"), call.number("releaseid")
    tester, parent = call.number("testerid"), call.number("parentid")
    world = call.world
    if phase is None and release is None and tester is None and parent is None:
        chosen = Selection(world, world.phases)
        rows = call.array(Rows("execution", min(chosen.count, DEFAULT_PAGE), chosen.record))
        return {"firstResult": 0, "resultSize": 0, "pageNumber": DEFAULT_PAGE, "results": rows, "type": "testSchedule"}
    phases = _phases(world, phase, release)
    chosen = Selection(world, phases)
    if tester is None and parent is None:
        return call.page(Rows("execution", chosen.count, chosen.record), "testSchedule")
    anyone = call.flag("includeanyoneuser")
    places = _filtered(world, chosen, (phase, release, tester, parent, anyone))
    return call.page(Rows("execution", len(places), lambda number: chosen.record(places[number])), "testSchedule")


def _phases(world: World, phase: int | None, release: int | None) -> tuple[Phase, ...]:
    phases = world.phases if release is None else world.phases_of_release.get(release, ())
    return phases if phase is None else tuple(each for each in phases if each.id == phase)


def _filtered(world: World, chosen: Selection, key: tuple[int | None, int | None, int | None, int | None, bool]) -> Sequence[int]:
    """Places in `chosen` of the executions of a tester or tree node; the last few lists are kept for the next pages."""
    _, _, tester, parent, anyone = key
    kept = world.filtered
    places = kept.get(key)
    if places is None:
        below = _below(world, parent)
        places = [place for place in range(chosen.count) if _matches(world, chosen, place, tester, anyone, below)]
        if len(kept) >= _FILTERS_KEPT:
            kept.clear()
        kept[key] = places
    return places


def _matches(world: World, chosen: Selection, place: int, tester: int | None, anyone: bool, below: set[int] | None) -> bool:
    phase, position = chosen.position(place)
    if tester is not None:
        assigned = tester_of(world, position)
        if assigned != tester and not (anyone and assigned <= 0):
            return False
    return below is None or world.node_of_testcase(testcase_of(world, phase, position)).id in below


def _below(world: World, parent: int | None) -> set[int] | None:
    if parent is None:
        return None
    found, waiting = set(), [parent]
    while waiting:
        number = waiting.pop()
        found.add(number)
        node = world.node_by_id.get(number)
        waiting.extend(node.children if node else ())
    return found


def _execution_at(call: Call, number: int) -> Record:
    if not 1 <= number <= call.world.executions:
        raise Refusal(500)
    return call.one("execution", execution_record(call.world, call.world.phase_of_execution(number - 1), number - 1))


def _execution(call: Call) -> Record:
    return _execution_at(call, call.id("id"))


def _executions_by_id(call: Call) -> list[Record]:
    return [_execution_at(call, number) for number in call.numbers("ids")]


def _executions_of_user(call: Call) -> Record:
    """Executions of one project's releases (inferred); without projectid 500."""
    project = call.number("projectid")
    if project is None:
        raise Refusal(500)
    phases = tuple(phase for phase in call.world.phases if phase.project_id == project)
    chosen = Selection(call.world, phases)
    return call.page(Rows("execution", chosen.count, chosen.record), "testSchedule")


def _executions_by_filter(call: Call) -> Record:
    """Executions by rtsid (an execution's id), releaseid or testcaseid; without any an empty page (inferred)."""
    world = call.world
    single, case, release = call.number("rtsid"), call.number("testcaseid"), call.number("releaseid")
    phases = _phases(world, None, release) if release or case else ()
    if single is not None:
        return call.page(Rows.of("execution", [_execution_at(call, single)]), "testSchedule")
    if case is None:
        chosen = Selection(world, phases)
        return call.page(Rows("execution", chosen.count, chosen.record), "testSchedule")
    position = case_position(world, case)
    places = [] if position is None else [place for phase in phases for place in _runs(world, phase, position)]
    rows = Rows(
        "execution",
        len(places),
        lambda number: execution_record(world, world.phase_of_execution(places[number]), places[number]),
    )
    return call.page(rows, "testSchedule")


def _runs(world: World, phase: Phase, case: int) -> range:
    """Positions of the executions of `phase` which run testcase `case`."""
    project = world.project_by_id[phase.project_id]
    local = case - project.first_testcase
    if not 0 <= local < project.testcases:
        return range(0)
    return range(phase.first + (local - phase.id * 31) % project.testcases, phase.first + phase.count, project.testcases)


def _path(call: Call) -> list[str]:
    """Names of release, cycle and phase of an execution (inferred); without scheduleid 400."""
    number = call.number("scheduleid")
    if number is None:
        raise Refusal(400, 'For input string: "null"', "Bad Request")
    if not 1 <= number <= call.world.executions:
        raise Refusal(500)
    world = call.world
    phase = world.phase_of_execution(number - 1)
    return [world.release_by_id[phase.release_id].name, world.cycle_by_id[phase.cycle_id].name, phase.name]


def _history(call: Call) -> Record:
    """Status changes of an execution {id, releaseTestScheduleId, status, changedOn, changedBy} (inferred)."""
    number = call.number("releaseTestScheduleId")
    if number is None:
        raise Refusal(404)
    record, rows = _execution_at(call, number), []
    if "lastTestResult" in record:
        last = record["lastTestResult"]
        change = {"changedOn": last["executionDate"], "changedBy": last["testerId"], "status": last["executionStatus"]}
        rows = [{"id": last["id"], "releaseTestScheduleId": number, **change}]
    return call.page(Rows.of("history", rows), "executionChangeHistory")


def _step_results(call: Call) -> list[Record]:
    """Results of single steps: nobody records them here. Without sids and cyclephaseid 500."""
    if call.text("sids") is None and call.text("cyclephaseid") is None:
        raise Refusal(500)
    return []


def _defect(call: Call) -> Record:
    """A defect which an execution names in `defects`; any other is 500."""
    number = call.id("defectId")
    position = (number - 1) // 2
    if 0 <= position < call.world.executions and number in {each["id"] for each in defects_of(call.world, position)}:
        return defect_record(number)
    raise Refusal(500)


def _search(call: Call) -> list[Record]:
    """[{results, resultSize, type}] of requirements, testcases or executions of a release whose name contains `word`.

    word=* and zql=true mean all; at most 100 rows (C05); 400 without the mandatory parameters (the status is inferred).
    """
    names = ("word", "entitytype", "releaseid", "zql", "firstresult", "maxresults")
    missing = [name for name in names if call.text(name) is None]
    if missing:
        raise Refusal(400, f"{missing[0]} cannot be null.", "Bad Request")
    kind, release = call.text("entitytype"), call.number("releaseid") or 0
    if kind not in _SEARCHED:
        raise Refusal(400, "entitytype is not valid.", "Bad Request")
    rows = _SEARCHED[kind](call.world, release)
    word = (call.text("word") or "").lower()
    if word != "*" and not call.flag("zql") and kind != "execution":
        rows = Rows.of(rows.entity, [record for record in map(rows.get, range(rows.count)) if word in _named(record)])
    first, most = max(call.number("firstresult") or 0, 0), min(call.number("maxresults") or 0, SEARCH_LIMIT)
    shown = [call.one(rows.entity, rows.get(number)) for number in range(first, min(first + most, rows.count))]
    return [{"results": shown, "resultSize": rows.count, "type": "testSchedule" if kind == "execution" else kind}]


def _named(record: Record) -> str:
    name: str = record.get("testcase", record)["name"]
    return name.lower()


def _search_executions(world: World, release: int) -> Rows:
    chosen = Selection(world, world.phases_of_release.get(release, ()))
    return Rows("execution", chosen.count, chosen.record)


def _search_testcases(world: World, release: int) -> Rows:
    nodes = [node for node in world.nodes if node.release_id == release]
    positions = [position for node in nodes for position in range(node.first, node.first + node.count)]
    return Rows("testcase", len(positions), lambda number: testcase_record(world, positions[number]))


def _search_requirements(world: World, release: int) -> Rows:
    positions = [number for number in range(world.requirements) if release in requirement_releases(world, number)]
    return Rows("requirement", len(positions), lambda number: requirement_record(world, positions[number]))


_SEARCHED = {"execution": _search_executions, "testcase": _search_testcases, "requirement": _search_requirements}


def _search_by_altid(call: Call) -> list[Any]:
    """Executions by an alternative id, which none has here."""
    return []


ROUTES: dict[str, Handler] = {
    "/execution": _executions,
    "/execution/{id}": _execution,
    "/execution/ids": _executions_by_id,
    "/execution/expanded": _executions_by_id,
    "/execution/user/project": _executions_of_user,
    "/execution/byfilter": _executions_by_filter,
    "/execution/path": _path,
    "/execution/teststepresult": _step_results,
    "/execution/teststepresult/{id}": lambda call: [],
    "/execution/teststepresult/bytctid": lambda call: [],
    "/executionchangehistory": _history,
    "/defect/{defectId}": _defect,
    "/advancesearch": _search,
    "/advancesearch/testexecutions/{altid}": _search_by_altid,
    "/advancesearch/reindex/health": lambda call: {"status": "OK", "pending": 0},
}
