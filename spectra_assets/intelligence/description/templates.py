"""Paths with parameters, in whatever way they are written, as `/things/{id}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST_CHARACTERS = 500
_EXPRESSION = re.compile(r"\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
"""A template expression; a regular expression inside may have braces of its own (`{id:[0-9]{4}}`)."""

_COLON = re.compile(r"(?<=/):([A-Za-z_]\w*)\??(\([^/()]*\))?(?=[/.]|$)")
_ANGLE = re.compile(r"<(?:[a-z]+(?:\([^<>()]*\))?:)?([A-Za-z_]\w*)>")
_NAME = re.compile(r"[^\s/?#{}*+;&:=,]+")
_QUERY_OPERATORS = "?&"
_OTHER_OPERATORS = "+#./;"
_SIMPLE = re.compile(r"(?:/(?:[^\s{}<>?#:;/]|(?<!/):|\{[\w.\-$@]+\})*)+")


@dataclass(frozen=True)
class Template:
    """A path, and the query parameters that were written into it."""

    path: str
    query: tuple[str, ...] = ()


def template(text: str) -> Template | None:
    """Read a path; None if it is none that could be asked for.

    A fragment is cut off: of `/#Action=List` nothing is left but the root, which every such path would share.
    `/x/{id:.*}`, `/x/:id`, `/x/<int:id>` and `/x/{+id}` are `/x/{id}`; `{?a,b}` and `?a=…` are query parameters.
    """
    text = re.split(r"(?<!\{)#", text.strip())[0]
    if not text or len(text) > _MOST_CHARACTERS:
        return None
    if not text.startswith("/"):
        text = "/" + text
    if _SIMPLE.fullmatch(text) and "//" not in text:
        return Template(text)
    query: list[str] = []
    text = _ANGLE.sub(r"{\1}", _COLON.sub(r"{\1}", text))
    text = _EXPRESSION.sub(lambda found: _expression(found.group(1), query), text)
    text, _, given = text.partition("?")
    query += [part.partition("=")[0] for part in given.split("&") if part and "{" not in part.partition("=")[0]]
    text = re.sub(r"/{2,}", "/", text.partition(";")[0])
    if re.search(r"[\s<>]", text) or text.count("{") != text.count("}"):
        return None
    return Template(text or "/", tuple(dict.fromkeys(name for name in query if name)))


def _expression(inside: str, query: list[str]) -> str:
    inside = inside.strip()
    operator = inside[:1] if inside[:1] in _QUERY_OPERATORS + _OTHER_OPERATORS else ""
    names = [found.group(0) for part in inside[len(operator) :].split(",") if (found := _NAME.match(part.strip()))]
    if ":" in inside:
        names = names[:1]
    if operator and operator in _QUERY_OPERATORS:
        query += names
        return ""
    if operator in ("#", ";"):
        return ""
    between = {"/": "/", ".": "."}.get(operator, ",")
    return ("" if operator not in ("/", ".") else operator) + between.join(f"{{{name}}}" for name in names)
