"""Addresses of services: which of them a token may travel to as it is."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is this machine itself, so that nothing leaves it."""
    host = host.lower().removesuffix(".")
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # Python itself looks into it from 3.13 on
    return address.is_loopback


def is_in_the_clear(url: str) -> bool:
    """Whether what is sent to `url` could be read on its way."""
    address = urlsplit(url)
    return address.scheme != "https" and not is_loopback(address.hostname or "")
