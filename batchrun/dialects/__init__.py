"""How the service is spoken to: pure functions from a row to a request and from an answer to its meaning."""

from batchrun.dialects.base import Dialect
from batchrun.dialects.v1 import V1

DIALECTS: dict[str, Dialect] = {"v1": V1()}
"""The dialects by the name that `--api` gives them."""

__all__ = ["DIALECTS", "Dialect"]
