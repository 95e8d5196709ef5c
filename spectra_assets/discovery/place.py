"""Which part of the address belongs to the base URL, and which to the paths that a description lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from spectra_assets.discovery.scout import Scout
from spectra_assets.intelligence.description.model import Description
from spectra_assets.intelligence.model import Endpoint
from spectra_assets.intelligence.verbs import may_act
from spectra_assets.stages.asking.links import links_of

DOORS = 8
"""Paths at most by which it is found out what is closed."""

UNKNOWN: tuple[str, ...] = ("users", "projects", "items", "orders", "products", "issues")
"""Names of lists, where nothing names one."""

_PRIVATE = ("me", "user", "self", "account", "profile", "private")
_PROBES = 4


@dataclass(frozen=True)
class Place:
    """Requests go to base URL + `base_path` + path without `cut` in front. `sure`: an endpoint answered there."""

    base_path: str = ""
    cut: str = ""
    sure: bool = False

    def path(self, described: str) -> str | None:
        """The path of a request; None if it is not below the base URL."""
        if not self.cut:
            return described
        return (described[len(self.cut) :] or "/") if f"{described}/".startswith(f"{self.cut}/") else None


def place_of(scout: Scout, description: Description) -> Place:
    """Try the places that description and base URL allow, on a few endpoints without parameters."""
    paths = probes_of(description)
    best, most = Place(), -1
    for number, prefix in enumerate(_prefixes(scout.base, description)):
        place = _relative(scout.base, prefix)
        found = 0
        for path in paths:
            if place.path(path) is None:
                continue
            look = scout.look_at_host(prefix + path)
            found += 2 if look.readable and not scout.absent(look, host=True) else 1 if not scout.absent(look, host=True) else 0
            if number == 0 and found >= 2:
                return Place(place.base_path, place.cut, True)
        if found > most:
            best, most = Place(place.base_path, place.cut, found > 0), found
    return best


def probes_of(description: Description) -> list[str]:
    """GET paths without parameters to try the place with, lists first."""
    reads = [
        each for each in description.endpoints if each.method == "GET" and not each.path_parameters and not may_act(each.path)
    ]
    demanding = {each.path for each in reads if any(known.required for known in each.parameters)}
    order = {"list": 0, "object": 1}
    ranked = sorted(
        (each.path for each in reads),
        key=lambda path: (path in demanding, order.get(description.replies[path].kind, 2) if path in description.replies else 2),
    )
    return ranked[:_PROBES]


def moved(endpoints: Iterable[Endpoint], place: Place) -> tuple[list[Endpoint], list[str]]:
    """(the endpoints with the paths of requests, those that are not below the base URL)."""
    kept, outside = [], []
    for endpoint in endpoints:
        path = place.path(endpoint.path)
        if path is None:
            outside.append(f"{endpoint.method} {endpoint.path}")
        else:
            kept.append(endpoint if path == endpoint.path else endpoint.model_copy(update={"path": path}))
    return kept, outside


def doors_of(scout: Scout, description: Description | None, place: Place, named: Sequence[str]) -> list[str]:
    """GET paths by which closed and open are told apart, those that are likely closed first; before all the `named` ones, which a
    person gave."""
    if description is not None:
        paths = [path for described in probes_of(description) if (path := place.path(described))]
        return [*named, *paths, "/"]
    root = scout.look("/")
    if root.refused:
        return [*named, "/"]
    told = [*named]
    scout.known_inside(root)
    for link in links_of(root.sight.value, document=True) if root.readable else ():
        target = scout.local(link.url) if "{" not in link.url else None
        if target and not link.nowhere(target[0]):
            told.append(target[0])
    told.sort(key=lambda path: path not in named and not any(word in path.lower().split("/")[-1] for word in _PRIVATE))
    guesses = [f"/{name}" for name in (UNKNOWN if not told else ())]
    if root.sight.shape == "html":  # what is a page for people without it
        guesses = [*(f"{path}.json" for path in guesses[:3]), *guesses]
    return [*list(dict.fromkeys(told))[: DOORS - 1], *guesses, "/"]


def _prefixes(base: str, description: Description) -> Sequence[str]:
    """What may stand between host and described path, likeliest first."""
    described = [urlsplit(server).path.rstrip("/") for server in description.servers]
    described = [path for path in dict.fromkeys((description.base_path.rstrip("/"), *described)) if "{" not in path]
    fitting = [path for path in described if f"{path}/".startswith(f"{base}/") or f"{base}/".startswith(f"{path}/")]
    within = [path for path in fitting if path and base.endswith(path)]
    joined = [base + path for path in described if path and path not in fitting]
    first = [base] if within or not fitting else []
    return list(
        dict.fromkeys((*_overlapping(base, description), *first, *sorted(fitting, key=len, reverse=True), base, *joined, ""))
    )[:6]


def _overlapping(base: str, description: Description) -> list[str]:
    """What stands in front where the base URL ends as every described path begins: `/rest` of `/rest/V1` and `/V1/products`."""
    parts = base.split("/")[1:]
    paths = [each.path.split("/")[1:] for each in description.endpoints]
    most = next((size for size in range(len(parts), 0, -1) if paths and all(path[:size] == parts[-size:] for path in paths)), 0)
    return ["".join(f"/{part}" for part in parts[:-most])] if most else []


def _relative(base: str, prefix: str) -> Place:
    if f"{prefix}/".startswith(f"{base}/"):
        return Place(prefix[len(base) :])
    return Place("", base[len(prefix) :])
