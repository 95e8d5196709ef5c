"""Addresses as references: a field whose values are addresses of one entity's records refers to it, whatever it is called.

That shows from a few known addresses: those of one entity differ in some parts of the path only (`/api/people/*/`), so that one
of a record which no sample has is told as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from spectra_assets.stages.prepare.fields.targets import Target

_ANY = "*"
_ENOUGH = 2
"""Addresses of an entity from which their form is known."""

Form = tuple[str, ...]
"""The parts of an address: its origin, then those of its path, `*` for any."""


def addressed(values: Collection[str], known: Iterable[Target]) -> Target | None:
    """The only entity of whose addresses all values have the form; None if they are none, or could be those of several."""
    parts = [_parts(value) for value in values]
    if not parts or not all(parts):
        return None
    fitting = [target for target in known if (form := _form(target)) and all(_fits(each, form) for each in parts)]
    nearest = {target.entity: target for target in sorted(fitting, key=lambda each: (each.main, each.path))}
    return next(iter(nearest.values())) if len(nearest) == 1 else None


def _form(target: Target) -> Form:
    """What all addresses of an entity have in common; nothing if its ids are no addresses of one form."""
    if "[]" in target.path:
        return ()
    parts = list(_all_parts(target.values))
    alike = len(parts) >= _ENOUGH and len(parts) == len(target.values) and len({len(each) for each in parts}) == 1
    if not alike:
        return ()
    form = tuple(each[0] if len(set(each)) == 1 else _ANY for each in zip(*parts, strict=True))
    return form if _ANY in form[1:] and form[0] != _ANY and any(each != _ANY for each in form[1:]) else ()


def _all_parts(values: Iterable[str]) -> Iterator[Sequence[str]]:
    return (parts for value in values if (parts := _parts(value)))


def _parts(value: str) -> Sequence[str]:
    """The origin and the parts of the path of an address, whole or within its server; nothing of any other text."""
    if not value.startswith(("http://", "https://", "/")) or value.startswith("//"):
        return ()
    try:
        split = urlsplit(value)
    except ValueError:
        return ()
    parts = [part for part in split.path.split("/") if part]
    return (f"{split.scheme}://{split.netloc}", *parts) if parts and not split.query else ()


def _fits(parts: Sequence[str], form: Form) -> bool:
    return len(parts) == len(form) and all(wanted in (_ANY, part) for part, wanted in zip(parts, form, strict=True))
