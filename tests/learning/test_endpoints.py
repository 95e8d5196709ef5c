"""Where a list may have gone that answers no more."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.learning.remedy.endpoints import addresses_in, below


@pytest.mark.parametrize(
    ("root", "addresses"),
    [
        ({"orders": "/orders", "version": "2.7"}, ["/orders"]),
        ({"service": "Shop", "resources": {"orders": "/v2/billing/orders"}}, ["/v2/billing/orders"]),
        ([{"rel": "orders", "href": "https://shop.example.com/orders"}], ["https://shop.example.com/orders"]),
        ({"deep": {"a": [{"b": "/inner"}]}, "near": "/outer"}, ["/outer", "/inner"]),
        (None, []),
        ("/itself", []),
        ({"_links": {"self": {"href": "/"}, "logout": {"href": "/logout"}, "orders": {"href": "/orders{?page}"}}}, ["/orders"]),
        (["/orders/delete", "/sessions/revoke", "/orders.csv", "/orders"], ["/orders"]),
        ({"items": "/items{/id}"}, ["/items", "/items/{id}"]),
        ({str(n): f"/{n}" for n in range(500)}, [f"/{n}" for n in range(100)]),
    ],
)
def test_addresses_are_found_wherever_the_root_names_them(root: Any, addresses: list[str]) -> None:
    assert addresses_in(root) == addresses


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/v2/orders", "/orders"),
        ("https://shop.example/v2/orders", "/orders"),
        ("https://other.example/v2/orders", None),
        ("/v2/orders?a=1", None),
        ("http://[x", None),
        ("https://shop.example/v2", None),
    ],
)
def test_only_addresses_of_the_same_server_are_followed(address: str, path: str | None) -> None:
    assert below(address, "https://shop.example/v2/") == path
