"""A lesson as Markdown: its front matter, then prose that a person reads in a minute.

Text that came from an API or an error is untrusted: in the front matter it is quoted YAML, bounded; in the prose it stands only
in a fenced block, with nothing that could end it.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from spectra_assets.learning.lesson import Lesson

WIDTH = 90
"""Characters of a line of quoted text: a fenced block is not wrapped by who shows it."""

QUOTED = 600
"""Characters of a quoted text at most."""

_UNNAMED = re.compile(r"[^\w./@:+-]+")


def text_of(lesson: Lesson) -> str:
    """The lesson as Markdown: front matter, then prose for people."""
    content = {name: value for name, value in lesson.model_dump(mode="json").items() if value not in (None, [], "")}
    content["evidence"] = [{k: v for k, v in fact.items() if v is not None} for fact in content.get("evidence", [])]
    front = yaml.safe_dump(
        {name: value for name, value in content.items() if value != []}, sort_keys=False, allow_unicode=True, width=120
    )
    parts = [f"# {_title(lesson)}", _told(lesson), f"## What the gate said\n\n{quoted(lesson.message)}", _cause(lesson)]
    return (
        f"---\n{front}---\n\n"
        + "\n\n".join(part for part in (*parts, _remedy(lesson), _tried(lesson), _asked(lesson)) if part)
        + "\n"
    )


def _title(lesson: Lesson) -> str:
    return _name(f"{lesson.check} failed on {lesson.source}/{lesson.stage}/{lesson.table}")


def _name(text: str) -> str:
    """Names of documents, which are no text of an API; whatever they hold, it is one line and no Markdown."""
    return _UNNAMED.sub(" ", text)


def _told(lesson: Lesson) -> str:
    counted = "" if lesson.failed_rows is None else f" {lesson.failed_rows} of {lesson.total_rows} rows failed last time."
    blocked = "The tables after it did not run; its last good version stayed." if lesson.severity == "ERROR" else "It only warns."
    return (
        f"Status: **{lesson.status}**. Seen {times(lesson.seen)}, first {_name(lesson.first_seen)}, last "
        f"{_name(lesson.last_seen)} in run {_name(lesson.last_run)}, under covenant version "
        f"{_name(lesson.covenant_version)}.{counted} {blocked}"
    )


def _cause(lesson: Lesson) -> str:
    about = f", about\n\n{quoted(lesson.subject)}" if lesson.subject else "."
    return f"## Cause\n\n{lesson.cause.replace('_', ' ').capitalize()}{about}"


def _remedy(lesson: Lesson) -> str:
    if lesson.remedy is None:
        return f"## What became of it\n\n{quoted(lesson.closed)}" if lesson.closed else ""
    state = {
        "proposed": "Proposed; it waits for a person.",
        "proven": "Proven on recorded answers; not applied yet.",
        "applied": "Applied; the next run shows whether it holds.",
        "verified": f"Applied, and it held: the gate passed {times(lesson.helped)} since.",
        "ineffective": "Applied, and the gap came back.",
        "reverted": "Taken back.",
        "observed": "Thought of.",
    }[lesson.status]
    place = f" It stands at `playbooks/{lesson.playbook}`." if lesson.playbook else ""
    commit = f" Commit {lesson.commit}." if lesson.commit else ""
    commit += f" It is in no commit: {_name(lesson.uncommitted)}." if lesson.uncommitted else ""
    commit += f" It holds for every source now, by the rule `{lesson.standard}` of STANDARDS.md." if lesson.standard else ""
    needs = f"\n\nWhy a person decides:\n\n{quoted(lesson.remedy.needs_person)}" if lesson.remedy.needs_person else ""
    text = f"{lesson.remedy.said}. Because {lesson.remedy.why}"
    return f"## Remedy\n\n{state}{place}{commit}\n\n{quoted(text)}{needs}"


def _tried(lesson: Lesson) -> str:
    if not lesson.tried:
        return ""
    return "## Tried before\n\n" + quoted(" // ".join(f"{each.remedy}: {each.outcome}" for each in lesson.tried))


def _asked(lesson: Lesson) -> str:
    return f"## Question to a person\n\n{quoted(lesson.question)}" if lesson.question else ""


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


def bounded(text: str, most: int = QUOTED) -> str:
    """Untrusted text on one line: cut, and without control characters or marks of direction."""
    plain = "".join(char if char.isprintable() else " " for char in text[: most + 1])
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def quoted(text: str) -> str:
    """Untrusted text as a fenced block: bounded, wrapped, without control characters or anything that could end the fence."""
    plain = bounded(text).replace("`", "'").replace("~", "-")
    return f"~~~text\n{textwrap.fill(plain, WIDTH) or '(nothing)'}\n~~~"
