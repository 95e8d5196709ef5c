"""Lists that a person names by their paths: `/students`, `/faculties/{code}/programmes`, `crimes=/resource/x.json?state=all`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from spectra_assets.client.address import with_fixed
from spectra_assets.client.target import segment
from spectra_assets.discovery.crawl import Crawl
from spectra_assets.discovery.route import Fill, Route, entity_name, likely_key, plain_values, shape
from spectra_assets.discovery.scout import Look, joined, segments
from spectra_assets.discovery.templates import address
from spectra_assets.errors import ConfigurationError, one_of
from spectra_assets.intelligence.model import BY_HAND
from spectra_assets.intelligence.nouns import plain, singular_of, stem
from spectra_assets.intelligence.verbs import may_act
from spectra_assets.names import camel, words

NAMED = BY_HAND
"""Why such a list is asked for."""

_PATH = re.compile(r"(?:/(?:\{[A-Za-z_]\w{0,60}\}|[A-Za-z0-9._~@+$:%!*;=&()'-]{1,200}))+/?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
_QUERY_NAME = re.compile(r"[A-Za-z0-9._~$\[\]:-]{1,100}")
_QUERY_MOST = 2_000
_NEXT = re.compile(r",(?=\s*(?:[A-Za-z]\w*\s*=\s*)?/)")
"""A comma before another list; one inside a value (`?q=SELECT Id, Name FROM Account`) is no such."""

_SECRETS = frozenset(("token", "secret", "password", "passwd", "apikey", "appkey", "appid", "auth", "authorization", "signature"))
"""Words of parameters that hold a credential, which stands in no file."""

_EXAMPLES, _TRIES = 40, 12


class Listed(NamedTuple):
    """One list that a person named: its path, with its fixed parameters, and the entity's name if one was given."""

    path: str
    entity: str

    @classmethod
    def of(cls, text: str) -> Listed:
        """As `paths_of` gives it."""
        name, path = ("", text) if text.startswith("/") else text.split("=", 1)
        entity = singular_of(camel(name)) if name else ""
        return cls(path, entity[:1].lower() + entity[1:])


def paths_of(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """The lists in texts that name them, separated by commas, each as it is kept: `/path`, `/path?name=value`, `entity=/path`.

    Raises ConfigurationError naming the one that is none, and `where` it stands.
    """
    return tuple(dict.fromkeys(_kept(part.strip(), where) for text in texts for part in _NEXT.split(text)))


def _kept(text: str, where: str) -> str:
    name, path = ("", text) if text.startswith("/") or "=/" not in text.replace(" ", "") else map(str.strip, text.split("=", 1))
    path, asked, query = path.partition("?")
    parameters = re.findall(r"\{([^{}]*)\}", path)
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")) or len(set(parameters)) < len(parameters):
        raise ConfigurationError(
            f"{where}: {text[:200]!r} is no path of a list: it begins with / below the base URL, and its parameters stand in "
            "braces, each another, for example /students or /faculties/{code}/programmes; with what is always sent along "
            "/coins/markets?vs_currency=usd, with a name for its records crimes=/resource/ijzp-q8t2.json"
        )
    if name and not _NAME.fullmatch(name):
        raise ConfigurationError(f"{where}: {name[:100]!r} is no name of an entity: a letter, then letters, digits and _")
    pairs = parse_qsl(query, keep_blank_values=True)
    if asked and (not pairs or len(query) > _QUERY_MOST or not all(map(_may_be_sent, pairs))):
        raise ConfigurationError(
            f"{where}: {path[:200]}?… has a query that can't be sent: it is name=value, several joined by &, of up to "
            f"{_QUERY_MOST} characters, for example ?vs_currency=usd"
        )
    if secret := next((key for key, _ in pairs if _is_secret(key)), None):
        raise ConfigurationError(
            f"{where}: {secret[:100]!r} of {path[:200]} looks like a credential, which stands in no file: put it into an "
            f"environment variable and give --token-env and --auth query:{secret[:100]}"
        )
    return (f"{name}=" if name else "") + with_fixed(path, pairs)


def _may_be_sent(pair: tuple[str, str]) -> bool:
    name, value = pair
    return _QUERY_NAME.fullmatch(name) is not None and value.isprintable()


def _is_secret(name: str) -> bool:
    said = [word.lower() for word in words(name)]
    return bool(_SECRETS & {*said, "".join(said)}) or said in (["key"], ["api", "key"], ["access", "key"])


def ask_plain(crawl: Crawl, paths: Iterable[str]) -> None:
    """Ask for those without parameters, and for what they hang on: what their records name is followed."""
    for path in paths:
        if "?" in path:
            crawl.scout.with_query.add(path)
        first = path.partition("/{")[0]
        if first == path or not may_act(first):
            crawl.ask(Route(path, NAMED) if first == path else Route(first, f"{path} hangs on it"))
    crawl.drain()


def ask_below(crawl: Crawl, paths: Iterable[str]) -> dict[str, str]:
    """Ask for those with parameters, by the records of lists that are known; path → why it is not there, of all paths."""
    wrong: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: path.count("{")):
        known = crawl.routes.get(shape(path))
        if known is None or (not known.looks and "{" in path):
            wrong |= _asked(crawl, path) if "{" in path else {path: _answer(crawl, path)}
        elif known.kind not in ("list", "object"):
            wrong[path] = (known.reason or "it holds no records") + _advice(path, known.looks[-1:])
    return wrong


