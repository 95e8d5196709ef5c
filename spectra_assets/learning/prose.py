"""A lesson as Markdown: its front matter, then prose that a person reads in a minute.

Text that came from an API or an error is untrusted: in the front matter it is quoted YAML, bounded; in the prose it stands only
in a fenced block, with nothing that could end it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import yaml

from spectra_assets.learning.gap import Cause, Fact

if TYPE_CHECKING:
    from spectra_assets.learning.lesson import Lesson

WIDTH = 90
"""Characters of a line of quoted text: a fenced block is not wrapped by who shows it."""

QUOTED = 600
"""Characters of a quoted text at most."""

_FACTS = 6
"""Pieces of evidence that the prose shows; all of them stand in the front matter."""

MEANING: Mapping[str, str] = {
    Cause.CREDENTIAL: "the API does not take the credential",
    Cause.CATALOGUE: "the list of endpoints is not as it should be",
    Cause.UNREACHABLE_ENTITY: "an entity can't be reached",
    Cause.UNPROVEN_DEPENDENCY: "the route to an entity is not proven",
    Cause.IGNORED_PARAMETER: "the API ignores a parameter",
    Cause.INCOMPLETE_SCHEMA: "the canon lacks something that every table needs",
    Cause.UNCOVERED_ENDPOINT: "an endpoint of the API is not ingested",
    Cause.ENDPOINT_GONE: "an endpoint is gone",
    Cause.ENDPOINT_FORBIDDEN: "an endpoint is forbidden",
    Cause.ENDPOINT_BROKEN: "an endpoint fails",
    Cause.RATE_LIMITED: "the API is asked too fast",
    Cause.PAGE_LIMIT: "a list can't be read in such pages",
    Cause.PAGING_CHANGED: "a list pages another way than the covenant says",
    Cause.ENVELOPE_CHANGED: "the records are at another place of the answer",
    Cause.INCOMPLETE_EXTRACT: "not every record was read",
    Cause.DUPLICATE_ROWS: "records come more than once",
    Cause.NEW_FIELD: "records have a field that the covenant does not know",
    Cause.CHANGED_TYPE: "values are of another type than the covenant promises",
    Cause.MISSING_FIELD: "no record has a promised field any more",
    Cause.EMPTIED_FIELD: "a field that was filled is empty in many records now",
    Cause.RENAMED_FIELD: "a field has another name",
    Cause.CHANGED_UNIT: "the values of a field may be in another unit or time zone now",
    Cause.CHANGED_VALUES: "the same was done to the values of nearly all records at once",
    Cause.CHANGED_WORDS: "all words of a field are others",
    Cause.PLACEHOLDER: "many records have a value that stands for none",
    Cause.SECOND_DATE_FORMAT: "dates are written another way",
    Cause.NULL_IN_REQUIRED: "a required value is missing",
    Cause.MISSING_KEY: "records have no key",
    Cause.WRONG_KEY: "the key does not tell rows apart",
    Cause.ORPHAN: "rows refer to something that is not there",
    Cause.LATE_PARENT: "rows came before what they refer to",
    Cause.UNMAPPED_VALUE: "a value has no label",
    Cause.RECORDS_GONE: "most of the known records are no longer there",
    Cause.SOURCE_SHRANK: "much of the records went in one run",
    Cause.LOST_ROWS: "rows got lost between two tables",
    Cause.QUARANTINE: "too many rows are set aside",
    Cause.HISTORY: "the history of a dimension is broken",
    Cause.ROWS_SET_ASIDE: "rows are set aside",
    Cause.UNSTEADY_ENDPOINT: "an endpoint often needs several attempts",
    Cause.STEP_DID_NOT_RUN: "a step of the playbook was not carried out",
    Cause.TOTALS: "figures and facts do not add up",
    Cause.LINEAGE: "tables were made from others than the covenant says",
    Cause.MISSING_OUTPUT: "a table is missing",
    Cause.MISSING_GATE: "a gate is missing",
    Cause.MISSING_STEP: "a step is missing",
    Cause.OTHER: "a promise was not kept",
}
"""Cause → what it means, in words for a person."""

_UNNAMED = re.compile(r"[^\w./@:+-]+")


def text_of(lesson: Lesson) -> str:
    """The lesson as Markdown: front matter, then prose for people."""
    content = {name: value for name, value in lesson.model_dump(mode="json").items() if value not in (None, [], "")}
    content["evidence"] = [{k: v for k, v in fact.items() if v is not None} for fact in content.get("evidence", [])]
    front = yaml.safe_dump(
        {name: value for name, value in content.items() if value != []}, sort_keys=False, allow_unicode=True, width=120
    )
    said = f"## What the gate said\n\n`{_name(lesson.check)}`:\n\n{quoted(lesson.message)}{_also(lesson)}"
    parts = (f"# {_title(lesson)}", _told(lesson), _asked(lesson), said, _cause(lesson), _remedy(lesson), _tried(lesson))
    return f"---\n{front}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _also(lesson: Lesson) -> str:
    told = ", ".join(f"`{_name(check)}` on `{_name(table)}`" for check, table in gates_beside(lesson))
    return f"\n\nThe same cause shows at {told}." if told else ""


def gates_beside(lesson: Lesson) -> list[tuple[str, str]]:
    """Other gates that show the lesson's gap, with their tables."""
    return list(dict.fromkeys((echo.check, echo.table) for echo in lesson.also))


def meaning_of(lesson: Lesson) -> str:
    """What the gap is, in a few words that no API chose."""
    told = MEANING.get(str(lesson.cause), str(lesson.cause).replace("_", " "))
    return f"{told}, at least {lesson.many:,} of the kind at once" if lesson.many else told


