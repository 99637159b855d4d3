"""The body of POST /v1/files/upload."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import HTTP
from hashlib import blake2b

from batchrun.simulator.replies import bad_request

_parser = BytesHeaderParser(policy=HTTP)
_BLANK_LINE = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that was received. Its content is not kept."""

    name: str
    size: int
    digest: bytes


def parse_upload(headers: Mapping[str, str], body: bytes) -> UploadedFile:
    """The file in the form field `file`. Raises `RefusedError` (400) if there is none."""
    head = _headers(f"Content-Type: {headers.get('content-type', '')}".encode())
    boundary = head.get_boundary() if head.get_content_type() == "multipart/form-data" else None
    for part, content in _parts(body, boundary) if boundary else ():
        if part.get_param("name", header="content-disposition") == "file":
            digest = blake2b(content, digest_size=8).digest()
            return UploadedFile(part.get_filename() or "", len(content), digest)
    raise bad_request("send the file as multipart/form-data in the field file")


def _parts(body: bytes, boundary: str) -> Iterator[tuple[EmailMessage, memoryview]]:
    """The headers and the content of each part (RFC 2046 §5.1.1). The content is not copied."""
    delimiter, view = f"--{boundary}".encode(), memoryview(body)
    start = body.find(delimiter)
    while start >= 0 and (head_end := body.find(_BLANK_LINE, start)) >= 0:
        end = body.find(b"\r\n" + delimiter, head_end + 2)
        if end < 0:
            return
        line_end = body.find(b"\r\n", start)
        content_start = head_end + len(_BLANK_LINE)
        yield _headers(body[line_end + 2 : head_end]), view[content_start:end]
        start = end + 2


def _headers(text: bytes) -> EmailMessage:
    return _parser.parsebytes(text + _BLANK_LINE)
