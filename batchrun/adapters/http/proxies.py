"""Proxies from the environment."""

from urllib.request import getproxies, proxy_bypass

from yarl import URL

from batchrun.domain.hosts import is_loopback
from batchrun.errors import InputError


def proxy_for(url: URL) -> URL | None:
    """The proxy that the environment sets for `url`, by the same variables as `curl`; never one for loopback."""
    host = url.host or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    if not found:
        return None
    proxy = URL(found if "://" in found else f"http://{found}")
    if proxy.scheme not in {"http", "https"}:
        raise InputError(f"the environment names the proxy {proxy.scheme}://…; only http and https proxies can be used")
    return proxy
