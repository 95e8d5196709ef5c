"""Every server of the suite: discovered, sampled, extracted and cleaned without a word about it, then compared with its truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spectra_assets.lakehouse.engine import Engine
from tests.conformance.pipeline import Pipeline, rows_of, texts_of
from tests.conformance.scoring import Score, Share, score
from tests.conformance.servers import SERVERS
from tests.conformance.servers.api import Api
from tests.conformance.servers.dependencies import Clubs
from tests.conformance.servers.hostile import Circles, RateLimited
from tests.conformance.servers.kept_back import Marked, Secretive
from tests.conformance.servers.records import Compact, Emptied, Wrapped
from tests.conformance.servers.searches import Lures

GOAL = 0.98
"""Precision and recall of edges over all servers."""


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.__name__)
def test_server(server: type[Api], tmp_path: Path, engine: Engine, scores: list[Score]) -> None:
    with server() as api:
        pipeline = Pipeline(api, tmp_path / "project", engine)
        found = pipeline.run()
        made = score(server.__name__, api.base_path, api.truth(), found)
    scores.append(made)

    assert not found.crash, found.crash
    faults = "\n".join(made.faults)
    assert made.rows.hit == made.rows.true, faults
    assert made.types.hit == made.types.true, faults
    assert made.findings.hit == made.findings.true, faults
    assert not (api.truth().silent and not found.problems), "nothing was to be had, and nothing was said"
    _assert_read_only(api)
    _assert_secret(api, tmp_path)
    if isinstance(api, Clubs):
        pairs = [(row["memberId"], row["clubId"]) for row in rows_of(pipeline.lakehouse, "clean.memberClub")]
        assert (len(pairs), set(pairs)) == (len(api.pairs()), api.pairs()), "which parent lists which child"
    if isinstance(api, Wrapped):
        completes = {each.fetch.completes for each in found.canon.entities if each.fetch.completes}
        assert completes == {"order", "ticket", "article", "parcel"}, "the address of each record completes its list"
    if isinstance(api, Emptied | Compact):
        completes = {each.fetch.completes for each in found.canon.entities if each.fetch.completes}
        assert completes == ({"task"} if isinstance(api, Compact) else {"invoice", "note"})
    if isinstance(api, Marked):
        marks = {each.entity: each.fetch.deleted for each in found.canon.entities if each.fetch.deleted is not None}
        assert {name: (mark.path, tuple(mark.values)) for name, mark in marks.items()} == api.marks
        archived = next(field for field in found.canon.entity("project").fields if field.raw == "archived")
        assert "They stay rows: GET /projects/{id} still answers" in archived.description
    if isinstance(api, Secretive):
        (hook,) = found.canon.entities
        assert {each.raw for each in hook.fields if each.pii == "secret"} == {"client_secret", "auth.accessToken"}
        rows = rows_of(pipeline.lakehouse, "clean.hook")
        assert len({row["clientSecret"] for row in rows}) == len(api.hooks), "hashes of different values differ"
        assert all(row["clientSecret"].startswith("h:") and row["password"] == "********" for row in rows)
        kept = b"".join(content for file, content in texts_of(tmp_path) if not {"twin", "samples"} & {*file.parts})
        assert api.secret(1).encode() not in kept, "neither raw pages nor tables have one"
    if isinstance(api, Circles):
        assert not [asked for asked in api.lured if "Authorization" in asked.headers], "the credential left the host"
    if isinstance(api, RateLimited):
        assert api.provoked <= api.most_provoked, f"{api.provoked} answers 429 were provoked"
    if isinstance(api, Lures):
        assert api.created <= api.most_created, f"{api.created} rows were created by what looks like a search"


def test_edges(scores: list[Score]) -> None:
    """Over all servers that were tried before."""
    if not scores:
        pytest.skip("no server was tried")
    for kind in ("edges", "references"):
        total = sum((getattr(each, kind) for each in scores), Share())
        faults = [f"{each.server}: {fault}" for each in scores for fault in each.faults if fault.startswith(kind[:-1])]
        assert total.precision >= GOAL, f"precision of {kind}: {total.precision:.3f}\n" + "\n".join(faults)
        assert total.recall >= GOAL, f"recall of {kind}: {total.recall:.3f}\n" + "\n".join(faults)


def _assert_read_only(api: Api) -> None:
    wrote = {(asked.method, asked.path) for asked in api.seen if asked.method not in ("GET", "HEAD", "OPTIONS")}
    wrote -= {("POST", path) for _, path in wrote if any(re.fullmatch(pattern, path) for pattern in api.searches)}
    assert {method for method, path in wrote if not path.endswith("/oauth/token")} == set()


def _assert_secret(api: Api, folder: Path) -> None:
    if api.credential:
        held = [str(file) for file, content in texts_of(folder) if api.credential.encode() in content]
        assert held == []
