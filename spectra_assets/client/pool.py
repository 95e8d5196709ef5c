"""Kept-alive connections to one server: certificates verified, through the proxy which the environment names.

urllib3 alone: a session of `requests` on top of it takes four times its CPU per request (measured in benchmarks/README.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import certifi
import urllib3
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.util import make_headers

from spectra_assets import settings
from spectra_assets.errors import ConfigurationError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def pool(root: str, size: int) -> urllib3.PoolManager:
    """A pool of `size` connections to the server of `root`. Nothing is sent yet.

    Raises ConfigurationError for a file of certificates that is not there and a proxy that is none.
    """
    options: dict[str, Any] = {"num_pools": 2, "maxsize": size, "cert_reqs": "CERT_REQUIRED", **_certificates()}
    proxy = select_proxy(root, get_environ_proxies(root))
    if proxy is None:
        return urllib3.PoolManager(**options)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    user, password = get_auth_from_url(proxy)
    headers = make_headers(proxy_basic_auth=f"{user}:{password}") if user or password else None
    problem = ""
    try:
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        problem = type(error).__name__
    # not `from error`, nor its text: the address of a proxy may hold a password
    raise ConfigurationError(
        f"the proxy which HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names is none that can be used ({problem}); valid is an address "
        "such as http://proxy.example.com:3128"
    )


def _certificates() -> dict[str, str]:
    """The certificate authorities to trust. Raises ConfigurationError if the bundle that is set is not there."""
    for name in _BUNDLES:
        path = settings.variable(name)
        if path is not None:
            if not Path(path).exists():
                raise ConfigurationError(f"{name} is {path!r}, where there is no file or folder of certificates")
            return {"ca_cert_dir": path} if Path(path).is_dir() else {"ca_certs": path}
    return {"ca_certs": certifi.where()}
