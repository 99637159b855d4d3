"""The body of an upload: `multipart/form-data` (RFC 7578) with a single file."""

import re

from batchrun.dialects.base import UploadRequest

_ESCAPED = {'"': "%22", "\r": "%0D", "\n": "%0A"}
"""How browsers write these characters in the name of a file."""


def multipart_request(path: str, field: str, name: str, digest: str) -> UploadRequest:
    """The request that sends a file in the form field `field`.

    The boundary is made from the digest of the content, because a content does not contain its own digest.
    """
    boundary = f"batchrun-{digest[:40]}"
    escaped = re.sub('["\r\n]', lambda found: _ESCAPED[found[0]], name)
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{escaped}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    after = f"\r\n--{boundary}--\r\n"
    content_type = f"multipart/form-data; boundary={boundary}"
    return UploadRequest("POST", path, content_type, before.encode("utf-8", "replace"), after.encode())
