"""JMESPath expressions. They are compiled once and checked before anything is sent. They raise no error for a row."""

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import jmespath
from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    LexerError,
    ParseError,
)
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

Search = Callable[[object], object]
"""A compiled expression: returns its value in a decoded output, or None."""


def wrong_with(text: str) -> list[str]:
    """The problems with this expression, one line each. Calls that can never succeed are included."""
    try:
        return _wrong_calls(jmespath.compile(text).parsed)
    except JMESPathError as error:
        return [f"is not a valid JMESPath expression: {_reason(error)}"]
    except (ValueError, RecursionError):  # thousands of digits in an index, or of brackets
        return ["is not a JMESPath expression of a sensible size"]


def compiled(text: str) -> Search:
    """Compile the expression to a function. Raises `JMESPathError` if it is not valid, see `wrong_with`."""
    expression = jmespath.compile(text).parsed
    visit = TreeInterpreter().visit  # the library's `search` creates a new one for each call

    def search(document: object) -> object:
        try:
            value = visit(expression, document)
        # JMESPath's errors are ValueErrors. Its functions also raise other errors of Python for unexpected values.
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError):
            return None
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return search


def _reason(error: JMESPathError) -> str:
    match error:
        case EmptyExpressionError():
            return "it is empty"
        case LexerError(message=message, lexer_position=position):
            hint = '. Quote a name with other characters: x="a-b"' if message.startswith("Unknown") else ""
            return f"{message[:1].lower()}{message[1:]} at character {position + 1}{hint}"
        case IncompleteExpressionError() | ParseError(token_value=""):
            return "it ends too early"
        case ParseError(token_value=token, lex_position=position):
            return f"unexpected {token!r} at character {position + 1}"
        case _:
            return " ".join(str(error).split())


def _wrong_calls(node: Mapping[str, Any]) -> list[str]:
    problems = [problem for child in node["children"] if isinstance(child, dict) for problem in _wrong_calls(child)]
    if node["type"] == "function_expression" and (problem := _wrong_call(node["value"], len(node["children"]))):
        problems.insert(0, problem)
    return problems


def _wrong_call(name: str, given: int) -> str | None:
    """Check a function call. JMESPath itself only does so when it evaluates it, after the row was paid for."""
    if name not in Functions.FUNCTION_TABLE:
        close = get_close_matches(name, Functions.FUNCTION_TABLE, 1)
        return f"JMESPath has no function {name}()" + (f"; did you mean {close[0]}()?" if close else "")
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    wanted, more = len(signature), bool(signature and signature[-1].get("variadic"))
    if given == wanted or (more and given > wanted):
        return None
    return f"{name}() takes {'at least ' if more else ''}{wanted} argument{'s' * (wanted != 1)}, not {given}"
