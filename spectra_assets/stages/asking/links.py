"""Addresses that an API's answers hold: HAL, JSON:API, OData, plain maps and fields; the URI templates among them (RFC 6570)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spectra_assets.intelligence.description.routes import routes_of
from spectra_assets.intelligence.verbs import ACTS, MAY_ACT, acts, among_actions, may_act, wants_change

_DEEP, _MANY = 6, 5_000
_LEAF = re.compile(r"(?:^|_)(?:url|uri|href|link|self|related|path)s?$|(?:Url|Uri|Href|Link|URL|URI)s?$", re.IGNORECASE)
_MAP = re.compile(r"(?:^|_)(?:url|uri|href|link)s$|[a-z](?:Url|Uri|Href|Link|URL|URI)s$")
_ADDRESS = re.compile(r"(?:https?://|/)[^\s\"'<>\\]{1,1000}")
_QUERY_TEMPLATE = re.compile(r"\{[?&]([^{}]*)\}")
_PATH_TEMPLATE = re.compile(r"\{/([^{}]*)\}")
_SIMPLE_TEMPLATE = re.compile(r"\{[+#.;]?([^{}]*)\}")
_FILES = re.compile(
    r"\.(?:png|jpe?g|gif|svg|ico|css|js|html?|pdf|zip|t?gz|csv|xlsx?|docx?|mp[34]|txt|atom|rss|xml)$", re.IGNORECASE
)
_NO_LINK = {
    "next", "prev", "previous", "first", "last", "curies", "profile", "describedby", "service_doc", "service_desc",
    "license", "help", "docs", "documentation", "doc", "home", "website", "homepage", "html", "avatar", "icon", "logo",
    "image", "thumbnail", "photo", "picture", "schema", "metadata",
}  # fmt: skip
_NAMES = ("name", "path", "resource", "endpoint", "collection", "entity", "table")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,60}")
_FEW, _MOST_NAMES = 4, 100

_OF_ADDRESSES = {"name", "title", "rel", "url", "href", "kind", "type", "description", "method", "methods", "templated"}
"""Keys of an entry that says where something is, and nothing of it."""


@dataclass(frozen=True)
class Link:
    """An address as it stands, the name beside it, and where: the JSON path from the record (or document) it stands in."""

    name: str
    url: str
    place: str
    method: str = ""
    """With which it is asked for, if that is told."""
    sure: bool = False
    """Whether its kind says that it leads to records, whatever they are called."""

    def nowhere(self, path: str) -> str:
        """Why it is not asked for at a path: as `leads_nowhere`, or since it may be that of an action; empty if it may be."""
        if wants_change(self.method):
            return ACTS
        doubtful = not self.sure and (among_actions(self.place) or may_act(path))
        return leads_nowhere(self.name, path) or (MAY_ACT if doubtful else "")


def links_of(value: Any, document: bool = False) -> Iterator[Link]:
    """The addresses in a record; of a `document` (root, service document) also those that no key announces as such."""
    left = [_MANY]
    yield from _walk(value, "", "", 0, document, left)


def may_lead(link: Link) -> bool:
    """Whether an address in a document may lead to data: none for people, of a file, of an action, or of names (`curies`)."""
    return "curies" not in link.place and not link.nowhere(link.url.partition("?")[0])


def is_directory(value: Any) -> bool:
    """Whether an object is mostly addresses of others: a root or service document."""
    if not isinstance(value, dict) or not value:
        return False
    if _is_odata(value) or routes_of(value):
        return True
    announced = value.get("_links", value.get("links"))
    if isinstance(announced, dict | list):
        rest = [below for key, below in value.items() if key not in ("_links", "links", "jsonapi", "meta")]
        others = [name for name in announced if not (isinstance(name, str) and name.lower() in ("self", "curies"))]
        return (
            all(not isinstance(below, dict | list) for below in rest) and "id" not in value and len(others) >= max(1, len(rest))
        )
    if any(map(_is_list, value.values())):
        return False
    texts = [below.get("href") or below.get("url") if isinstance(below, dict) else below for below in value.values()]
    found = sum(isinstance(text, str) and bool(_ADDRESS.fullmatch(text)) for text in texts)
    return found >= max(1, 0.6 * len(value))


def is_address_list(value: Any, path: str = "/") -> bool:
    """Whether the answer to GET `path` is a list of paths, or of names with their addresses, and not of its own records."""
    if not isinstance(value, list) or not value:
        return False
    texts = [entry if isinstance(entry, str) else _address_of(entry) for entry in value]
    if not all(isinstance(text, str) and _ADDRESS.fullmatch(text) for text in texts):
        return False
    own = path.rstrip("/")
    return not own or not all(f"{own}/" in str(text) for text in texts)


def names_in(value: Any) -> list[str]:
    """The names that a document lists without their addresses, each fit to be a segment: of texts, or of entries that are little
    but a name. Empty if it is no such document."""
    inside = list(value.values()) if isinstance(value, dict) else [value]
    for listed in (each for each in inside if isinstance(each, list)):
        texts = [_named(entry) for entry in listed]
        names = [text for text in texts if text and _NAME.fullmatch(text)]
        if len(names) == len(texts) > 1:
            return list(dict.fromkeys(names))[:_MOST_NAMES]
    return []


def _named(entry: Any) -> str | None:
    """The name that an entry is, or that it is little more than."""
    if isinstance(entry, dict) and len(entry) <= _FEW:
        entry = next((entry[key] for key in _NAMES if key in entry), None)
    return entry if isinstance(entry, str) else None


def template_of(url: str) -> tuple[list[str], set[str]]:
    """Addresses that a URI template stands for, without and with its optional segments (`{name}`), and its query's names.

    `/issues{/number}{?page}` gives `/issues` and `/issues/{number}` with `page`.
    """
    names: set[str] = set()
    for listed in _QUERY_TEMPLATE.findall(url):
        names |= {name.strip().rstrip("*") for name in listed.split(",") if name.strip()}
    url = _QUERY_TEMPLATE.sub("", url)
    short = _PATH_TEMPLATE.sub("", url)
    full = _PATH_TEMPLATE.sub(lambda match: "".join(f"/{{{_word(name)}}}" for name in match[1].split(",")), url)
    found = [_SIMPLE_TEMPLATE.sub(lambda match: f"{{{_word(match[1])}}}", text) for text in dict.fromkeys((short, full))]
    return found, names


def leads_nowhere(name: str, path: str) -> str:
    """Why an address is not asked: its name tells a page for people, a file, or an action; empty if it may be."""
    if acts(name, path):
        return ACTS
    if _FILES.search(path):
        return "a file"
    if name.lower().replace("-", "_") in _NO_LINK:
        return "a page of a list, or for people"
    return ""


def _walk(
    value: Any, name: str, place: str, depth: int, document: bool, left: list[int], around: tuple[str, Any] = ("", None)
) -> Iterator[Link]:
    """`around` is the object that holds `value`, and the key of that object."""
    left[0] -= 1
    if depth > _DEEP or left[0] < 0:
        return
    if isinstance(value, dict):
        if document and _is_odata(value):
            yield from (Link(str(entry["name"]), str(entry["url"]), f"{place}value[].url", sure=True) for entry in value["value"])
            return
        for key, below in value.items():
            inside = f"{place}.{key}" if place else key
            if key == "self" and _tells_related(around):
                continue
            called = _called(key, value, name)
            if isinstance(below, str) and isinstance(value.get("rel"), str):
                if "html" in str(value.get("type", "")):
                    continue  # the same for people
                inside = f"{inside} ({value['rel'][:80]})"  # links of one list that lead to different things
            if isinstance(below, str):
                if _ADDRESS.fullmatch(below) and (
                    document or _LEAF.search(key) or _announced(place) or below.startswith("http") or _only_addresses(value)
                ):
                    yield Link(called, below, inside, _method(value), ".relationships." in f".{inside}")
            else:
                yield from _walk(below, called, inside, depth + 1, document, left, (place, value))
    elif isinstance(value, list):
        for entry in value[:200]:
            if isinstance(entry, str):
                if document and _ADDRESS.fullmatch(entry):
                    yield Link(entry.rstrip("/").rpartition("/")[2], entry, f"{place}[]")
            else:
                yield from _walk(entry, name, f"{place}[]", depth + 1, document, left)


def _method(around: dict[str, Any]) -> str:
    """The method that an object tells beside an address; empty if none."""
    told = (around[key] for key in ("method", "httpMethod", "http_method", "verb", "type") if isinstance(around.get(key), str))
    return next((text.upper() for text in told if text.upper() == "GET" or wants_change(text)), "")


def _tells_related(around: tuple[str, Any]) -> bool:
    """Whether a relationship (JSON:API) names its records beside its links, so that its own address tells no more."""
    place, value = around
    return ".relationships." in f".{place}" and isinstance(value, dict) and "data" in value


def _called(key: str, around: dict[str, Any], name: str) -> str:
    """The name of an address at `key`: of `href` and `url` that of what holds them, of `x_url` it is `x`."""
    if key.lower() in ("href", "url", "uri", "link", "path"):
        told = next((around[word] for word in ("rel", "name", "title") if isinstance(around.get(word), str)), None)
        return told[:80] if told else name or key
    if key.lower() in (
        "links",
        "_links",
        "related",
        "data",
        "relationships",
        "_embedded",
        "value",
        "items",
        "resources",
        "endpoints",
    ):
        return name
    return re.sub(r"(?:_|(?<=[a-z]))(?:url|uri|href|link)s?$", "", key, flags=re.IGNORECASE) or key


def _announced(place: str) -> bool:
    """Whether one of the objects around is called what holds addresses: `links`, `subresource_uris`."""
    around = {part.removesuffix("[]") for part in place.split(".")}
    return bool({"_links", "links", "relationships"} & around) or any(map(_MAP.search, around))


def _only_addresses(value: dict[str, Any]) -> bool:
    """Whether an object is a map of names to addresses: at least two, and nothing else."""
    return len(value) > 1 and all(isinstance(below, str) and below.startswith("/") for below in value.values())


def _is_odata(value: dict[str, Any]) -> bool:
    listed = value.get("value")
    return isinstance(listed, list) and bool(listed) and all(_is_named(entry) and entry.get("name") for entry in listed)


def _is_named(entry: Any) -> bool:
    """Whether this is a name with its address, and nothing else."""
    return isinstance(entry, dict) and _address_of(entry) is not None and {str(key).lower() for key in entry} <= _OF_ADDRESSES


def _address_of(entry: Any) -> str | None:
    if not isinstance(entry, dict) or not {str(key).lower() for key in entry} <= _OF_ADDRESSES:
        return None
    found = entry.get("url") or entry.get("href")
    return found if isinstance(found, str) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "", name.strip().rstrip("*").partition(":")[0]) or "value"
