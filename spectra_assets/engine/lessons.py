"""`solution-engine lessons`: what was learned, what waits for a person, and a person's word on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import click

from spectra_assets.engine.answer import answer, command
from spectra_assets.settings import load as load_settings

if TYPE_CHECKING:
    from spectra_assets.learning.lesson import Lesson


class _Lessons(click.Group):
    """`lessons ID` shows that lesson, `lessons` alone lists them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h")):
            args = ["list", *args]
        elif args[0] not in (*self.commands, "--help", "-h"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Lessons)
def lessons() -> None:
    """What was learned from failed gates: list, read, and decide what the machine may not decide alone."""


@lessons.command("list")
@click.option("--source", help="Only lessons of this source.")
@click.option("--status", help="Only lessons in this state.")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Include what is over, archived or not: what held for long, and what went away by itself.",
)
@command
def list_(source: str | None, status: str | None, every: bool, as_json: bool) -> None:
    """One line per lesson: what asks you first, then what is under way, then what holds."""
    from spectra_assets.errors import RequestError, one_of
    from spectra_assets.learning.archive import everything
    from spectra_assets.learning.lesson import Status, read_all

    if status is not None and status not in get_args(Status):
        raise RequestError(f"--status is {status!r}; valid are {one_of(get_args(Status))}")
    folder = load_settings().lessons
    known: list[Lesson] = everything(folder) if every else read_all(folder)
    sources = {item.source for item in known}
    if source is not None and known and source not in sources:
        raise RequestError(f"no lesson is about {source!r}; there are lessons of {one_of(sources)}")
    chosen = [item for item in known if source in (None, item.source) and status in (None, item.status)]
    none = "no lessons yet: no gate has failed" if not known else "no such lesson"
    text = "\n".join(_listed(chosen, every or status is not None)) if chosen else none
    answer([item.model_dump(mode="json") for item in chosen], text, as_json)


_ROOMS = ("Asks you", "Under way", "Holds", "Over")


def _listed(lessons: Sequence[Lesson], over: bool) -> Iterator[str]:
    """The list for people: rooms with a line each; what is over is counted only, unless it is asked for."""
    from spectra_assets.learning.person import doubled
    from spectra_assets.learning.prose import bounded, times

    twice = doubled(lessons)
    rooms: dict[str, list[Lesson]] = {name: [] for name in _ROOMS}
    for lesson in sorted(lessons, key=lambda each: each.last_seen, reverse=True):
        rooms[_room(lesson, twice)].append(lesson)
    shown = [lesson for name, mine in rooms.items() for lesson in mine if over or name != "Over"]
    tables = {lesson.id: f"{lesson.source}/{lesson.stage}/{lesson.table}" for lesson in shown}
    wide = min(_MOST_WIDE, max(map(len, tables.values()), default=0))
    for name, mine in rooms.items():
        if name == "Over" and not over:
            if mine:
                yield f"{len(mine)} are closed (the gap is gone, or another lesson's change mended it); --all lists them"
            continue
        if mine:
            yield f"{name} ({len(mine)})"
        for lesson in mine:
            about = lesson.subject if lesson.many is None else f"(at least {lesson.many:,} of them)"
            what = bounded(f"{str(lesson.cause).replace('_', ' ')} {about}".rstrip(), _MOST_WIDE)
            seen = f"{lesson.status}, seen {times(lesson.seen)}, last {lesson.last_seen[:16].replace('T', ' ')}"
            yield f"  {lesson.id[-8:]}  {bounded(tables[lesson.id], wide):<{wide}}  {what}; {seen}"
            if name == "Asks you" and lesson.remedy is not None:
                yield f"  {'':8}  may this be done: {bounded(lesson.remedy.said, 2 * _MOST_WIDE)}?"
            elif lesson.id in twice:
                yield f"  {'':8}  same cause as {twice[lesson.id][-8:]}: answering one answers both"
    yield "solution-engine lessons explain ID (these eight characters will do) tells what was seen and tried, and how to answer"


