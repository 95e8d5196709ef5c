"""The servers of the conformance suite, by what they are a trap for."""

from tests.conformance.servers import (
    authority,
    dependencies,
    descriptions,
    hostile,
    kept_back,
    paging,
    records,
    roots,
    searches,
    shapes,
    standards,
    values,
)
from tests.conformance.servers.api import Api

SERVERS: tuple[type[Api], ...] = (
    *shapes.SERVERS,
    *paging.SERVERS,
    *roots.SERVERS,
    *authority.SERVERS,
    *dependencies.SERVERS,
    *records.SERVERS,
    *values.SERVERS,
    *descriptions.SERVERS,
    *hostile.SERVERS,
    *kept_back.SERVERS,
    *searches.SERVERS,
    *standards.SERVERS,
)
