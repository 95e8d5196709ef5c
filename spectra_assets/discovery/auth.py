"""How the API wants the credential: from its description, from what it says when it refuses, then by a few careful tries."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from spectra_assets.client.mask import Secret
from spectra_assets.covenant.access import Auth
from spectra_assets.discovery.given import KINDS, NAMED, Given, signed
from spectra_assets.discovery.scout import Look, Scout
from spectra_assets.discovery.ways import BEFORE, called, ways
from spectra_assets.errors import CredentialError, RetriableError, one_of
from spectra_assets.intelligence.description.model import Scheme
from spectra_assets.intelligence.model import Evidence

LISTED = "--list /name,/parents/{id}/name"
"""How a person names lists."""

TRIES = 8
"""Requests with a credential to what refuses it: more could lock an account. A declared scheme may take one more, elsewhere."""

_ENVELOPE = frozenset(("message", "msg", "error", "errors", "detail", "reason", "code", "status", "ok", "success", "data"))
_ABOUT_CREDENTIAL = re.compile(
    r"(?:\b|_)(?:keys?|apikey|tokens?|credentials?|log ?in|auth\w*|unauthor\w*|denied|forbidden)\b", re.I
)


@dataclass
class Recognised:
    """The outcome: how to authenticate, the GET that proves it, and why it is believed."""

    auth: Auth
    probe: str | None = None
    evidence: list[Evidence] = field(default_factory=list)
    missing: str = ""
    """Told if nothing is found at all: the credential was accepted where nothing is."""


def recognise(
    scout: Scout, given: Given, schemes: Sequence[Scheme], doors: Sequence[str], made_up: Collection[str] = ()
) -> Recognised:
    """Find the authentication by which one of `doors` (GET paths, likeliest first; the `made_up` ones may not be there) opens.

    An error envelope with status 200 is a refusal too. Afterwards `scout` sends the credential. Raises CredentialError if the
    API is closed and no credential opens it, RetriableError if it takes no more requests.
    """
    secret, user = given.secret(), given.user()
    looks: list[Look] = []
    for path in doors:
        looks.append(scout.look(path, attempts=5 if not looks else 2))
        if _refuses(looks[-1]):
            break
    closed = next((look for look in looks if _refuses(look)), None)
    open_ = next((look for look in looks if _opened(look) and look.sight.shape != "empty"), None)
    if closed is None and open_ is None and secret is not None:
        closed = next((look for look in looks if _vague(look)), None)
    if given.kind == "none" or secret is None:
        return _without(closed, open_, given)
    if closed is None:
        found = _open(scout, given, schemes, open_, secret, user)
    else:
        others = [path for path in doors if path not in {look.path for look in looks}]
        found = _closed(scout, given, schemes, closed, open_, secret, user, others, made_up)
    scout.sign(found.auth, *signed(found.auth, secret, user))
    return found


def _without(closed: Look | None, open_: Look | None, given: Given) -> Recognised:
    if closed is not None and open_ is None:
        raise CredentialError(
            f"the API answers {_answered(closed)} to GET {closed.path} without a credential: give --token-env NAME, the name of "
            "the environment variable with it (and --user-env NAME for a user name or client id)"
        )
    told = f"GET {open_.path} answers {open_.status} without a credential" if open_ else "nothing asked for a credential"
    return Recognised(Auth(kind="none"), open_.path if open_ else None, [_evidence("none", told, 0.9 if open_ else 0.5)])


def _open(
    scout: Scout, given: Given, schemes: Sequence[Scheme], open_: Look | None, secret: Secret, user: str | None
) -> Recognised:
    """Nothing seen asks for the credential: it is sent where the description says so, or where it shows more."""
    path = open_.path if open_ else "/"
    tries: list[tuple[Auth, str, Look]] = []
    for number, (auth, why) in enumerate(ways(given, schemes, None, "", user)):
        if number >= (3 if schemes or given.kind or given.before else 1):
            break
        look = scout.trial(path, auth, *signed(auth, secret, user))
        tries.append((auth, why, look))
        if not _opened(look) or open_ is None:
            continue
        described = bool(schemes) or given.kind is not None or auth.same_way(given.before)
        more = (look.sight.rows, len(look.sight.keys)) > (open_.sight.rows, len(open_.sight.keys))
        if described or more:
            told = f"{why}; GET {path} answers 200 with it, and also without"
            return Recognised(auth, path, [_evidence(called(auth), told, 0.6 if described else 0.7)])
    for auth, why, look in tries:
        if (given.kind or why.startswith(("described", BEFORE))) and not _refuses(look):
            told = f"{why}; GET {path} answers {look.status} with it, and nothing refused it"
            return Recognised(auth, open_.path if open_ else None, [_evidence(called(auth), told, 0.4)])
    if given.kind and tries:
        raise CredentialError(_refused(given, tries[0][2], [called(auth) for auth, _, _ in tries]))
    told = "nothing asked for a credential, and none showed more: the one given is not sent"
    return Recognised(Auth(kind="none"), open_.path if open_ else None, [_evidence("none", told, 0.7)])


def _closed(
    scout: Scout,
    given: Given,
    schemes: Sequence[Scheme],
    closed: Look,
    open_: Look | None,
    secret: Secret,
    user: str | None,
    others: Sequence[str],
    made_up: Collection[str],
) -> Recognised:
    """Try on a closed door, the likeliest way first; one that is understood there, but not let in, on the next of `others`."""
    tried: list[str] = []
    unsent = ""
    answered: list[Look] = []
    nearest: tuple[Auth, str] | None = None
    no_token = ""
    for auth, why in ways(given, schemes, closed, closed.reason or _envelope(closed), user):
        if len(tried) >= TRIES or (no_token and not why.startswith(("described", BEFORE))):
            break
        look = scout.trial(closed.path, auth, *signed(auth, secret, user))
        if look.status is None and look.sight.category == "unauthorized" and auth.kind != "oauth2":
            unsent = look.reason  # it can't be sent in this form
            continue
        tried.append(called(auth))
        answered.append(look)
        if auth.kind == "oauth2" and look.status is None and look.sight.category == "unauthorized":
            no_token = no_token or look.reason
            continue
        if _opened(look) or (closed.refused and look.sight.category == "needsParameters" and not _unknown(auth, look)):
            told = f"GET {closed.path} answers {closed.status} without a credential and {look.status} with it ({why})"
            return Recognised(auth, closed.path, [_evidence(called(auth), told, 1.0)])
        if what := _no_data(closed, look):
            told = f"GET {closed.path} answers {closed.status} without a credential and {look.status} with it ({why})"
            where = f"GET {scout.base}{closed.path}"
            missing = f"the credential was accepted ({called(auth)}), but {where} {what}"
            return Recognised(
                auth, open_.path if open_ else closed.path, [_evidence(called(auth), told, 0.8)], "" if open_ else missing
            )
        if closed.status == 401 and look.status == 403 and nearest is None:
            nearest = auth, f"GET {closed.path} answers 401 without a credential and 403 with it ({why})"
            for path in others[: min(2, TRIES - len(tried))]:
                tried.append(f"{called(auth)} at {path}")
                if _opened(scout.trial(path, auth, *signed(auth, secret, user))):
                    return Recognised(auth, path, [_evidence(called(auth), f"{nearest[1]}; GET {path} answers 200", 1.0)])
        if look.status == 429 and nearest is None and open_ is None:
            raise RetriableError(
                f"GET {closed.path} answers 429 to the credential in {given.token_env} ({called(auth)}), as often as it is "
                "asked: the API lets nobody in that fast. Say the same again in a while"
            )
        if look.status in (423, 429):
            break
    if nearest is not None:
        return Recognised(nearest[0], open_.path if open_ else closed.path, [_evidence(called(nearest[0]), nearest[1], 0.6)])
    if open_ is not None:
        for auth, why in ways(given, schemes, closed, closed.reason or _envelope(closed), user):
            if not given.kind and not why.startswith(("described", BEFORE)):
                break
            if _opened(scout.trial(open_.path, auth, *signed(auth, secret, user))):
                told = f"{why}; GET {closed.path} refuses it, GET {open_.path} answers 200 with it, and also without"
                return Recognised(auth, open_.path, [_evidence(called(auth), told, 0.4)])
            break
        if given.kind:
            raise CredentialError(_refused(given, closed, tried, answered, closed.path in made_up) if tried else unsent)
        told = f"GET {closed.path} answers {closed.status} to every way tried ({', '.join(tried)}); the rest is open"
        return Recognised(Auth(kind="none"), open_.path, [_evidence("none", told, 0.4)])
    raise CredentialError(no_token or (unsent if not tried else _refused(given, closed, tried, answered, closed.path in made_up)))


def _no_data(closed: Look, look: Look) -> str:
    """What is there in place of data, if a credential was accepted all the same; empty if it was not, or data came."""
    if look.status == 404 or (look.status == 200 and look.sight.category == "notFound" and not _refuses(look)):
        return f"is not there: check the base URL, or name its lists by {LISTED}"
    if closed.refused and not look.refused and look.status == 200 and look.sight.category == "notJson":
        kind = look.headers.get("Content-Type", "").partition(";")[0].strip()[:80] or "no content type"
        return f"answers no JSON ({kind}), and nothing else is read: check the base URL, or name its lists by {LISTED}"
    return ""


def _refused(given: Given, look: Look, tried: Sequence[str], answered: Sequence[Look] = (), made_up: bool = False) -> str:
    statuses = list(dict.fromkeys(_answered(each) for each in answered or [look]))
    doubt = f"; nobody named GET {look.path}, so the refusal may mean the path: name a list by {LISTED}" if made_up else ""
    return (
        f"the API refuses the credential in {given.token_env}: GET {look.path} answers {' or '.join(statuses)} to each of "
        f"{', '.join(tried) or 'the ways tried'}{doubt}. Set {given.token_env} to a valid one, or say how it is sent by --auth "
        f"({one_of((*KINDS, *NAMED))}); for a user name or client id give --user-env"
    )


def _answered(look: Look) -> str:
    if look.status is None:
        return "nothing"
    if look.sign_in:
        return f"{look.status} with a page to sign in at"
    return "200 with an error" if look.status == 200 else str(look.status)


def _opened(look: Look) -> bool:
    """Whether data came: readable, and no error envelope."""
    return look.readable and not _refuses(look)


def _unknown(auth: Auth, look: Look) -> bool:
    """Whether an answer complains of the very parameter by which the credential was sent."""
    return auth.kind == "query" and str(auth.parameter).lower() in look.reason.lower()


def _refuses(look: Look) -> bool:
    """Whether a credential, or a better one, is asked for, be it by an error envelope with status 200."""
    return look.refused or look.sight.category in ("unauthorized", "forbidden") or bool(_ABOUT_CREDENTIAL.search(_envelope(look)))


def _vague(look: Look) -> bool:
    """Whether the answer is an error envelope with status 200 that does not say what is wrong."""
    return look.status == 200 and look.sight.category == "broken" and bool(look.reason)


def _envelope(look: Look) -> str:
    """The words of an error envelope with status 200, empty if it is none: a small object of messages and codes alone."""
    value = look.sight.value
    if look.status != 200 or not isinstance(value, dict) or look.records:
        return ""
    if look.readable and (not value or not _ENVELOPE.issuperset(str(key).lower() for key in value)):
        return ""
    flags = [value[key] for key in ("ok", "success") if key in value]
    if value.get("data") or (flags and False not in flags):
        return ""
    return look.reason or " ".join(text for text in value.values() if isinstance(text, str))[:300]


def _evidence(finding: str, evidence: str, confidence: float) -> Evidence:
    return Evidence(about="auth", finding=finding, evidence=evidence[:500], confidence=confidence)