def told(wrong: Mapping[str, str], where: str, base: str, crawl: Crawl) -> str:
    """What to say of paths that are none."""
    lists = sorted(route.path for route in crawl.routes.values() if route.kind == "list")
    named = "; ".join(f"{path}: {why}" for path, why in wrong.items())
    return f"{where} names what is no list: {named}. Paths are below {base}; lists found there: {one_of(lists[:40])}"


def _answer(crawl: Crawl, path: str, query: Mapping[str, str] = MappingProxyType({})) -> str:
    look = crawl.scout.look(path, query)
    any_path = ", as it does for any path" if look.readable else ""
    return f"GET {path} answers {look.status}{any_path}{_advice(path, [look])}" if look.status else look.reason


def _advice(path: str, looks: Sequence[Look]) -> str:
    wants = any(look.sight.category == "needsParameters" for look in looks) and not {"?", "{"} & set(path)
    return f"; if it wants a parameter, name it with one, {path}?name=value" if wants else ""


def _asked(crawl: Crawl, path: str) -> dict[str, str]:
    """Fill and ask one path with parameters; path → why it is not there, if it is not."""
    parents = _lists_of(crawl, path)
    if isinstance(parents, str):
        return {path: parents}
    rows = list(dict.fromkeys(_rows(parents, path)))[:_EXAMPLES]
    if not rows:
        return {path: f"no record of GET {parents[-1][1].path} has a value for {{{parents[-1][0]}}}"}
    fills = tuple(fill for _, _, fill in parents)
    route = Route(path, NAMED, fills=fills, examples=tuple(rows))
    crawl.ask(route, tries=_TRIES)
    if shape(path) in crawl.routes:
        crawl.routes[shape(path)].why = NAMED
        crawl.drain()
        return {}
    return {path: _answer(crawl, *address(route, rows[0]))}


Parent = tuple[str, Route, Fill]
"""A parameter, the list whose records fill it, and how."""


