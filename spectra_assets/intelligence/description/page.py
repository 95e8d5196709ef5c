"""A web page for people that tells an API's paths: `GET /queues/{vhost}` in its text or a table, and links below them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from spectra_assets.intelligence.description.catalogue import catalogued
from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.model import Description, Reply
from spectra_assets.intelligence.model import Endpoint

_LEAST = 3
"""Paths that a page must tell to be taken for a description."""

_MOST, _MOST_CHARACTERS = 400, 1 << 20
_HIDING = re.compile(r"<(?:(script|style|head)\b|!--)", re.IGNORECASE)
_SHOWN_AGAIN = {word: re.compile(rf"</{word}\s*>" if word else "-->", re.IGNORECASE) for word in ("script", "style", "head", "")}
"""What is not seen by people begins and ends so; the empty name is a comment's."""

_EMPHASIS = r"(?:i|em|var|b|strong|span|code)"
_PARAMETER = re.compile(
    rf"/<{_EMPHASIS}\b[^<>]*>\s*(?:[:{{<]|&lt;)?([A-Za-z_][\w-]{{0,40}})(?:[}}>]|&gt;)?\s*</{_EMPHASIS}\s*>", re.IGNORECASE
)
"""A parameter that stands out by its type: `/queues/<i>vhost</i>`."""

_WITHIN = re.compile(rf"</?{_EMPHASIS}\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_ENDLESS = re.compile(r"&#[0-9]{9,};?")
"""Numbers that are no character's, and too long to be read as numbers."""

_TITLE = re.compile(r"<title\b[^<>]*>([^<]{1,200})</title", re.IGNORECASE)
_COMMAND = re.compile(r"\bcurl\b|\bwget\b|(?:^|\s)-X\s*[A-Z]+")
_TOLD = re.compile(
    r"(?<![\w/.:{}<>~-])(?:(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b[\s:]*)?(/(?:[\w.~%@+$:{}<>*-]+/?)+(?:\?[\w=&{}<>.-]*)?)"
)
_SEGMENT = re.compile(r"[A-Za-z_][\w.~@+-]*|v?\d+(?:\.\d+)*|\{[\w-]+\}")
_FILE = re.compile(r"\.(?!json$)[a-z][a-z0-9]{1,4}$", re.IGNORECASE)


def is_page(text: str) -> bool:
    """Whether a text is a web page."""
    return text.lstrip()[:200].lower().startswith(("<!doctype html", "<html"))


def read_page(text: str, name: str, findings: Findings) -> Description | None:
    """The paths that a page tells, each with the method in front of it (GET if there is none); None if it tells fewer than three.

    They are what a person would try: which of them are there, the answers show.
    """
    title = _TITLE.search(text[:_MOST_CHARACTERS])
    endpoints = _once(catalogued(_told(text[:_MOST_CHARACTERS]), findings))[:_MOST]
    if sum(endpoint.method == "GET" for endpoint in endpoints) < _LEAST:
        return None
    return Description(
        name=name,
        kind="page",
        format="HTML",
        title=brief(_read(title[1]), 200) if title else "",
        endpoints=endpoints,
        replies={endpoint.path: Reply() for endpoint in endpoints if endpoint.method == "GET"},
        findings=findings.lines(),
    )


def _once(endpoints: list[Endpoint]) -> list[Endpoint]:
    """A path that is told with and without a slash at its end is one: without."""
    bare = {(endpoint.method, endpoint.path) for endpoint in endpoints if not endpoint.path.endswith("/")}
    return [each for each in endpoints if not each.path.endswith("/") or (each.method, each.path.rstrip("/")) not in bare]


def _seen(text: str) -> str:
    """The page without comments, scripts, styles and its head; what begins one that has no end is left."""
    parts, place = [], 0
    endless: set[str] = set()
    for found in _HIDING.finditer(text):
        name = (found[1] or "").lower()
        if found.start() < place or name in endless:
            continue
        end = _SHOWN_AGAIN[name].search(text, found.end())
        if end is None:
            endless.add(name)
            continue
        parts.append(text[place : found.start()])
        place = end.end()
    return "\n".join((*parts, text[place:]))


def _read(text: str) -> str:
    """The text with its characters in place of their references (`&amp;`)."""
    return html.unescape(_ENDLESS.sub("\ufffd", text))


def _told(text: str) -> Iterator[str]:
    """`GET /path` of each path in what a person sees, but those of commands, which are examples."""
    seen = _PARAMETER.sub(r"/{\1}", _seen(text))
    plain = _read(_TAG.sub("\n", _WITHIN.sub("", seen)))
    for line in plain.splitlines():
        if _COMMAND.search(line):
            continue
        for method, path in _TOLD.findall(line):
            path = re.sub(
                r"/(?::([A-Za-z_]\w*)|<(?:\w+:)?([A-Za-z_][\w-]*)>)", lambda m: f"/{{{m[1] or m[2]}}}", path.rstrip(".:")
            )
            parts = [part for part in path.partition("?")[0].split("/") if part]
            if parts and all(_SEGMENT.fullmatch(part) for part in parts) and not _FILE.search(parts[-1]) and "{" not in parts[0]:
                yield f"{method or 'GET'} {path}"
