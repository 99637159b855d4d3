"""Sends a request whose body is streamed. The server may answer, or stop reading, before it has received all of it."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from batchrun.adapters.http.aiohttp_internals import HttpConnection, IncomingResponse, ParserError
from batchrun.errors import StorageError
from batchrun.ports import UnusableFileError


async def exchange_streamed(connection: HttpConnection, head: bytes, chunks: AsyncIterator[bytes]) -> IncomingResponse:
    """Send `head` and the chunks, and return the answer as soon as its head arrives.

    Raises what `HttpConnection.exchange` raises, and the `UnusableFileError` or `StorageError` of the chunks. In the
    latter case the server has received an incomplete request, which it cannot carry out.
    """
    unreadable: UnusableFileError | StorageError | None = None
    complete = False

    async def send_body() -> None:
        nonlocal unreadable, complete
        try:
            async for chunk in chunks:
                await connection.send(chunk)
            complete = True
        except (OSError, aiohttp.ClientError):
            pass  # the connection is lost, which the reader of the answer notices too
        except (UnusableFileError, StorageError) as error:
            unreadable = error
            connection.abort()

    response, failure = None, None
    connection.begin(head)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(send_body(), name="body of an upload")
        try:
            response = await connection.answer()
        except (OSError, ValueError, aiohttp.ClientError, ParserError) as error:
            failure = error
        sending.cancel()
    if unreadable is not None:
        raise unreadable
    if failure is not None:
        raise failure
    assert response is not None
    return response._replace(keep_alive=response.keep_alive and complete)
