"""The JSON Schema of a workflow's inputs (`--schema`), checked against the values to be sent."""

import re
from collections.abc import Collection, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from batchrun.domain.marked_text import decode_marked
from batchrun.errors import InputError

MAX_MESSAGE_CHARACTERS = 200
"""Characters of a message about one value."""


class InputSchema:
    """A schema of the inputs; loaded by `load_schema`."""

    def __init__(self, path: Path, schema: dict[str, Any], validator: Any, digest: str) -> None:
        self._path = path
        self._schema = schema
        self._validator = validator
        self.digest = digest
        """A hash of the file's contents."""

    def wrong_names(self, names: Collection[str]) -> Iterator[str]:
        """The problems with these input names, whatever their values; one line each."""
        for name in self._schema.get("required", ()):
            if name not in names:
                yield f"--schema {self._path}: the input {name!r} is required, and no column or --const is sent as it"
        if self._schema.get("additionalProperties") is False:
            for name in self.unknown_names(names):
                yield f"--schema {self._path}: the input {name!r} is sent, and the schema allows no such name"

    def unknown_names(self, names: Collection[str]) -> list[str]:
        """The names that the schema does not define, if it defines any. The workflow may not have such inputs."""
        known = self._schema.get("properties")
        if not isinstance(known, dict):
            return []
        patterns = self._schema.get("patternProperties", {})
        return [name for name in names if name not in known and not any(re.search(one, name) for one in patterns)]

    def mismatch(self, body: bytes) -> str | None:
        """Why these inputs (JSON) are not valid, or None. Raises `InputError` if the schema itself is wrong."""
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - imported only for jobs with a schema

        try:
            error = next(self._validator.iter_errors(msgspec.json.decode(body)), None)
        except Unresolvable as unresolved:
            raise InputError(f"--schema {self._path}: refers to {unresolved.ref!r}, which is not in the file") from None
        except RecursionError:
            raise InputError(f"--schema {self._path}: refers to itself without end") from None
        if error is None:
            return None
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        what = f"input {where[1:]}: " if where else ""
        return _short(f"{what}{error.message}")


def load_schema(path: Path) -> InputSchema:
    """Load a schema: JSON Schema 2020-12, or the version that its `$schema` names.

    Raises `InputError` if the file is not readable or not a schema. References to other files are not followed.
    """
    try:
        text = path.read_bytes()
        schema = msgspec.json.decode(decode_marked(text))
    except OSError as error:
        raise InputError(f"--schema {path}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"--schema {path}: is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise InputError(f"--schema {path}: is no JSON Schema of inputs: it must be an object")
    return InputSchema(path, schema, _validator(path, schema), blake2b(text, digest_size=16).hexdigest())


def _validator(path: Path, schema: dict[str, Any]) -> Any:
    # Slow to import, and most jobs have no schema.
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    named = schema.get("$schema")
    validator_class: Any = Draft202012Validator
    if named is not None:
        known = isinstance(named, str)
        validator_class = validator_for(schema, default=None) if known else None  # type: ignore[arg-type]  # the stubs know no None
    if validator_class is None:
        raise InputError(f"--schema {path}: its $schema is {named!r}, which is no draft of JSON Schema that is known")
    try:
        validator_class.check_schema(schema, format_checker=validator_class.FORMAT_CHECKER)
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        raise InputError(
            f"--schema {path}: is not a valid JSON Schema: {f'{where}: ' if where else ''}{_short(error.message)}"
        ) from None
    except RecursionError:
        raise InputError(f"--schema {path}: is nested too deeply") from None
    return validator_class(schema, registry=Registry())


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:MAX_MESSAGE_CHARACTERS]} …"
