"""Forms of addresses: those of one kind of record differ in some parts of the path only (`/api/people/*/`).

So a few known ones tell one that was never seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spectra_assets.untrusted import parts_of

ANY = "*"
_ENOUGH = 2
"""Different addresses from which their form is known."""

Form = tuple[str, ...]
"""The parts of an address: its origin, then those of its path, ANY for any."""


def pieces_of(value: str) -> Form:
    """The origin and the parts of the path of an address, whole or within its server; nothing of any other text."""
    if not value.startswith(("http://", "https://", "/")) or value.startswith("//"):
        return ()
    split = parts_of(value)
    if split is None:
        return ()
    parts = [part for part in split.path.split("/") if part]
    return (f"{split.scheme}://{split.netloc}", *parts) if parts and not split.query else ()


def form_of(values: Collection[str]) -> Form:
    """What all of these have in common; nothing if they are no addresses of one form on one server."""
    parts = [pieces_of(value) for value in values]
    if len({*parts}) < _ENOUGH or len({len(each) for each in parts}) != 1 or not parts[0]:
        return ()
    form = tuple(each[0] if len(set(each)) == 1 else ANY for each in zip(*parts, strict=True))
    return form if form[0] != ANY and any(each != ANY for each in form[1:]) else ()


def fits(parts: Sequence[str], form: Form) -> bool:
    """Whether an address, in its parts, has the form."""
    return len(parts) == len(form) and all(wanted in (ANY, part) for part, wanted in zip(parts, form, strict=True))
