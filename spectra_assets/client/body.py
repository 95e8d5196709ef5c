"""The JSON body of a search by POST: what it always holds, and each parameter at its place."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import msgspec

from spectra_assets.covenant.access import CursorPaging, KeysetPaging, OffsetPaging, PagePaging, Paging
from spectra_assets.covenant.paths import is_array, split_path
from spectra_assets.errors import ConfigurationError


def body_of(always: Mapping[str, Any], values: Mapping[str, Any]) -> bytes:
    """JSON text of `always` with each of the values at its name, a JSON path: equal bodies have equal bytes.

    Raises ConfigurationError where something else stands in the way.
    """
    body: dict[str, Any] = deepcopy(dict(always))
    for name, value in values.items():
        _put(body, name, value)
    return msgspec.json.encode(body, order="sorted")


def paged(paging: Paging, query: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a page as a body has them: sizes, offsets and page numbers are numbers, all else is what it came as."""
    numbers = {getattr(paging, "size_param", None)}
    if isinstance(paging, OffsetPaging):
        numbers.add(paging.offset_param)
    elif isinstance(paging, PagePaging):
        numbers.add(paging.page_param)
    elif isinstance(paging, CursorPaging) and paging.number:
        numbers.add(paging.cursor_param)
    elif isinstance(paging, KeysetPaging) and paging.number:
        numbers.add(paging.after_param)
    return {name: as_number(value) if name in numbers else value for name, value in query.items()}


def as_number(text: str) -> Any:
    """The number that a text is; the text if it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    keys = split_path(name)
    place = body
    for key in keys[:-1]:
        below = place.setdefault(key, {})
        if not isinstance(below, dict):
            raise ConfigurationError(f"the parameter {name} has no place in the body: {key} is no object there")
        place = below
    last = keys[-1]
    if is_array(last):
        place[last.removesuffix("[]")] = [value]
    else:
        place[last] = value
