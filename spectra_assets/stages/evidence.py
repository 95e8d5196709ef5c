"""What gates judge beside the rows: the entries of `Draft.evidence` that Source, Prepare and Extract leave, and their types.

| table | key | type |
|---|---|---|
| source.credentials | `credential` | Credential |
| source.endpoints | `probing` | Probing |
| source.portfolio | `hierarchy` | list[HierarchyProof] |
| prepare.constraints | `measuring` | Measuring |
| prepare.dependencies | `dependencies` | Dependencies |
| prepare.schema | `canon`, `expected` | list[CanonEntity], Expected |
| | `twins` | {entity: {text path: epoch path}} |
| | `aliases` | {entity: [further paths of renamed fields, which share the column of the first]} |
| | `echoes` | {entity: [paths in arrays whose value is always the primary key of the record around]} |
| | `dangling` | {entity: {path: name of the entity whose ids it seems to hold, none of which is known}} |
| | `personal` | {entity: {path: level by the look of its values}} |
| | `secrets` | {entity: [path of what looks like passwords or tokens]} |
| extract.* | `extraction`, `drift` | Extraction, dict[str, Drift] |
| | `elements` | {path of a list in the records: its elements in all of them}, where all that the table has was read now |

The entries of an Extract table are complete only once its batches have been read to the end. All lists of examples are bounded by
EXAMPLES; counts are exact. Values of text in examples are masked (`text(12)`), ids are shown.
"""

from __future__ import annotations

from typing import Literal, TypedDict

EXAMPLES = 20
"""Most entries of a list of examples."""


class Credential(TypedDict):
    """Whether the API took the credential."""

    isValid: bool
    httpStatus: int | None
    message: str


class Probing(TypedDict):
    """How far the probing of endpoints went."""

    listed: int
    """Operations the intelligence pack lists."""
    readable: int
    budget: int
    requests: int
    notProbed: dict[str, str]
    """GET endpoint → why it was not called."""


class HierarchyProof(TypedDict):
    """Whether one entity can be reached, and how."""

    entity: str
    reachable: bool
    route: str | None
    parentEntity: str | None
    parentPath: str | None
    parentId: int | str | None
    rows: int | None
    reason: str


class Measuring(TypedDict):
    """How far the measuring of constraints went. `unmeasured`: route → why."""

    requests: int
    budget: int
    unmeasured: dict[str, str]


class Dependencies(TypedDict):
    """What the proof of dependencies found."""

    order: list[str]
    """Entities with a chosen route, parents first."""
    unproven: dict[str, str]
    """Entity without a chosen route → why."""
    outages: dict[str, str]
    """Those of them for which the API itself failed → how, such as a 500."""
    edges: list[tuple[str, str]]
    """(parent, child) of the chosen routes."""
    ignored: list[str]
    """`entity?parameter` that the server was proven to ignore."""
    requests: int
    budget: int
    samples: dict[str, int]
    """Entity → records sampled."""
    missed: dict[str, str]
    """Entity → rows or records which another route of it shows, and which the chosen one does not give."""
    predictedRequests: int
    predictedSeconds: float
    """What the extraction will take."""


class Expected(TypedDict):
    """Which entities the canon must have. `unreadable`: entity → why it has no sample."""

    entities: list[str]
    unreadable: dict[str, str]


class SkippedParent(TypedDict):
    """A parent whose rows could not be had."""

    parent: str
    status: int | None
    reason: str


class BrokenPage(TypedDict):
    """A page of a list that could not be had, however often it was asked for."""

    parent: str | None
    page: int
    rows: int | None
    """Those it usually holds, or that the API's own number says are missing; None if neither is known."""
    beyond: Literal["read", "unreachable"]
    """What became of the pages after it: of a chained list often nothing but this page says where they are."""
    status: int | None
    reason: str
    """With the address, without the credential."""


class Mismatch(TypedDict):
    """A parent whose rows are not as many as they should be. `check` says by what: the API's own total, the end of the list asked
    for again, the seams between its pages (how many held), the API's word that there is more, the sample that Prepare saw
    (only if now nothing came, or if rows came where it saw none), other lists that end where this one does, or the numbers of a
    page in what is read as one record."""

    parent: str | None
    check: Literal["declaredTotal", "recount", "seam", "more", "sample", "cut", "page"]
    expected: int
    found: int
    reason: str


class Extraction(TypedDict):
    """How complete one extraction is. Everything from `skippedCount` on must be 0 or empty for a complete one."""

    entity: str
    path: str
    paged: bool
    parentEntity: str | None
    parentsAsked: int
    parentsAnswered: int
    parentsWithRows: int
    requests: int
    pages: int
    """Pages with an answer, empty ones included."""
    records: int
    """Records the API gave, before trees were flattened."""
    rows: int
    """Rows made of them."""
    recounts: int
    """Lists of several counted pages whose end was asked for again. A chained list has ended where no next page was named."""
    seams: int
    """Places where one page of a list follows another."""
    seamsHeld: int
    """Those of them that were shown to have stood still while the list was read: nothing moved over them unseen."""
    emptyParents: int
    """Parents that answered with no rows (204, empty list): lawful."""
    goneCount: int
    """Parents whose list answered 410 while those of more others answered: it is they that are gone (RFC 9110, section 15.5.11),
    such as records that are marked as deleted. Lawful, and no rows."""
    gone: list[SkippedParent]
    refusedCount: int
    """Parents whose list was refused, as a rule says that it may be: their rows stay as they were."""
    refused: list[SkippedParent]
    readAgain: list[str]
    """Parents of which a rule says so and whose list was read all the same."""
    skippedCount: int
    skipped: list[SkippedParent]
    brokenCount: int
    broken: list[BrokenPage]
    unansweredCount: int
    """Parents asked that neither answered nor were skipped."""
    repeatedCount: int
    """Rows whose primary key had come before for the same parent."""
    repeated: list[dict[str, str]]
    """`parent/key` of some of them."""
    missingKeyCount: int
    missingKeys: list[int]
    """Sequence numbers of some rows without a primary key."""
    mismatchCount: int
    mismatches: list[Mismatch]


class Drift(TypedDict):
    """How records differ from the canon at one path (the key of the entry)."""

    kind: Literal["newField", "changedType", "missingField"]
    expected: str | None
    """Type by the canon; null for a new field."""
    seen: str | None
    """Kind of value that came; null for a missing field."""
    count: int
    """Records (for missingField: all records, none of which had it)."""
    example: str
    """The value, masked; empty for a missing field."""
