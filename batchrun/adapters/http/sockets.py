"""Socket options and trusted certificates for connections to the service."""

import select
import socket
import ssl
from collections.abc import Callable
from functools import partial

import aiohttp

from batchrun.errors import InputError

KEEPALIVE_SECONDS = 60
"""Seconds of silence after which the kernel sends keep-alive probes. The response to a synchronous run may take long.
Until then no device on the path should drop the connection, and the loss of the peer must be detected."""


def keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Create a socket with keep-alive probes; see `KEEPALIVE_SECONDS`."""
    family, socket_type, protocol, _, _ = address
    created = socket.socket(family, socket_type, protocol)
    created.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_SECONDS,
        "TCP_KEEPALIVE": KEEPALIVE_SECONDS,
        "TCP_KEEPINTVL": 15,
        "TCP_KEEPCNT": 4,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # TCP_KEEPALIVE is TCP_KEEPIDLE on macOS
            created.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return created


def unread_check(connected: socket.socket) -> Callable[[], object]:
    """A function that tells whether the socket has received something, or was closed, and nobody has read that yet."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return partial(poll.poll, 0)


def tls_context(ca_file: str | None) -> ssl.SSLContext | bool:
    """The trusted certificates: those of the system, and those of `--ca-file`.

    Raises `InputError` if the file cannot be used.
    """
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # SSLError is one
        reason = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise InputError(f"--ca-file {ca_file}: cannot be used: {reason}") from None
    return context
