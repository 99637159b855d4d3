"""Detects the dialect of a service by its answer to the request for the description of a workflow."""

from typing import Literal

from batchrun.dialects import raw_json
from batchrun.dialects.coze_codes import is_error_code


def detected(status: int, body: bytes) -> Literal["open", "v1"] | None:
    """The dialect of the service that gave this answer; None if the answer does not decide it. Never raises.

    An answer with a code of the cloud or the self-hosted server comes from one of these, whatever the code means. The
    documented API does not have the path. Any other answer may come from a proxy, or from a service that is down.
    """
    code = raw_json.text((raw_json.members(body) or {}).get("code"))
    if code == "0" or is_error_code(code):
        return "open"
    return "v1" if status in {404, 405} else None