def _lists_of(crawl: Crawl, path: str) -> list[Parent] | str:
    """What fills each parameter of a path: a field of its name in the records of the list nearest before, the parameter that this
    list was asked for with, or what names its records. Else why nothing does."""
    parts = segments(path)
    places = [number for number, part in enumerate(parts) if part.startswith("{")]
    names = [parts[number][1:-1] for number in places]
    last = max((number for number in range(places[-1]) if not parts[number].startswith("{")), default=-1)
    nearest = _list_at(crawl, parts[: last + 1]) if last >= 0 else _list_called(crawl, names[-1])
    if nearest is None and last < 0:
        return f"{{{names[-1]}}} has no list before it, and none was found that is called so"
    if nearest is None:
        return f"no list with records was found that {{{names[-1]}}} names one of ({joined(parts[: last + 1])})"
    found: list[Parent] = []
    here = shape(joined(parts[: last + 1])) == shape(nearest.path)  # elsewhere its parameters stand at other places
    for number, name in zip(places, names, strict=True):
        home = nearest
        fill = _field(nearest, name) or next(
            (fill for fill, part in zip(nearest.fills, _filling(nearest), strict=True) if here and part == number), None
        )
        if fill is None and number < last:
            home = _list_at(crawl, parts[:number]) or nearest
            fill = _field(home, name) or _key(home, name)
        fill = fill or _key(nearest, name)
        if fill is None:
            fields = sorted({key for record in nearest.records[:5] for key in plain_values(record)})
            return f"{{{name}}} is no field of the records of GET {nearest.path}: they have {one_of(fields[:40])}"
        found.append((name, home, replace(fill, parameter=name)))
    return found


def _list_at(crawl: Crawl, parts: list[str]) -> Route | None:
    """The list at a path, or one of the same kind of record elsewhere: courses of `/programmes/{id}/courses`."""
    there = crawl.routes.get(shape(joined(parts)))
    if there is not None and there.kind == "list" and there.records:
        return there
    lists = [route for route in crawl.routes.values() if route.kind == "list" and route.records]
    return next((route for route in lists if entity_name(route.path) == entity_name(joined(parts))), None)


def _list_called(crawl: Crawl, name: str) -> Route | None:
    """The list that a parameter tells by its own name: projects of `{projectId}`."""
    wanted = {plain(name), plain(stem(name).of)}
    lists = [route for route in crawl.routes.values() if route.kind == "list" and route.records]
    return next((route for route in lists if plain(entity_name(route.path)) in wanted), None)


def _filling(route: Route) -> list[int]:
    parts = segments(route.path)
    return [parts.index(f"{{{fill.parameter}}}") if f"{{{fill.parameter}}}" in parts else -1 for fill in route.fills]


def _field(route: Route, name: str) -> Fill | None:
    """The field of the records that has the parameter's name, or that with the list's name in front."""
    fields = dict.fromkeys(key for record in route.records[:20] for key in plain_values(record))
    wanted = plain(name)
    entity = plain(entity_name(route.path))
    for field in fields:
        if plain(field) == wanted or entity + plain(field) == wanted:
            return Fill(name, route.path, field)
    return None


def _key(route: Route, name: str) -> Fill | None:
    """What names the records, for a parameter that is called as keys are."""
    rows = [plain_values(record, 1) for record in route.records[:20]]
    common = [key for key in (rows[0] if rows else {}) if all(key in row for row in rows)]
    unique = [key for key in common if len({row[key] for row in rows}) == len(rows)]
    named = [key for key in unique if likely_key(key)[0] < 13]
    return Fill(name, route.path, min(named or unique, key=likely_key)) if unique else None


def _rows(parents: list[Parent], path: str) -> Iterator[tuple[str, ...]]:
    """Values of the parameters: of one record (and of what its list was asked with) together, of further lists the first."""
    nearest = parents[-1][1]
    others = {id(home): plain_values(home.records[0]) for _, home, _ in parents if home is not nearest}
    for example, look in zip(nearest.examples or ((),), nearest.looks, strict=False):
        asked = {(fill.of, fill.path): value for fill, value in zip(nearest.fills, example, strict=True)} if example else {}
        for record in look.records:
            own, row = plain_values(record), []
            for name, home, fill in parents:
                told_here = asked.get((fill.of, fill.path))
                value = (
                    own.get(fill.path) if home is nearest and fill.of == nearest.path else others.get(id(home), {}).get(fill.path)
                )
                if told_here is None and value is None:
                    break
                row.append(told_here or quote(segment(path, name, value or ""), safe=""))
            else:
                yield tuple(row)
