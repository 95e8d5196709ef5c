"""What changes from one day to the next: enough of everything for slowly changing dimensions to be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from spectra_assets.standin.chance import DAY_MS, TODAY_MS, Kind, mix
from spectra_assets.standin.layout import NODE, Cycle, Node, Phase, Release, World, shared_id
from spectra_assets.standin.planning import user_enabled

_T = TypeVar("_T")

RERUN_PER_DAY = 5
"""Executions whose status changes each day."""

NEW_EXECUTIONS_PER_DAY = 12


def next_day(world: World) -> World:
    """The world one day later.

    A release is renamed, a cycle renamed with its status changed, a requirement renamed, a user deactivated, some
    executions get another status, and one new release comes with a tree node, a cycle, a phase and 12 executions.
    """
    day = world.day + 1
    chance = mix(world.seed, Kind.DAY, day)
    seen = [number for number, release in enumerate(world.releases) if not release.hidden]
    release = seen[chance % len(seen)]
    cycle = (chance >> 8) % len(world.cycles)
    requirement = (chance >> 16) % world.requirements
    active = [user for user in range(2, world.users + 1) if user_enabled(world, user)]
    deactivated = {active[(chance >> 24) % len(active)]} if active else set()
    rerun = dict(world.rerun)
    for number in range(min(RERUN_PER_DAY, world.executions)):
        position = mix(world.seed, Kind.DAY, day * 1_000 + number) % world.executions
        rerun[position] = (rerun.get(position, (0, 0))[0] + 1, day)
    changed = replace(
        world,
        day=day,
        releases=_with(world.releases, release, _renamed_release(world.releases[release], day)),
        cycles=_with(world.cycles, cycle, _moved_cycle(world.cycles[cycle], day)),
        disabled=world.disabled | deactivated,
        renamed={**world.renamed, requirement: day},
        rerun=rerun,
    )
    return _with_new_release(changed)


def _with(items: tuple[_T, ...], position: int, item: _T) -> tuple[_T, ...]:
    return (*items[:position], item, *items[position + 1 :])


def _renamed_release(release: Release, day: int) -> Release:
    return replace(release, name=f"{release.name.split(' (day ')[0]} (day {day})")


def _moved_cycle(cycle: Cycle, day: int) -> Cycle:
    name = f"{cycle.name.split(' (day ')[0]} (day {day})"
    return replace(cycle, name=name, status=(cycle.status + 1) % 3, revision=cycle.revision + 1)


def _with_new_release(world: World) -> World:
    """Add a release to the first project, planned for the world's new day."""
    project, start = world.projects[0], TODAY_MS + world.day * DAY_MS
    end = start + 13 * DAY_MS
    release_id = len(world.releases) + 1
    cycle_id = len(world.cycles) + 1
    node_id = shared_id(len(world.nodes), NODE)
    name = f"Release of day {world.day} ✨"
    order = len(world.releases_of_project[project.id])
    release = Release(release_id, project.id, order, name, False, start, start, end, 0, "new | today")
    phase = Phase(
        id=len(world.phases) + 1,
        cycle_id=cycle_id,
        release_id=release_id,
        project_id=project.id,
        node_id=node_id,
        name=f"Phase of day {world.day}",
        start=start,
        end=end,
        first=world.executions,
        count=NEW_EXECUTIONS_PER_DAY,
    )
    node = Node(node_id, release_id, project.id, None, f"Phase of day {world.day}", (), 0, 0)
    return replace(
        world,
        releases=(*world.releases, release),
        cycles=(*world.cycles, Cycle(cycle_id, release_id, f"Cycle of day {world.day}", 0, start, end)),
        phases=(*world.phases, phase),
        nodes=(*world.nodes, node),
        executions=world.executions + NEW_EXECUTIONS_PER_DAY,
    )
