"""Whether a run trusts what Source and Prepare proved before, in place of measuring all of it again.

Saying the sentence again asks the API for one page of each list, as Extract will ask for it, and compares it with what was
recorded (asking/fitting.py). While all fit, the tables of Source and Prepare are made from the recordings (twin.py): an API that
did not change gives the same proof, and what the recordings lack is asked for. Extract reads as it always does, and what its
gates, or those of any table after it, do not find as it was ends the trust: all is measured again, in the same call. So it is
after some runs and days in any case (settings `trust_runs`, `trust_days`), and where rules, corrections or the server changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from pydantic import BaseModel, ConfigDict, ValidationError

from spectra_assets.client.api import ApiClient
from spectra_assets.client.target import parent_parts
from spectra_assets.client.wire import NotRecordedError
from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.generate import extract_table
from spectra_assets.covenant.model import Covenant
from spectra_assets.draft import replace_text
from spectra_assets.errors import MissingInputError, SpectraError
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage, TableRef
from spectra_assets.stages.asking.answers import Sight
from spectra_assets.stages.asking.fitting import misfit
from spectra_assets.stages.asking.sampling import Asked, Explorer, spread
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.cursors import unstamped
from spectra_assets.stages.twin import Twin
from spectra_assets.stages.work import Work

_FIRST = "source.endpoints"
"""The table that decides for the run."""

_PARENTS = 12
"""Parents whose list is looked for among the recordings, of a list that hangs on others."""

_NO_OTHERS = ("probe", "in_flight", "requests_per_second", "guessed")
"""What may be otherwise of a server without a reason to measure."""


class Trust(BaseModel):
    """What was measured, and since then trusted: `Files/trust.json` of the lakehouse."""

    model_config = ConfigDict(frozen=True)

    basis: str
    """Digest of what the measuring went by, beside the API."""
    measured_at: datetime
    runs: int = 0
    """Runs that trusted it."""
    run_id: str = ""
    """The last of them."""


def trusting(work: Work) -> Work:
    """`work` with the recordings in place of the API, if its run trusts what was proven; `work` as it is otherwise."""
    if not work.trusts or work.table.ref.schema not in (Stage.SOURCE, Stage.PREPARE) or work.table.table == "source.credentials":
        return work
    if work.table.table == _FIRST:
        _decide(work)
    known = trust_of(work.lakehouse)
    if known is None or known.run_id != work.run_id:
        return replace(work, trusts=False)
    return replace(work, twin=Twin(work.lakehouse, live=work.requests_allowed, budgets=work.budgets))


def trust_of(lakehouse: Lakehouse) -> Trust | None:
    """What was measured and may be trusted; None if there is nothing."""
    try:
        return Trust.model_validate_json(lakehouse.files("trust.json").read_bytes())
    except (OSError, ValidationError):
        return None


def trust(lakehouse: Lakehouse, covenant: Covenant, now: datetime) -> None:
    """Note that everything was measured under this covenant, and that all tables were made by it. Raises StorageError."""
    _keep(lakehouse, Trust(basis=_basis(covenant), measured_at=now))


def distrust(lakehouse: Lakehouse) -> None:
    """Let the next run measure everything."""
    with suppress(OSError):
        lakehouse.files("trust.json").unlink(missing_ok=True)


def _keep(lakehouse: Lakehouse, known: Trust) -> None:
    replace_text(lakehouse.files("trust.json"), known.model_dump_json(), "what a run may trust")


def _basis(covenant: Covenant) -> str:
    server = covenant.pipeline.server.model_dump_json(exclude=set(_NO_OTHERS))
    return blake2b(f"{covenant.pipeline.documents} {server}".encode(), digest_size=12).hexdigest()


def _decide(work: Work) -> None:
    """Have this run trust what was measured, or forget it."""
    known = trust_of(work.lakehouse)
    if known is None:
        return
    try:
        why = _doubt(work, known)
    except SpectraError as error:  # whoever measures tells it
        why = str(error)
    finally:
        work.close()
    if why:
        work.say(f"measured again: {why}"[:300])
        distrust(work.lakehouse)
        return
    work.say(f"nothing differs from what was measured at {known.measured_at:%Y-%m-%d %H:%M}: what was proven then is trusted")
    _keep(work.lakehouse, known.model_copy(update={"runs": known.runs + 1, "run_id": work.run_id}))


def _doubt(work: Work, known: Trust) -> str:
    """Why everything is to be measured; empty if nothing speaks for it."""
    source = work.covenant.source
    runs, days = (int(work.playbooks.setting(name, source)) for name in ("trust_runs", "trust_days"))
    if known.runs + 1 >= runs or work.now - known.measured_at >= timedelta(days=days):
        return f"it was {known.runs} runs and {(work.now - known.measured_at).days} days ago (settings trust_runs, trust_days)"
    if any(rule.how == "hash" for rule in work.covenant.pipeline.server.withheld):
        return "fields are hashed, which recordings can't be compared with"
    if known.basis != _basis(work.covenant):
        return "rules, corrections or the server are not as they were"
    entities = work.entities_before
    names = {hint.entity for hint in work.pack.entities}
    if names != {entity.entity for entity in entities if entity.fetch.pairs is None}:
        return "the pack has other entities"
    try:
        twin = Twin(work.lakehouse)
    except MissingInputError:
        return "nothing was recorded"
    if twin.server != work.client.base_url or not twin.complete:
        return "what was recorded is of another address, or not whole"
    with twin(work) as recorded:
        for entity in entities:
            if why := _misfit(work, recorded, entity.entity, entity.fetch):
                return f"{entity.fetch.told}: {why}"
    return ""


def _misfit(work: Work, recorded: ApiClient, entity: str, fetch: Fetch) -> str:
    """How the first page of an entity's list differs from the recorded one; empty if it fits."""
    asked = _asked(work, entity, fetch)
    for each in asked:
        before = _page(work, recorded, each, fetch)
        if before is not None and (before.rows or len(asked) == 1):
            now = _page(work, work.client, each, fetch)
            if now is None:
                return "it is not asked for"
            return misfit(before, now, fetch.paging) or _unstamped(fetch, before, now)
    return "" if not asked else "no page of it was recorded"


