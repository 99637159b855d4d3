"""Sockets and certificates for the connections to the service."""

import socket
import ssl

import aiohttp

from batchrun.errors import InputError

KEEPALIVE_SECONDS = 60
"""Seconds of silence after which the kernel probes whether the peer is still there. The answer to a synchronous run may
take an hour: until then no device in between should drop the connection, and a peer that vanished must be noticed."""


def keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket whose connection may be silent for long; see `KEEPALIVE_SECONDS`."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_SECONDS,
        "TCP_KEEPALIVE": KEEPALIVE_SECONDS,
        "TCP_KEEPINTVL": 15,
        "TCP_KEEPCNT": 4,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # macOS calls TCP_KEEPIDLE by the second name
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def tls_context(ca_file: str | None) -> ssl.SSLContext | bool:
    """What servers' certificates are checked against: those of the system, and of `--ca-file`.

    Raises `InputError` for a file that cannot be used.
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
