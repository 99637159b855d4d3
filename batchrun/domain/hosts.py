"""Decides whether a token may be sent to an address in clear text."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine, so that requests do not leave it."""
    host = host.lower().removesuffix(".")
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # `is_loopback` does this itself from Python 3.13 on
    return address.is_loopback


def is_in_the_clear(url: str) -> bool:
    """Whether others on the network could read what is sent to `url`."""
    address = urlsplit(url)
    return address.scheme != "https" and not is_loopback(address.hostname or "")
