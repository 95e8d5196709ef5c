"""Values of an enumeration that nobody gave a name: what the source itself calls them, else a person is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from spectra_assets.covenant.build import Enumeration, Extraction, Refinement
from spectra_assets.covenant.refined import flagged
from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import CLEAN, TRANSFORM, carried, remedies_for, rule
from spectra_assets.learning.remedy.renames import plain_paths
from spectra_assets.names import Stage, words
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.sampling import Asked

_KNOWN = 2
"""Values whose labels are known that a list must name alike before it is believed about another one."""

_LISTS = 5
"""Lists of the API that are asked for because their path has a word of the column's name."""


@remedies_for(Cause.UNMAPPED_VALUE)
def label(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """What the source calls the value, if it calls the others as their labels do. Else it stays unmapped: a person is asked."""
    table = facts.table(gap.full_table)
    if table is None or not isinstance(table.build, Enumeration) or not gap.subject.lstrip("-").isdigit():
        return
    build, value = table.build, int(gap.subject)
    known = {number: text for number, text in build.labels.items() if number != value}
    for place, named in _names(build.column, facts):
        found = label_of(value, known, named)
        if found is not None and carried(found):
            why = f"{place} calls {value} {found}, and the values known as their labels do"
            yield _labelled(gap, table.ref.table, value, found, why)
            return
    others = ", ".join(f"{number} {text}" for number, text in sorted(known.items())[:12])
    needs = f"only a person knows what {value} means; until then it counts as {build.unmapped}. Known are {others}"
    why = f"{build.column} has the value {value}, which has no label: it is counted as {build.unmapped}"
    yield _labelled(gap, table.ref.table, value, f"{build.unmapped} {value}", why, needs)


@remedies_for(Cause.UNMAPPED_VALUE)
def former_word(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A new word that stands where one stood that alone decides a truth is read as that one, if a person says so: the numbers of
    rows speak for it, and nothing else."""
    table = facts.table(gap.full_table)
    if table is None or table.entity is None or not isinstance(table.build, Refinement):
        return
    flags = {f"not {flag}": (flag, *told) for flag, told in flagged(table.build).items()}
    fact = next((each for each in gap.evidence if each.seen and each.expected in flags), None)
    clean = facts.table(f"{Stage.CLEAN}.{table.entity}")
    if fact is None or fact.expected is None or fact.seen is None or clean is None:
        return
    flag, name, word = flags[fact.expected]
    column = clean.columns.get(name)
    path = next((path for path in column.source if not path.startswith("@")), None) if column is not None else None
    if path is not None and carried(path, fact.seen, word):
        why = f"no row of {table.table} is {word} any more, and about as many as were are {fact.seen}, which none was before"
        needs = f"{why}, so that none {flag}. Yes reads {fact.seen} as {word} from now on"
        at = {"source": gap.source, "entity": table.entity, "field": path}
        yield rule(RemedyKind.READ_AS, CLEAN, "read_as", at, {"values": {fact.seen: word}}, why, needs)


def _labelled(gap: Gap, name: str, value: int, text: str, why: str, needs: str | None = None) -> Remedy:
    values = {"name": name, "value": value, "label": text}
    return rule(RemedyKind.LABEL_VALUE, TRANSFORM, "label", {"source": gap.source}, values, why, needs)


def label_of(value: int, known: Mapping[int, str], named: Mapping[int, set[str]]) -> str | None:
    """The one name of the value, where the names of values with labels are their labels; in the way those are written."""
    both = [(known[number], names) for number, names in named.items() if number in known]
    alike = [len(names) == 1 and _plain(next(iter(names))) == _plain(text) for text, names in both]
    mine = named.get(value, set())
    if len(alike) < _KNOWN or not all(alike) or len(mine) != 1:
        return None
    text = next(iter(mine))
    return text.upper() if all(label.isupper() for label in known.values()) else text


def _plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _names(column: str, facts: Facts) -> Iterator[tuple[str, Mapping[int, set[str]]]]:
    """Where the source may name the column's values → value → its names: beside it in records, then in lists of its own."""
    table = facts.table(column.rsplit(".", 1)[0])
    mine = table.columns.get(column.rsplit(".", 1)[1]) if table else None
    if table is None or mine is None or table.entity is None:
        return
    records = facts.fetched(table.entity) or facts.published(table.entity)
    for path in mine.source:
        yield from ((f"{table.entity}.{other}", named) for other, named in named_beside(records, path))
    said = {word.lower() for word in words(mine.name)}
    for place, listed in _lists(facts, table.entity, said):
        numbers = dict.fromkeys(path for record in listed for path in plain_paths(record))
        for path in numbers:
            yield from ((f"{place}, {path} and {other}", named) for other, named in named_beside(listed, path))


def named_beside(records: Iterable[Record], path: str) -> Iterator[tuple[str, Mapping[int, set[str]]]]:
    """Fields with texts beside a number: their path, and number → the texts that came with it."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        value = str(next(values_at(record, path), ""))
        if not value.lstrip("-").isdigit():
            continue
        for other in plain_paths(record):
            text = next(values_at(record, other), None)
            if other != path and isinstance(text, str) and len(found[other][int(value)]) < _KNOWN:
                found[other][int(value)].add(text)
    yield from found.items()


def _lists(facts: Facts, entity: str, said: set[str]) -> Iterator[tuple[str, list[Record]]]:
    """Other entities of the source, and lists of the API whose path has a word of the column's name."""
    for table in facts.covenant.tables():
        if isinstance(table.build, Extraction) and table.entity and table.entity != entity:
            yield table.entity, facts.published(table.entity)
    read = {route for hint in facts.pack.entities for route in hint.routes}
    paths = [
        each.path for each in facts.pack.endpoints if each.method == "GET" and "{" not in each.path and each.path not in read
    ]
    near = [path for path in dict.fromkeys(paths) if said & {word.lower().rstrip("s") for word in words(path)}]
    if (explorer := facts.explorer) is None:
        return
    for path in near[:_LISTS]:
        try:
            yield f"GET {path}", explorer.listing(Asked(path), pages=1).records
        except SpectraError:
            return
