"""Connections over Unix sockets, with a check that the process at the other end belongs to the same user."""

import asyncio
import os
import socket
import struct
import sys
from pathlib import Path

_LINUX = "iII"
"""struct ucred: process, user and group."""
_LOCAL_PEERCRED, _BSD = 1, "iI"
"""The option of macOS and the beginning of its struct xucred: version and user."""

BACKLOG = 64


def is_same_user(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user."""
    try:
        if sys.platform == "linux":
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_LINUX))
            _, user, _ = struct.unpack(_LINUX, found)
        else:
            found = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
            _, user = struct.unpack_from(_BSD, found)
    except OSError:
        return False
    return bool(user == os.geteuid())


def listen(path: Path) -> socket.socket:
    """A socket that listens at `path`. Raises OSError."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the socket at `path`. Raises OSError, also if a process of another user listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, str(path))
        if not is_same_user(connection):
            raise PermissionError(f"{path}: a process of another user listens there")
        return await asyncio.open_unix_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
