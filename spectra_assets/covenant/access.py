"""How a covenant says an API is called: address and credential, paging, and the plan by which each entity is fetched."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FRAMING = (
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect",
    "proxy-connection", "proxy-authorization",
)  # fmt: skip
"""Headers that a connection is made of, and that proxies read and log."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,120}")


PREFIX = r"^[A-Za-z][A-Za-z0-9._=-]{0,39}( [A-Za-z][A-Za-z0-9._-]{0,39}=)?$"
"""What stands before a token in its header: a word, perhaps with the name of a parameter, `Token token=`."""


def is_header(name: str) -> bool:
    """Whether a header of this name can be sent (RFC 9110, token) and is none of `FRAMING`."""
    return _HEADER.fullmatch(name) is not None and name.lower() not in FRAMING


class Model(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Auth(Model):
    """How the credential is sent. Names of environment variables, never values.

    bearer: `Authorization: Bearer <token>`; basic: user name and password (none without `token_env`); header: the token in
    `header`, after `prefix` if there is one (`Token abc`; `Token token=abc` without a blank); query: the token in the query
    parameter `parameter`;
    oauth2: client credentials (RFC 6749, 4.4), `user_env` the client id, `token_env` the client secret, sent to `token_path` of
    the same server, which answers with the bearer token.
    """

    kind: Literal["bearer", "basic", "header", "query", "oauth2", "none"] = "bearer"
    token_env: str | None = None
    user_env: str | None = None
    header: str = "Authorization"
    prefix: str | None = Field(default=None, pattern=PREFIX)
    parameter: str | None = None
    token_path: str | None = None
    scope: str | None = None

    def same_way(self, other: Auth | None) -> bool:
        """Whether the other sends a credential as this one does, whatever the variables are called."""
        names = {"token_env": None, "user_env": None}
        return other is not None and self.model_copy(update=names) == other.model_copy(update=names)


class NoPaging(Model):
    """One request gives every row."""

    kind: Literal["none"] = "none"
    size_param: str | None = None
    """A parameter that asks for fewer rows, though nothing was found that leads to others: a long answer may be cut off."""


class OffsetPaging(Model):
    """`offset_param` counts rows from 0, `size_param` asks for the page's size."""

    kind: Literal["offset"] = "offset"
    offset_param: str
    size_param: str
    size: int = Field(gt=0)


class PagePaging(Model):
    """`page_param` counts pages from `first`. Without `size_param` the server alone decides how long a page is."""

    kind: Literal["page"] = "page"
    page_param: str
    first: Literal[0, 1] = 1
    size_param: str | None = None
    size: int | None = Field(default=None, gt=0)


class CursorPaging(Model):
    """The answer holds at `next` a token, which `cursor_param` hands back; on the last page it is absent or empty. `next` is a
    JSON path, or `@header:` with the name of a header of the answer (`@header:x-ms-continuationtoken`)."""

    kind: Literal["cursor"] = "cursor"
    cursor_param: str
    next: str
    opening: str | None = None
    """What `cursor_param` takes for the first page (`*`), where that is not asked for without it."""
    size_param: str | None = None
    size: int | None = Field(default=None, gt=0)
    number: bool = False
    """In the body of a search by POST the token is a number."""


class NextPaging(Model):
    """The answer holds at `next` (JSON path) the address of the next page, absolute or relative, on the same server only."""

    kind: Literal["next"] = "next"
    next: str
    size_param: str | None = None
    size: int | None = Field(default=None, gt=0)


class LinkPaging(Model):
    """The header `Link` (RFC 8288) names the next page with rel="next"; it is followed on the same server only.

    Another `header` (`Next-Page`) may hold the bare address as well.
    """

    kind: Literal["link"] = "link"
    header: str = "Link"
    size_param: str | None = None
    size: int | None = Field(default=None, gt=0)


class KeysetPaging(Model):
    """`after_param` takes the value at `field` (JSON path) of the last record; rows come in the order of that field."""

    kind: Literal["keyset"] = "keyset"
    after_param: str
    field: str
    size_param: str | None = None
    size: int | None = Field(default=None, gt=0)
    number: bool = False
    """In the body of a search by POST the value is a number."""


PagingStyle = Annotated[
    OffsetPaging | PagePaging | CursorPaging | NextPaging | LinkPaging | KeysetPaging, Field(discriminator="kind")
]
Paging = Annotated[
    NoPaging | OffsetPaging | PagePaging | CursorPaging | NextPaging | LinkPaging | KeysetPaging, Field(discriminator="kind")
]


class Search(Model):
    """A search by POST that a person allowed. No other POST is ever sent to the API (but for a token, see Auth)."""

    path: str = Field(pattern=r"^/")
    """Template: `/flows/filter`, `/databases/{id}/query`."""
    allowed_by: str
    """Who or what allowed it: `--allow-post-search`, or a person's name in an override."""
    evidence: str = ""
    """What shows that it only reads."""


class Withheld(Model):
    """A field that must not reach the lake, in whatever answer it comes: left out, or in its place a hash of its value."""

    field: str = Field(min_length=1)
    """Its key, or its last keys (`guardian.email`), whatever their case."""
    how: Literal["drop", "hash"] = "drop"


class Server(Model):
    """One API. `base_url_env` names the variable with its address, to which `base_path` is added unless it is there already."""

    type: Literal["api"] = "api"
    base_url_env: str
    base_path: str = ""
    bare_root: bool = False
    """Whether `/` is asked for without its slash: the base URL is a list itself, and nothing is below it."""
    guessed: bool = False
    """Whether nothing named its lists, so that usual names were tried: there may be more."""
    auth: Auth
    probe: str
    """Path of a GET that any valid credential may read: it proves the credential."""
    in_flight: int = Field(default=8, gt=0, le=256)
    requests_per_second: float | None = Field(default=None, gt=0)
    searches: list[Search] = []
    headers: dict[str, str] = {}
    """What every request carries beside the credential, such as the version of the API that is wanted. No secrets."""
    withheld: list[Withheld] = []


class Fill(Model):
    """A further parameter that the same parent fills: with the value at `path` of its record."""

    parameter: str
    path: str
    location: Literal["path", "query"] = "path"


class Across(Model):
    """A second parent that has nothing to do with the first: every value of the one is asked with every value of the other."""

    entity: str
    path: str
    """JSON path below its record."""
    parameter: str
    location: Literal["path", "query"] = "path"


class ParentKey(Model):
    """Where the values come from that a request is made for: `path` in the records of `entity`, filling `parameter`.

    A path of several parameters (`/repos/{owner}/{repo}/issues`) takes the others from the same record, by `also`. A path may be
    `@parent` (of several values `@parent[0]`, `@parent[1]`, …): what the parent itself was asked for with.
    """

    entity: str
    path: str
    """JSON path below the parent's record: `id`, `cyclePhases[].id`, `testcase.id`."""
    parameter: str
    location: Literal["path", "query"] = "path"
    also: list[Fill] = []
    across: Across | None = None
    """The second parent, whose value comes last."""

    @property
    def composite(self) -> bool:
        """Whether a request is made for several values."""
        return bool(self.also) or self.across is not None

    @property
    def parameters(self) -> list[str]:
        """Names of what is filled, in the order of a composite value."""
        across = [self.across.parameter] if self.across else []
        return [self.parameter, *(fill.parameter for fill in self.also), *across]

    @property
    def sources(self) -> list[tuple[str, str]]:
        """(entity, JSON path) of each, in the same order."""
        across = [(self.across.entity, self.across.path)] if self.across else []
        return [(self.entity, self.path), *((self.entity, fill.path) for fill in self.also), *across]

    @property
    def entities(self) -> list[str]:
        """The entities that the values come from."""
        return list(dict.fromkeys(entity for entity, _ in self.sources))


class Incremental(Model):
    """How a list is asked for what changed since the last time: proven by Prepare.

    `parameter` (of a search by POST a JSON path in its body) takes an instant, written as `form` says (a strftime pattern in UTC,
    `epoch_seconds` or `epoch_millis`), and leaves out the rows whose `cursor` lies before it. An extraction asks from the last
    instant it saw minus `overlap_seconds`; every `sweep_runs`-th one, and the first one after `sweep_days`, reads everything: it
    finds what was deleted, and rows that changed although their cursor did not move.
    """

    cursor: str
    """JSON path in the record."""
    parameter: str
    form: str
    boundary: Literal["inclusive", "exclusive", "notSeen"] = "notSeen"
    """Whether rows at the very instant come; the overlap makes it of no consequence."""
    number: bool = False
    """In the body of a search by POST the instant is a number."""
    overlap_seconds: int = Field(gt=0)
    sweep_runs: int = Field(gt=0)
    sweep_days: int = Field(gt=0)


class Deleted(Model):
    """What marks records that the API keeps although they were deleted: proven by Prepare, or said by a rule.

    Such a record stays a row of Clean; its version in a dimension is closed, and facts and bridges leave it out.
    """

    path: str
    """JSON path in the record: a truth value, the time of the deletion, or a state."""
    values: list[str] = []
    """The values that say so; none: true, and every time."""
    evidence: str


class Fetch(Model):
    """How every row of one entity is fetched: proven by Prepare, followed by Extract."""

    entity: str
    method: Literal["GET", "POST"] = "GET"
    path: str
    query: dict[str, str] = {}
    body: dict[str, Any] | None = None
    """Of a search by POST: what its JSON body always holds. The parameters of paging and of a parent (`location: query`) are put
    into the body too, each at its name, which is a JSON path: `limit`, `page.cursor`; `ids[]` is an array of the one value."""
    records: str = ""
    """Where the records are in the answer: empty for the answer itself (an array), a JSON path such as `data.items` for an
    envelope, `$` for one object and `$.data` for the one in its field `data`, `@lines` for one JSON text per line, and with `{}`
    at the end (`{}`, `data{}`) the values of a map, each of which gets its key as `_mapKey` in front. An answer
    `[{about the list}, [rows]]` is read as `{"meta": {…}, "rows": […]}`."""
    parent: ParentKey | None = None
    paging: Paging = NoPaging()
    recursive: str | None = None
    """Field that holds records of the same kind (a tree): flattened, and cut out of the record that holds it."""
    primary_key: str = "id"
    """JSON path of the key that is unique among all rows of the entity, or by `key_scope` among those of one parent."""
    key_scope: Literal["entity", "parent"] = "entity"
    repeats: Literal["none", "lawful"] = "none"
    """Whether one record may come several times, of which Clean keeps one; if not, a repetition shows that pages moved."""
    keyless: Literal["refused", "aside"] = "refused"
    """Whether a record without its key holds the table back, or is set aside in Clean: a rule requires the key of each."""
    refused: list[str] = []
    """Parents whose list may be refused, as a rule says: it is asked for, and where it is refused its rows stay as they were."""
    totals: Literal["credible", "notCredible"] = "credible"
    """Whether the number of rows that answers declare was found true. If not, it says nothing about completeness."""
    incremental: Incremental | None = None
    deleted: Deleted | None = None
    pairs: str | None = None
    """Entity whose records the lists below a parent hold, and which come by another route: of each only the key is kept, and a
    row says that it belongs to this parent."""
    completes: str | None = None
    """Entity whose records these are, told more fully and by the same key, as Prepare saw: the star has one table for both."""

    @property
    def told(self) -> str:
        """`GET /flows`: the request, for people."""
        return f"{self.method} {self.path}"

    @model_validator(mode="after")
    def _askable(self) -> Fetch:
        if (self.method == "POST") != (self.body is not None):
            raise ValueError(f"{self.told}: a search by POST has a body ({{}} if it is empty), and nothing else has one")
        if self.method == "POST" and self.paging.kind in ("next", "link"):
            raise ValueError(f"{self.told}: a search can't go on by an address ({self.paging.kind}), as that would be a GET")
        return self