def _unstamped(fetch: Fetch, before: Sight, now: Sight) -> str:
    """Whether rows are not as they were recorded although they tell no change; empty if none is."""
    keys = unstamped(fetch, before.records, now.records)
    return f"{len(keys)} rows are others than they were, for example {keys[0]}, and tell no change" if keys else ""


def _page(work: Work, client: ApiClient, asked: Asked, fetch: Fetch) -> Sight | None:
    """The first page of a list as this client has it; None if it has none."""
    explorer = Explorer(Wire(client, 5), work.pack, {fetch.path: fetch.paging}, {fetch.path: fetch.records})
    with suppress(NotRecordedError):
        return explorer.first(asked)
    return None


def _asked(work: Work, entity: str, fetch: Fetch) -> list[Asked]:
    """The list, or those of some parents that have rows; none if no parent has."""
    query = tuple(fetch.query.items())
    if fetch.parent is None:
        return [Asked(fetch.path, (), query)]
    names = fetch.parent.parameters
    return [
        Asked(fetch.path, tuple(zip(names, parts, strict=True)), query)
        for parts in map(parent_parts, spread(list(_parents(work, entity)), _PARENTS))
        if len(parts) == len(names)
    ]


def _parents(work: Work, entity: str) -> Iterator[str]:
    ref = TableRef.parse(extract_table(entity))
    if work.lakehouse.exists(ref):
        column = work.lakehouse.read(ref, columns=["parentKey"]).column("parentKey")
        yield from (text for text in column.unique().to_pylist() if text is not None)
