"""Pages of a counted list that begin with the last row of the page before, where the server gives pages from any row on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spectra_assets.client.pager import Ask, Got, following
from spectra_assets.client.sheet import Reader, Request, Sheet
from spectra_assets.client.tape import NotTapedError
from spectra_assets.client.wire import NotRecordedError
from spectra_assets.covenant.access import OffsetPaging, Paging


def knits(paging: Paging) -> bool:
    """Whether a page can be asked for from any row on."""
    return isinstance(paging, OffsetPaging) and paging.size > 1


class Thread:
    """Asks for the pages of one list, one after the other. `steps` says whether the server gives whole pages only (Widest)."""

    def __init__(self, paging: Paging, reader: Reader, request: Request, steps: Callable[..., bool], knit: bool) -> None:
        self._paging = paging
        self._reader = reader
        self._request = request
        self._steps = steps
        self._back = int(knit and knits(paging))
        self._came = 0
        """Rows of the page before."""

    def page(self, ask: Ask, number: int) -> tuple[Ask, tuple[str, Mapping[str, str], Sheet]]:
        """The page, and what it was asked with at last: two kinds of server want whole pages.

        One gives the page before again (it divides the offset by the size): from there on the row before is left out. The other
        refuses what reaches beyond the most rows it ever gives, where a page from a whole number of pages on would fit.
        """
        try:
            got = self._request(ask, number, self._reader)
        except (NotTapedError, NotRecordedError):  # it was asked for otherwise when it was read, or only looked at
            if not ask.back:
                raise
            return self._asked(ask, number, self._start(ask) + ask.back, 0)
        sheet = got[2]
        if ask.back and sheet.joined is False and self._reader.is_last_again(sheet):
            self._steps(seen=True)
            return self._asked(ask, number, self._start(ask) + ask.back, 0)
        if ask.back and sheet.refused is not None:
            so_far = self._start(ask) + ask.back
            over = so_far % self._paging.size  # type: ignore[union-attr,operator]
            if ask.back < over <= self._came:  # pages may be shorter than they are asked for: such a one is not to begin before
                fitting = self._asked(ask, number, so_far - over, over)
                return (ask, got) if fitting[1][2].refused is not None else fitting
        return ask, got

    def onward(self, ask: Ask, came: int, so_far: int, number: int, over: bool = False) -> Ask:
        """What to ask for after a page of `came` rows, those of the page before among them.

        If the server cuts pages first and leaves rows out afterwards (`over`), offsets count those as well: from so many rows on
        as came, the end of this page may come again, but nothing is passed over.
        """
        self._came = came
        if over:
            return Ask(self._from(ask, self._start(ask) + came), over=True)
        back = self._back if came > self._back and not self._steps() else 0
        found = following(self._paging, ask, Got(came, so_far, number, back=back))
        assert found is not None  # noqa: S101  (numbers have no end)
        return found

    def _asked(self, ask: Ask, number: int, offset: int, back: int) -> tuple[Ask, tuple[str, Mapping[str, str], Sheet]]:
        other = Ask(self._from(ask, offset), back=back)
        return other, self._request(other, number, self._reader)

    def _from(self, ask: Ask, offset: int) -> dict[str, str]:
        assert isinstance(self._paging, OffsetPaging)  # noqa: S101  (only there rows come again)
        return {**ask.query, self._paging.offset_param: str(offset)}

    def _start(self, ask: Ask) -> int:
        assert isinstance(self._paging, OffsetPaging)  # noqa: S101  (only there rows come again)
        return int(ask.query[self._paging.offset_param])
