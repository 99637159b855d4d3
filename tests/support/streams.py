"""What may be wrong with the standard streams of a command; for the argument `before` of `batchrun`."""

import io
import os
import sys


def close(*descriptors: int) -> None:
    """Close the streams."""
    for descriptor in descriptors:
        os.close(descriptor)


def fill(descriptor: int) -> None:
    """Let the disk of the stream be full."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)


def leave(descriptor: int) -> None:
    """Let the stream be a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, descriptor)


def encode(encoding: str) -> None:
    """Let standard output have this encoding, as PYTHONIOENCODING sets it."""
    name, _, errors = encoding.partition(":")
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(encoding=name, errors=errors or "strict")
