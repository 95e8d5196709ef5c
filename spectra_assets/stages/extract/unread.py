"""Lists, and pages of lists, that could not be read: a parent that is refused, one that is gone, a page that never came."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from spectra_assets.client.lists import Skipped
from spectra_assets.client.paging import Page
from spectra_assets.client.target import ParentValue, parent_text
from spectra_assets.client.verdict import CLOSED
from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.paths import one_record
from spectra_assets.errors import RetriableError
from spectra_assets.stages.evidence import EXAMPLES, BrokenPage, Extraction, SkippedParent
from spectra_assets.stages.extract.scope import list_name

_ENDPOINT = 10
"""Parents of which none answers, from which it is rather the endpoint that is not there than what each of them may lack."""


class Unread:
    """Accounts for them in `facts`. `lists` are those that were not read to their end. Lists of parents that are `accepted`
    may be refused."""

    def __init__(self, fetch: Fetch, facts: Extraction, accepted: Collection[str] = ()) -> None:
        self.lists: set[str] = set()
        self._facts = facts
        self._below = fetch.parent is not None
        self._lacking = fetch.pairs is not None and one_record(fetch.records)
        """Whether a parent may have none: `/orders/7/customer` is not found where the order has no customer."""
        self._gone: list[str] = []
        self._accepted = frozenset(accepted)

    def skip(self, skipped: Skipped, begun: bool) -> None:
        """One list can't be had: its parent is gone since (before the list had `begun`), or it is an error."""
        facts, name = self._facts, parent_text(skipped.parent_value)
        facts["requests"] += 1
        told = SkippedParent(parent=name, status=skipped.error.status, reason=str(skipped.error)[:300])
        none = (HTTPStatus.GONE, HTTPStatus.NOT_FOUND) if self._lacking else (HTTPStatus.GONE,)
        if self._below and skipped.error.status in none and not begun:
            facts["goneCount"] += 1
            self._gone.append(name)
            where = facts["gone"]
        elif name in self._accepted and skipped.error.status in CLOSED:
            facts["refusedCount"] += 1
            self.lists.add(name)
            where = facts["refused"]
        else:
            facts["skippedCount"] += 1
            self.lists.add(name)
            where = facts["skipped"]
        if len(where) < EXAMPLES:
            where.append(told)

    def lose(self, parent: ParentValue | None, page: Page, error: RetriableError) -> None:
        """One page of a list never came."""
        name = list_name(parent)
        self._facts["brokenCount"] += 1
        self.lists.add(name)
        if len(self._facts["broken"]) < EXAMPLES:
            told = BrokenPage(
                parent=name or None,
                page=page.number,
                rows=page.lost,
                beyond="unreachable" if page.cut else "read",
                status=error.status,
                reason=str(error)[:300],
            )
            self._facts["broken"].append(told)

    def settle(self) -> None:
        """All lists are read: where as many parents are gone as answered, it is rather the endpoint that is."""
        facts = self._facts
        known = facts["parentsAnswered"] or facts["parentsAsked"] < _ENDPOINT
        if facts["goneCount"] < facts["parentsAnswered"] or (self._lacking and known):
            return
        facts["skippedCount"] += facts["goneCount"]
        facts["skipped"] = [*facts["skipped"], *facts["gone"]][:EXAMPLES]
        self.lists.update(self._gone)
        facts["goneCount"], facts["gone"] = 0, []
