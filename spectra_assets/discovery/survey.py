"""A described API: what its endpoints really answer, asked once each within the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spectra_assets.client.api import ApiClient
from spectra_assets.discovery.route import Fill, Route
from spectra_assets.discovery.scout import Look
from spectra_assets.intelligence.model import Pack
from spectra_assets.stages.probing import Probe, Prober
from spectra_assets.stages.wire import Wire


def survey(client: ApiClient, pack: Pack, budget: int, say: Callable[[str], None]) -> tuple[list[Route], int]:
    """(what each GET endpoint of the pack answers, requests sent). Those of entities come first.

    Raises CredentialError, RetriableError if the API stops accepting the credential, or falls silent.
    """
    wire = Wire(client, max(1, budget))
    probes = [probe for probe in Prober(wire, pack).run() if probe.endpoint.path not in pack.excluded]
    lists = {probe.entity: probe.endpoint.path for probe in reversed(probes) if probe.entity and _rows(probe)}
    say(f"{wire.sent} requests: {sum(probe.sight is not None for probe in probes)} of {len(probes)} GET endpoints asked")
    return [_route(probe, lists) for probe in probes], wire.sent


def _route(probe: Probe, lists: Mapping[str, str]) -> Route:
    endpoint, sight = probe.endpoint, probe.sight
    fills = tuple(
        Fill(name, pick.entity.removeprefix("GET ") if pick.entity.startswith("GET ") else lists.get(pick.entity, ""), pick.path)
        for name, pick in probe.picks.items()
    )
    route = Route(endpoint.path, "described", fills=fills, query=dict.fromkeys(endpoint.query))
    route.examples = (tuple(str(pick.value) for pick in probe.picks.values()),)
    if sight is None:
        route.reason = probe.reason
        return route
    route.looks.append(Look(endpoint.path, (), probe.status, sight, reason=sight.reason))
    if sight.category != "readable":
        route.kind, route.reason = "closed", probe.reason or sight.category
    elif sight.location == "$":
        route.kind = "object"
    elif sight.location is not None or sight.shape == "empty":
        route.kind = "list"
    else:
        route.kind, route.reason = "closed", "it holds no records"
    return route


def _rows(probe: Probe) -> bool:
    return probe.sight is not None and bool(probe.sight.records)
