"""Why a request got no answer, in words that say what to check, and whether waiting can help."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Callable

import aiohttp
from yarl import URL

from batchrun.adapters.http.aiohttp_internals import ParserError
from batchrun.adapters.http.proxies import Proxy

_NOT_TLS = {
    "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
}  # fmt: skip
"""OpenSSL's reasons for an answer that is no TLS at all."""

_QUOTED = re.compile(r":? (?:bytearray\()?b['\"].*")
"""A quotation by aiohttp's parser, up to the end of the message."""

MAX_QUOTED = 150
"""Characters of a first line that is not HTTP which are shown."""

_TLS_RECORD = (b"\x15\x03", b"\x16\x03")
"""The first bytes of a TLS record, with which a server answers to a request in the clear."""


def explain(
    error: BaseException,
    root: URL,
    proxy: Proxy | None,
    has_answered: bool,
    masked: Callable[[str], str] = str,
) -> str:
    """What happened and what to check, in one line.

    `root`: the address of the service. `has_answered`: whether it has answered before, so that the address is right.
    `masked`: masks the token in a text, which must be whole, because a part of the token would not be found.
    """
    return masked(_explain(error, root, proxy, has_answered, masked))


def _explain(
    error: BaseException, root: URL, proxy: Proxy | None, has_answered: bool, masked: Callable[[str], str]
) -> str:
    where = f"{root.host_subcomponent}:{root.port}"
    if proxy is not None and isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy.refusal(error.status, error.message)
    if proxy is not None and isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy {proxy} cannot be reached: {_reason(error)}; the environment names it ({root.scheme}_proxy)"
    if (
        proxy is not None
        and isinstance(error, aiohttp.ClientConnectorError)
        and (error.host, error.port) == (proxy.url.host, proxy.url.port)
    ):
        return f"the proxy {proxy} cannot be used: {_reason(error)}; the environment names it ({root.scheme}_proxy)"
    through = "" if proxy is None else f" (through the proxy {proxy})"
    return f"{_explained(error, root, where, has_answered, masked)}{through}"


def _explained(error: BaseException, root: URL, where: str, has_answered: bool, masked: Callable[[str], str]) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {root.host} cannot be resolved ({_reason(error)}); is --base-url right?"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or _one_line(error.certificate_error)
        hint = "is --base-url right?" if "mismatch" in reason else "if that is as it should be: --ca-file CA.pem"
        return f"the certificate of {where} is not trusted: {reason}; {hint}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = _tls_reason(error)
        if reason in _NOT_TLS:
            return f"{where} does not speak TLS ({reason}); is it http:// in --base-url?"
        return f"no TLS connection to {where}: {reason or _one_line(error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        hint = "; is --base-url right?" if error.errno == errno.ECONNREFUSED and not has_answered else ""
        return f"no connection to {where}: {_reason(error)}{hint}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        hint = "; does it expect https://?" if root.scheme == "http" and not has_answered else ""
        return f"{where} closed the connection without an answer{hint}"
    if isinstance(error, ParserError):
        hint = f"is --base-url right?{_scheme_hint(error, root)}"
        return f"the answer of {where} is not HTTP: {_not_http(error, masked)}; {hint}"
    if isinstance(error, aiohttp.ClientPayloadError) and str(error).startswith("Response payload is not completed"):
        return f"the answer of {where} broke off, or its body is not as its head says"
    return _one_line(error)


def is_configuration(error: BaseException) -> bool:
    """Whether waiting cannot help: the server is not the one that the options mean, or they do not trust it."""
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        # A server that is being restarted may close the connection in the middle of the handshake.
        return not isinstance(error.__cause__ or error.os_error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return isinstance(error, aiohttp.ClientConnectorCertificateError | ParserError)


def _scheme_hint(error: BaseException, root: URL) -> str:
    text = str(error).encode("latin-1", "replace")
    escaped = any(repr(record)[2:-1] in str(error) for record in _TLS_RECORD)
    is_tls = escaped or any(record in text for record in _TLS_RECORD)
    return " It speaks TLS: use https://" if is_tls and root.scheme == "http" else ""


def _not_http(error: ParserError, masked: Callable[[str], str]) -> str:
    """The parser's complaint. It may quote a header, which is nobody's business; a first line is worth seeing."""
    text = masked(" ".join(error.message.split()))
    return text[:MAX_QUOTED] if text.startswith("Bad status line") else _QUOTED.sub("", text)


def _tls_reason(error: aiohttp.ClientConnectorError) -> str:
    return str(getattr(error.os_error, "reason", None) or "")


def _reason(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror or cause)
    number = cause.errno
    if number is None:
        return _one_line(cause)
    return os.strerror(number)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
