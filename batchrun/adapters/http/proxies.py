"""Proxies from the environment, by the same rules as `curl`."""

import base64
import os
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network

from yarl import URL

from batchrun.adapters.credentials.masking import MASK, Masking
from batchrun.adapters.credentials.secret import MIN_MASKED_CHARACTERS
from batchrun.domain.hosts import is_loopback
from batchrun.domain.user_info import without_user_info
from batchrun.errors import InputError

VARIABLES = {"http": ("http_proxy",), "https": ("https_proxy", "HTTPS_PROXY")}
"""The variables for each scheme, in order of precedence. A CGI server sets HTTP_PROXY from a header of its request, so
that the name only counts in lower case."""

ALL = ("all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")

DEFAULT_PORTS = {"http": 1080, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy for requests. `authorization`: the value of its header; None if the proxy asks for no password."""

    url: URL
    """Its address, without user info."""
    authorization: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown, though a proxy may repeat it: the password, and the header's value."""

    def __str__(self) -> str:
        return f"{self.url.host_subcomponent}:{self.url.port}"

    def __repr__(self) -> str:
        return f"Proxy({self})"

    def masked(self, content: bytes, *, refusal: bool) -> bytes:
        """The content without what the proxy must not repeat. `refusal`: otherwise only what is no ordinary word."""
        for secret in self.secrets:
            if refusal or len(secret) >= MIN_MASKED_CHARACTERS:
                content = content.replace(secret.encode("utf-8", "surrogateescape"), MASK)
                if secret.isascii() and secret.isprintable():
                    content = _masking_of(secret).replace(content)
        return content

    def refusal(self, status: int, reason: str = "") -> str:
        """The message about an answer of the proxy itself."""
        hint = "; the environment must hold its user and password" if status == 407 else ""
        said = f"the proxy {self} refused: {status} {' '.join(reason.split())}".rstrip()
        return self.masked(said.encode("utf-8", "backslashreplace"), refusal=True).decode() + hint


_masking_of = lru_cache(8)(Masking)


def address_of(base_url: str) -> URL:
    """The address of the service. Raises `InputError` if it is not valid."""
    try:
        return URL(base_url)
    except ValueError as error:
        raise InputError(f"{without_user_info(base_url)}: is no valid address: {error}") from None


def proxy_for(url: URL) -> Proxy | None:
    """The proxy that the environment sets for `url`; never one for loopback.

    Raises `InputError` if it cannot be used. The message does not show its address, which may hold a password.
    """
    host = (url.host or "").rstrip(".").lower()
    if is_loopback(host) or _is_excepted(host, _first(EXCEPTIONS)[1]):
        return None
    variable, address = _first((*VARIABLES.get(url.scheme, ()), *ALL))
    return _parsed(variable, address) if address else None


def _first(variables: tuple[str, ...]) -> tuple[str, str]:
    """The first of the variables that is set to a value, and this value; empty texts if there is none."""
    return next(((name, value) for name in variables if (value := os.environ.get(name, "").strip())), ("", ""))


def _parsed(variable: str, address: str) -> Proxy:
    scheme, separator, rest = address.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("http", address)
    if scheme.startswith("socks"):
        raise InputError(
            f"{variable}: names a SOCKS proxy ({scheme}), which cannot be used. Name an http or https proxy"
        )
    if scheme not in DEFAULT_PORTS:
        raise InputError(f"{variable}: names a proxy that is neither http nor https, so it cannot be used")
    try:
        url = URL(f"{scheme}://{rest}")
        user, password, host, port = url.user, url.password, url.raw_host, url.explicit_port
        if not host or port == 0 or "@" in url.raw_path_qs + url.raw_fragment:  # a password with a slash in it
            raise ValueError
        url = URL.build(scheme=scheme, host=host, port=DEFAULT_PORTS[scheme] if port is None else port)
    except ValueError:
        example = "http://proxy.example.com:3128"
        raise InputError(
            f"{variable}: is no address of a proxy, such as {example}, with a port from 1 to 65535. In a name or a "
            "password, write @, :, / and # as %40, %3A, %2F and %23"
        ) from None
    if user is None and password is None:
        return Proxy(url)
    credentials = base64.b64encode(f"{user or ''}:{password or ''}".encode("utf-8", "surrogateescape")).decode()
    return Proxy(url, f"Basic {credentials}", tuple(text for text in (password, credentials) if text))


def _is_excepted(host: str, exceptions: str) -> bool:
    """Whether the list of `no_proxy` contains the host: itself, a domain of it, or a network of its address."""
    names = exceptions.replace(",", " ").split()
    if names == ["*"]:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return any(_is_in_domain(host, name.lower().strip(".")) for name in names)
    for name in names:
        try:
            network = ip_network(name.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            continue  # a name, which is not that of an address
        if address in network:
            return True
    return False


def _is_in_domain(host: str, domain: str) -> bool:
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
