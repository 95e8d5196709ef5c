"""What the stand-in holds today, for tests to compare with. Faults don't change the truth, only the answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spectra_assets.standin.executions import status_counts
from spectra_assets.standin.layout import OUTER, World, shared_id
from spectra_assets.standin.testware import step_count, step_id

MOST_KEYS = 10_000
"""Entities with more keys than this give only their count and the sum of their keys."""


def truth(world: World) -> dict[str, Any]:
    """Per entity {count, keySum, keys | keysOmitted}, `statusCounts`, `perRelease` and `day`.

    Keys are: testcase the outer (tree-testcase) id, teststep the id of the single step, all others their id.
    perRelease maps the release id (as text) to {cycle, cyclePhase, testcasetree, testcase, execution} counts.
    """
    counts = [step_count(world, position) for position in range(world.testcases)]
    steps = [step_id(position, number) for position, count in enumerate(counts) for number in range(count)]
    return {
        "day": world.day,
        "project": _entity(project.id for project in world.projects),
        "release": {
            **_entity(release.id for release in world.releases),
            "hidden": sum(release.hidden for release in world.releases),
        },
        "cycle": _entity(cycle.id for cycle in world.cycles),
        "cyclePhase": _entity(phase.id for phase in world.phases),
        "testcasetree": _entity(node.id for node in world.nodes),
        "testcase": _entity(shared_id(position, OUTER) for position in range(world.testcases)),
        "teststep": {**_entity(steps), "testcasesWithSteps": sum(count > 0 for count in counts)},
        "requirementtree": _entity(node.id for node in world.requirement_nodes),
        "requirement": _entity(range(1, world.requirements + 1)),
        "user": _entity(range(1, world.users + 1)),
        "execution": _entity(range(1, world.executions + 1)),
        "statusCounts": status_counts(world),
        "perRelease": {str(release.id): _release(world, release.id) for release in world.releases},
    }


def _entity(keys: Iterable[int]) -> dict[str, Any]:
    if isinstance(keys, range):
        count, total = len(keys), len(keys) * (keys.start + keys.stop - 1) // 2
    else:
        keys = list(keys)
        count, total = len(keys), sum(keys)
    if count > MOST_KEYS:
        return {"count": count, "keySum": total, "keysOmitted": True}
    return {"count": count, "keySum": total, "keys": list(keys)}


def _release(world: World, release_id: int) -> dict[str, int]:
    phases = world.phases_of_release.get(release_id, ())
    nodes = [node for node in world.nodes if node.release_id == release_id]
    return {
        "cycle": len(world.cycles_of_release.get(release_id, ())),
        "cyclePhase": len(phases),
        "testcasetree": len(nodes),
        "testcase": sum(node.count for node in nodes),
        "execution": sum(phase.count for phase in phases),
    }
