"""`solution-engine lessons`: what was learned, what waits for a person, and a person's word on it."""

from __future__ import annotations

from typing import Any

import click

from spectra_assets.engine.answer import answer, command
from spectra_assets.settings import load as load_settings


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
    """Lessons: list them, read them, and decide what the machine may not decide alone."""


@lessons.command("list")
@click.option("--source", help="Only lessons of this source.")
@command
def list_(source: str | None, as_json: bool) -> None:
    """One line per lesson."""
    from spectra_assets.learning.lesson import read_all, times

    known = read_all(load_settings().lessons, source)
    lines = [
        f"{item.id}  {item.status}{', asks' if item.question else ''}, seen {times(item.seen)}, last {item.last_seen}"
        for item in known
    ]
    answer([item.model_dump(mode="json") for item in known], "\n".join(lines) or "no lessons yet: no gate has failed", as_json)


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
    from spectra_assets.learning.loop import explained

    found = find(load_settings().lessons, lesson)
    answer(found.model_dump(mode="json"), "\n".join(explained(found)), as_json)


@lessons.command()
@click.argument("lesson")
@click.option("--dry-run", is_flag=True, help="Only show what would change in playbook and covenant.")
@command
def approve(lesson: str, dry_run: bool, as_json: bool) -> None:
    """Apply the remedy that waits for a person."""
    from spectra_assets.learning.lesson import find
    from spectra_assets.learning.loop import approve as approved
    from spectra_assets.learning.loop import dry_run as shown

    settings = load_settings()
    found = find(settings.lessons, lesson)
    if dry_run:
        text = shown(settings, found)
        answer({"lesson": found.id, "diff": text}, text or "nothing would change", as_json)
        return
    _told(approved(settings, found), as_json)


@lessons.command()
@click.argument("lesson")
@command
def reject(lesson: str, as_json: bool) -> None:
    """Never propose this remedy again."""
    from spectra_assets.learning.lesson import find
    from spectra_assets.learning.loop import reject as rejected

    settings = load_settings()
    _told(rejected(settings, find(settings.lessons, lesson)), as_json)


@lessons.command()
@click.argument("lesson")
@command
def revert(lesson: str, as_json: bool) -> None:
    """Take back what a lesson brought: playbook and covenant are as if it had never been."""
    from spectra_assets.learning.lesson import find
    from spectra_assets.learning.loop import revert as reverted

    settings = load_settings()
    _told(reverted(settings, find(settings.lessons, lesson)), as_json)


def _told(lesson: Any, as_json: bool) -> None:
    place = f", playbooks/{lesson.playbook}" if lesson.playbook else ""
    commit = f", commit {lesson.commit[:10]}" if lesson.commit else ""
    answer(lesson.model_dump(mode="json"), f"{lesson.id}: {lesson.status}{place}{commit}", as_json)
