"""GET endpoints that list no records whatever they answer: what their words say they are for."""

from __future__ import annotations

import re

from spectra_assets.intelligence.nouns import plain

STREAM = "a stream of events which never ends"
FILE = "a file"
ONE_OBJECT = "one object"
VALUES = "plain values, no records"
NOTHING = "an answer without content"

_NUMBER = "a number"
_SERVER = "says how the server is"
_SIGN_IN = "part of signing in"
_DOCUMENTATION = "documentation of the API"
_CHECK = "checks something"

_PURPOSES: dict[str, str] = {
    word: reason
    for reason, told in {
        STREAM: "watch stream sse websocket ws longpoll",
        FILE: "download downloads export exports thumbnail avatar raw pdf csv xlsx zip zipball tarball archive preview",
        _NUMBER: "count counts",
        _SERVER: "health healthz healthcheck ready readyz readiness live livez liveness ping heartbeat metrics prometheus "
        "version servertime uptime status systeminfo serverinfo about actuator",
        _SIGN_IN: "login logout signin signout oauth oauth2 authorize sso saml callback csrf captcha whoami",
        _DOCUMENTATION: "openapi swagger apidocs docs redoc wsdl openapijson swaggerjson openapiyaml swaggerui",
        _CHECK: "validate exists check verify isvalid available validation test",
        ONE_OBJECT: "me self current config configuration settings setting preferences preference summary statistics stats usage "
        "dashboard quota ratelimit license",
    }.items()
    for word in told.split()
}

_FILE_ENDINGS = re.compile(
    r"\.(pdf|zip|csv|tar|gz|png|jpe?g|gif|svg|xlsx?|docx?|txt|html?|ics|rss|atom|xml|mp[34])$", re.IGNORECASE
)
_ANYWHERE = frozenset((STREAM, _NUMBER, _DOCUMENTATION))
"""Purposes that a segment in the middle of a path tells as well."""


def purpose(fixed: list[str]) -> str:
    """Why an endpoint with these fixed segments lists nothing, as far as words tell; empty if they don't."""
    if not fixed:
        return ""
    if _FILE_ENDINGS.search(fixed[-1]):
        return FILE
    found = _PURPOSES.get(plain(fixed[-1]), "")
    if found:
        return found
    return next((reason for word in fixed[:-1] if (reason := _PURPOSES.get(plain(word), "")) in _ANYWHERE), "")
