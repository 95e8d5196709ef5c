"""Finds what answers a path: routes registered by template, and the catalogue for what is there but not answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spectra_assets.standin.calls import Call, Refusal
from spectra_assets.standin.catalogue import endpoints

Handler = Callable[[Call], Any]
"""Returns the JSON value of a 200 answer, or raises Refusal."""

ROOT = "/flex/services/rest"
LATEST = f"{ROOT}/latest"
_VERSIONED = ("/v3/", "/v4/")


class Templates:
    """Path templates with `{name}` segments, and a value for each."""

    def __init__(self) -> None:
        self._fixed: dict[str, Any] = {}
        self._open: dict[int, list[tuple[list[str], Any]]] = {}

    def add(self, template: str, value: Any) -> None:
        """Register `value`; a template without parameters wins over one with."""
        template = template.rstrip("/")
        if "{" not in template:
            self._fixed[template] = value
            return
        segments = template.split("/")
        known = self._open.setdefault(len(segments), [])
        known.append((segments, value))
        known.sort(key=lambda entry: [segment.startswith("{") for segment in entry[0]])

    def find(self, path: str) -> tuple[Any, dict[str, str]] | None:
        """(value, path parameters) of the template which matches `path`."""
        path = path.rstrip("/")
        if path in self._fixed:
            return self._fixed[path], {}
        segments = path.split("/")
        for template, value in self._open.get(len(segments), ()):
            pairs = list(zip(template, segments, strict=True))
            if all((given and part[:1] == "{") or part == given for part, given in pairs):
                return value, {part[1:-1]: given for part, given in pairs if part[:1] == "{"}
        return None


class Routes:
    """All GET routes of the API."""

    def __init__(self, *groups: Mapping[str, Handler]) -> None:
        self._handlers = Templates()
        self._others = Templates()
        self.templates: set[str] = set()
        for group in groups:
            for template, handler in group.items():
                self._handlers.add(template, handler)
                self.templates.add(template.rstrip("/"))
        for endpoint in endpoints():
            if endpoint.method == "GET" and endpoint.path.rstrip("/") not in self.templates:
                self._handlers.add(endpoint.path, _as_probed(endpoint.probed_status))
            elif endpoint.method != "GET":
                self._others.add(endpoint.path, endpoint.method)

    def find(self, path: str) -> tuple[Handler, dict[str, str]]:
        """What answers GET `path` (below the REST root), with its path parameters.

        Raises Refusal 405 where only other methods exist (C20), 404 for what isn't there.
        """
        found = self._handlers.find(path)
        if found is not None:
            return found
        raise Refusal(405 if self._others.find(path) else 404)


def api_path(path: str) -> str | None:
    """Path below the REST root as templates write it: without /latest, with /v3 or /v4; None outside the API."""
    if path.startswith(f"{LATEST}/"):
        below = path[len(LATEST) :]
        return None if below.startswith(_VERSIONED) else below
    below = path[len(ROOT) :] if path.startswith(f"{ROOT}/") else ""
    return below if below.startswith(_VERSIONED) else None


def _as_probed(status: int | None) -> Handler:
    """An endpoint nothing more is known of: an empty answer, or the status it was seen to give."""

    def handler(call: Call) -> Any:
        if status not in (None, 200):
            raise Refusal(status or 404)
        return []

    return handler
