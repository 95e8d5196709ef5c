"""Servers of further makes: answers that say whether they are whole, pages by the key of the last record, tokens of all forms."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.foreign import Made
from tests.learning.bench.shapes import Clinic, patients
from tests.learning.bench.worlds import List, Market, Stream

Said = Callable[[Answer, Asked], Answer]


def incomplete(flag: bool) -> Said:
    """Each answer says whether it is."""
    return lambda answer, asked: replace(answer, body={"incomplete_results": flag, **answer.body})


class Search(Market):
    """Each answer says whether the search came to its end."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        for each in lists.values():
            each.said = incomplete(False)
        return lists


class Hospital(Clinic):
    """More patients."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        lists["patient"].rows = patients(40)
        return lists


class Keys(Made):
    """The next page follows the key of the last record, and each page says whether there is one."""

    style = {"style": "cursor", "names": ("starting_after", "limit"), "place": ("data",), "total": None}

    def _listed(self, each: List, asked: Asked, values: dict[str, str]) -> Any:
        every = self._picked(each, asked, values)
        after, size = each.names
        last = asked.query.get(after)
        places = [n for n, row in enumerate(every) if str(row["id"]) == last]
        if last is not None and not places:
            raise RefusedError(400, f"no such object: {last}")
        start = places[0] + 1 if places else 0
        wanted = asked.number(size, 10, 1, 100)
        page = every[start : start + wanted]
        return {"object": "list", "url": asked.path, "has_more": start + wanted < len(every), "data": page}


@dataclass
class Written(List):
    """A list of which one may say how its tokens are written, or that an empty page comes before each further one."""

    tokens: str = ""
    """`marks`: in base64 with all its marks; `empty`, `absent`: between two pages comes one without rows, or without their key."""


class Opaque(Stream):
    """Tokens nobody should look into."""

    def made(self) -> dict[str, List]:
        return {name: Written(**vars(each)) for name, each in super().made().items()}

    def _listed(self, each: List, asked: Asked, values: dict[str, str]) -> Any:
        told = each.tokens if isinstance(each, Written) else ""
        token = asked.query.get("after", "")
        if told == "marks" and token:
            if not token.startswith(_MARKS):
                raise RefusedError(400, "this token is none of ours")
            asked = replace(asked, query={**asked.query, "after": base64.b64decode(token)[3:].decode()})
        if token.startswith("d"):
            return {"result": {"rows": []} if told == "empty" else {}, "next": token[1:]}
        body = super()._listed(each, asked, values)
        following = body["next"]
        if told and following:
            body["next"] = (
                base64.b64encode(base64.b64decode(_MARKS) + following.encode()).decode() if told == "marks" else f"d{following}"
            )
        return body


_MARKS = "+/+/"
