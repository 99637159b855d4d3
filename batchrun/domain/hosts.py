"""Addresses of services: which of them a token may travel to as it is."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is this machine itself, so that nothing leaves it."""
    host = host.lower().rstrip(".")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_in_the_clear(url: str) -> bool:
    """Whether what is sent to `url` could be read on its way."""
    address = urlsplit(url)
    return address.scheme != "https" and not is_loopback(address.hostname or "")