_MOST_WIDE = 60


def _room(lesson: Lesson, twice: Mapping[str, str]) -> str:
    """Where a lesson stands in the list."""
    if lesson.id in twice:
        return "Under way"
    if lesson.question is not None or lesson.status in ("proposed", "proven"):
        return "Asks you"
    if lesson.status == "verified":
        return "Holds"
    return "Over" if lesson.closed else "Under way"


@lessons.command()
@click.argument("lesson")
@command
def show(lesson: str, as_json: bool) -> None:
    """The whole lesson."""
    from spectra_assets.learning.lesson import find
    from spectra_assets.learning.lesson import show as text_of

    folder = load_settings().lessons
    text = text_of(folder, lesson)
    answer({**find(folder, lesson).model_dump(mode="json"), "text": text}, text.rstrip(), as_json)


@lessons.command()
@click.argument("lesson")
@command
def explain(lesson: str, as_json: bool) -> None:
    """What was seen, what was tried, and what a person is asked."""
    from spectra_assets.learning.lesson import find
    from spectra_assets.learning.person import explained

    found = find(load_settings().lessons, lesson)
    answer(found.model_dump(mode="json"), "\n".join(explained(found)), as_json)


@lessons.command()
@click.argument("lesson")
@click.option("--dry-run", is_flag=True, help="Only show what would change in playbook and covenant.")
@command
def approve(lesson: str, dry_run: bool, as_json: bool) -> None:
    """Apply the remedy that waits for a person."""
    from spectra_assets.learning.person import approve as approved

    if dry_run:
        _shown(lesson, "approve", as_json)
        return
    made = approved(load_settings(), lesson)
    _told(
        made,
        as_json,
        f'run the pipeline: `solution-engine run "create SPECTRA pipeline for {made.source}"` shows whether it holds',
    )


@lessons.command()
@click.argument("lesson")
@command
def reject(lesson: str, as_json: bool) -> None:
    """Never propose this remedy again."""
    from spectra_assets.learning.person import reject as rejected

    _told(
        rejected(load_settings(), lesson), as_json, "this remedy is not proposed again; the gap stays until its cause is mended"
    )


@lessons.command()
@click.argument("lesson")
@click.option("--dry-run", is_flag=True, help="Only show what would change in playbook and covenant.")
@command
def revert(lesson: str, dry_run: bool, as_json: bool) -> None:
    """Take back what a lesson brought: playbook and covenant are as if it had never been."""
    from spectra_assets.learning.person import revert as reverted

    if dry_run:
        _shown(lesson, "revert", as_json)
        return
    _told(reverted(load_settings(), lesson), as_json, "the machine does not use this remedy again")


def _shown(lesson: str, what: str, as_json: bool) -> None:
    from spectra_assets.learning.person import dry_run

    text = dry_run(load_settings(), lesson, what)
    answer({"lesson": lesson, "diff": text}, text or "nothing would change", as_json)


def _told(lesson: Any, as_json: bool, then: str) -> None:
    place = f", playbooks/{lesson.playbook}" if lesson.playbook else ""
    commit = f", commit {lesson.commit[:10]}" if lesson.commit else ""
    why = _uncommitted(lesson)
    lines = [
        f"{lesson.id}: {lesson.status}{place}{commit}",
        *([f"not committed: {why}; commit it yourself"] if why else []),
        then,
    ]
    answer(lesson.model_dump(mode="json"), "\n".join(lines), as_json)


def _uncommitted(lesson: Any) -> str | None:
    """Why what was applied is in no commit; None if it is in one, or nothing was applied."""
    from spectra_assets.git import root_of

    if lesson.uncommitted or lesson.commit or lesson.status != "applied":
        return str(lesson.uncommitted) if lesson.uncommitted else None
    settings = load_settings()
    if settings.lessons_commit == "off":
        return "SPECTRA_LESSONS_COMMIT is off"
    return None if root_of(settings.project) else "the project is in no git repository"