def _title(lesson: Lesson) -> str:
    return f"{_name(f'{lesson.source}, {lesson.stage}.{lesson.table}')}: {meaning_of(lesson)}"


def _name(text: str) -> str:
    """Names of documents, which are no text of an API; whatever they hold, it is one line and no Markdown."""
    return _UNNAMED.sub(" ", text)


def _told(lesson: Lesson) -> str:
    rows = lesson.failed_rows is not None and lesson.total_rows is not None
    counted = f" {lesson.failed_rows:,} of {lesson.total_rows:,} failed last time." if rows else ""
    blocked = (
        "What is made from this table did not run, and its last good version stayed."
        if lesson.severity == "ERROR"
        else "It only warns: the tables were published."
    )
    first = f", first {_moment(lesson.first_seen)}" if lesson.seen > 1 else ""
    return (
        f"**{str(lesson.status).capitalize()}**: {standing(lesson)} Seen {times(lesson.seen)}{first}, last "
        f"{_moment(lesson.last_seen)} in run {_name(lesson.last_run)[:8]}, under version {_name(lesson.covenant_version)} of the "
        f"covenant.{counted} {blocked}"
    )


def standing(lesson: Lesson) -> str:
    """Where the lesson stands, in a sentence."""
    if lesson.closed is not None:
        return "it is over, see below."
    if lesson.status in ("observed", "ineffective", "reverted"):
        return "it asks a person." if lesson.question else "a remedy is looked for."
    return {
        "proposed": "a remedy waits for a person.",
        "proven": "a remedy is proven on recorded answers, and not applied yet.",
        "applied": "a remedy is applied; the next run shows whether it holds.",
        "verified": f"a remedy is applied, and its gate passed {times(lesson.helped)} since.",
    }[lesson.status]


def _moment(text: str) -> str:
    return _name(text)[:16].replace("T", " ")


def _cause(lesson: Lesson) -> str:
    about = f", about\n\n{quoted(lesson.subject)}" if lesson.subject and not lesson.many else "."
    facts = [line for fact in lesson.evidence[:_FACTS] if (line := fact_of(fact))]
    more = len(lesson.evidence) - len(facts)
    shown = f"\n\nShown by\n\n{lines(facts)}" if facts else ""
    shown += f"\n\nand {more} more in the head of this file." if facts and more > 0 else ""
    return f"## Cause\n\n{str(lesson.cause).replace('_', ' ').capitalize()}{about}{shown}"


def fact_of(fact: Fact) -> str:
    """A fact as a person reads it."""
    where = next((text for text in (fact.path, fact.column, fact.endpoint, fact.parameter, fact.entity) if text), "")
    counted = f"seen {times(fact.count)}" if fact.count is not None else ""
    counted = f"{fact.count:,} of {fact.total:,}" if fact.count is not None and fact.total is not None else counted
    changed = f"expected {fact.expected}{f', seen {fact.seen}' if fact.seen else ''}" if fact.expected else fact.seen
    status = f"status {fact.status}" if fact.status is not None else ""
    told = "; ".join(each for each in (changed, counted, status, fact.note) if each)
    return f"{where}: {told}" if where and told else where or told


def _remedy(lesson: Lesson) -> str:
    if lesson.remedy is None:
        return f"## What became of it\n\n{quoted(lesson.closed)}" if lesson.closed else ""
    place = f"It stands at `playbooks/{lesson.playbook}`." if lesson.playbook else "It stands in no playbook yet."
    if lesson.remedy.kind == "take_back":
        place = "It takes away what another lesson brought, which stands in a playbook yet."
    commit = f" Commit {lesson.commit}." if lesson.commit else ""
    commit += f" It is in no commit: {_name(lesson.uncommitted)}." if lesson.uncommitted else ""
    commit += f" It holds for every source now, by the rule `{lesson.standard}` of STANDARDS.md." if lesson.standard else ""
    needs = f"\n\nWhy a person decides:\n\n{quoted(lesson.remedy.needs_person)}" if lesson.remedy.needs_person else ""
    because = f"\n\nBecause\n\n{quoted(lesson.remedy.why)}"
    return f"## Remedy\n\n{place}{commit}\n\n{quoted(lesson.remedy.said)}{because}{needs}"


def _tried(lesson: Lesson) -> str:
    told = "\n\n".join(quoted(f"{each.remedy}: {each.outcome}") for each in lesson.tried)
    return f"## Tried before\n\n{told}" if told else ""


def _asked(lesson: Lesson) -> str:
    if not lesson.question:
        return ""
    waits = lesson.remedy is not None and lesson.status in ("proposed", "proven")
    words = ("approve", "reject") if waits else ("explain",)
    how = ", ".join(f"`solution-engine lessons {word} {lesson.id[-8:]}`" for word in words)
    return f"## Question to a person\n\n{quoted(lesson.question)}\n\n{how}"


def lines(texts: Sequence[str]) -> str:
    """Untrusted texts as one fenced block, a line each."""
    shown = (bounded(text, WIDTH).replace("`", "'").replace("~", "-") for text in texts)
    return "\n".join(("~~~text", *shown, "~~~"))


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count:,} times"


def bounded(text: str, most: int = QUOTED) -> str:
    """Untrusted text on one line: cut, and without control characters or marks of direction."""
    plain = "".join(char if char.isprintable() else " " for char in text[: most + 1])
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def quoted(text: str) -> str:
    """Untrusted text as a fenced block: bounded, wrapped, without control characters or anything that could end the fence."""
    plain = bounded(text).replace("`", "'").replace("~", "-")
    return f"~~~text\n{textwrap.fill(plain, WIDTH) or '(nothing)'}\n~~~"
