"""The simulator's options, parsed from `NAME=VALUE`."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

from batchrun.errors import InputError
from batchrun.simulator.faults import Fault, FaultRule, parse_condition, parse_rule
from batchrun.simulator.injected_statuses import ERROR_CODES, RULE_FORMAT, StatusRule
from batchrun.simulator.run_duration import FORMS, DurationDistribution, parse_duration

_T = TypeVar("_T")
REPEATABLE = frozenset({"answer", "fault"})
"""Options that may be given more than once."""


def _seconds(text: str) -> float:
    return _number(text, "a number of seconds, 0 or more", lambda value: value >= 0)


def _rate(text: str) -> float:
    return _number(text, "a number of requests a second, more than 0", lambda value: value > 0)


def _share(text: str) -> float:
    percent = text.endswith("%")
    value = _number(text.removesuffix("%"), "a share from 0 to 1, or a percentage such as 5%", lambda _: True)
    value = value / 100 if percent else value
    if not 0 <= value <= 1:
        raise ValueError("write a share from 0 to 1, or a percentage such as 5%")
    return value


def _number(text: str, wanted: str, is_valid: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not is_valid(value):
        raise ValueError(f"write {wanted}")
    return value


def _count(text: str) -> int:
    return int(_number(text, "a count, 1 or more", lambda value: value >= 1 and value.is_integer()))


def _tokens(text: str) -> tuple[str, ...]:
    tokens = tuple(token.strip() for token in text.split(","))
    if not all(tokens):
        raise ValueError("write the tokens with commas between them, as in first,second")
    return tokens


def _status_rule(text: str) -> StatusRule:
    operation, _, rest = text.partition(":")
    status, _, selector = rest.partition(":")
    if operation not in {"post", "poll", "upload"} or status not in map(str, ERROR_CODES) or not selector:
        raise ValueError(RULE_FORMAT)
    condition = parse_condition(selector)
    try:
        return StatusRule(operation, int(status), 0.0 if condition else _share(selector), condition)
    except ValueError:
        raise ValueError(RULE_FORMAT) from None


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"write one of: {', '.join(words)}")
        return text

    return parse


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError("write true or false")
    return words[text.lower()]


def _option(default: _T, parse: Callable[[str], object], meaning: str) -> _T:
    option: _T = field(default=default, metadata={"parse": parse, "meaning": meaning})
    return option


_DURATION = parse_duration("lognormal:1,3")


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """How the simulated service behaves. Times are in seconds, rates in requests per second, shares from 0 to 1."""

    any_workflow: bool = _option(
        False, _boolean, "answer for unknown workflow IDs as for `echo`, instead of a 404; always with --simulate"
    )
    duration: DurationDistribution = _option(_DURATION, parse_duration, f"how long runs take, in seconds: {FORMS}")  # noqa: RUF009
    pending: float = _option(0.1, _share, "share of its duration that a run is pending before it is running")
    hidden: float = _option(0.0, _seconds, "seconds during which a new run is still unknown to polls (404)")
    latency: float = _option(0.0, _seconds, "seconds before any answer")
    rps: float | None = _option(None, _rate, "POSTs taken in any second (below 1: one in any 1/rps seconds), else 429")
    poll_rps: float | None = _option(None, _rate, "polls taken in any second, likewise")
    total_rps: float | None = _option(None, _rate, "POSTs and polls together taken in any second, likewise")
    max_runs: int | None = _option(
        None, _count, "asynchronous runs in progress at one time, else POSTs are refused (open: 1000 by default)"
    )
    upload_rps: float | None = _option(None, _rate, "uploads of files taken in any second, likewise")
    retry_after: float = _option(1.0, _seconds, "seconds that a 429 asks for in Retry-After")
    throttle: str = _option(
        "retry-after",
        _one_of("retry-after", "429", "4013", "4009"),
        "how open and studio refuse requests over the limit: 429 with Retry-After or without (429), or this code under "
        "HTTP 200",
    )
    fail: float = _option(0.0, _share, "share of rows whose runs end as failed, each time")
    stuck: float = _option(0.0, _share, "share of rows whose runs never end")
    interrupt: float = _option(
        0.0, _share, "share of rows whose runs wait for a person (v1 has no such status: they never end)"
    )
    reject: float = _option(0.0, _share, "share of rows whose POSTs are answered 400, each time")
    error: float = _option(0.0, _share, "share of POSTs answered 500 in the service's error format; no run is made")
    unavailable: float = _option(
        0.0, _share, "share of POSTs answered 503 in the service's error format; no run is made"
    )
    lost: float = _option(0.0, _share, "share of POSTs whose run is made, but the connection closes without an answer")
    garbage: float = _option(0.0, _share, "share of POSTs whose run is made, but the answer is 200 with an HTML page")
    poll_error: float = _option(0.0, _share, "share of polls answered 500 in the service's error format")
    slow: float = _option(0.0, _share, "share of POSTs and polls answered `slow_seconds` later")
    slow_seconds: float = _option(5.0, _seconds, "how much later, in seconds")
    tokens: tuple[str, ...] = _option(
        (), _tokens, "the tokens that are taken, one after the other as they expire, as in first,second"
    )
    token_seconds: float | None = _option(None, _rate, "seconds from its first use after which a token has expired")
    token_requests: int | None = _option(None, _count, "requests after which a token has expired")
    answer: tuple[StatusRule, ...] = _option(
        (),
        _status_rule,
        "post:STATUS:SHARE or post:STATUS:NAME=VALUE, and poll:… and upload:… (NAME is name, of the file): refused "
        "with this status, no run made; repeatable",
    )
    retention: float | None = _option(None, _rate, "seconds after its end for which a run is known to polls")
    sync_limit: float | None = _option(None, _rate, "seconds after which an unanswered synchronous POST is cut")
    free: bool = _option(False, _boolean, "refuse asynchronous runs of open and studio as the free plan does (6003)")
    end_node: str = _option(
        "variables", _one_of("variables", "text"), "what the End node of open and studio gives: variables, or a text"
    )
    omit: tuple[str, ...] = _option(
        (), _names, "members that answers of open and studio leave out, as in code,error_message"
    )
    callback_delay: float = _option(0.1, _seconds, "seconds from the end of a run to its callback, if it has one")
    callback_never: float = _option(0.0, _share, "share of runs that are not called back")
    callback_late: float = _option(0.0, _share, "share of runs that are called back `callback_late_seconds` later")
    callback_late_seconds: float = _option(60.0, _seconds, "how much later, in seconds")
    callback_early: float = _option(0.0, _share, "share of runs also called back before their POST is answered")
    callback_double: float = _option(0.0, _share, "share of runs that are called back twice")
    callback_forged: float = _option(0.0, _share, "share of runs with one more callback, under a forged address")
    callback_garbage: float = _option(0.0, _share, "share of runs whose callbacks hold an HTML page")
    fault: tuple[FaultRule, ...] = _option(
        (),
        parse_rule,
        "KIND:NAME=VALUE: always this fault where the input NAME is VALUE, as in error:id=17; repeatable",
    )

    def shares(self) -> dict[Fault, float]:
        """The share of requests (or runs) that get each fault, from 0 to 1."""
        return {fault: getattr(self, fault) for fault in Fault}

    @property
    def checks_tokens(self) -> bool:
        """Whether the simulator checks which token is sent."""
        return bool(self.tokens) or self.token_seconds is not None or self.token_requests is not None


_FIELDS = {option.name: option for option in fields(SimulatorOptions)}


def parse_options(pairs: Sequence[str]) -> SimulatorOptions:
    """Parse options such as `rps=10`. Raises `InputError` with all mistakes."""
    values: dict[str, object] = {}
    rules: dict[str, list[object]] = {name: [] for name in REPEATABLE}
    problems: list[str] = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            problems.append(f"simulator option {pair!r}: write it as NAME=VALUE{_hint(name)}")
        elif name not in _FIELDS:
            problems.append(f"unknown simulator option {name!r}{_hint(name)}")
        elif name in values:
            problems.append(f"simulator option {name!r}: given twice")
        else:
            try:
                value = _FIELDS[name].metadata["parse"](text.strip())
            except ValueError as error:
                problems.append(f"simulator option {pair!r}: {error}")
                continue
            if name in REPEATABLE:
                rules[name].append(value)
            else:
                values[name] = value
    if problems:
        raise InputError(*problems)
    values |= {name: tuple(given) for name, given in rules.items()}
    return SimulatorOptions(**values)  # type: ignore[arg-type]  # each was parsed by its own field


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, _FIELDS, n=1)
    if name in _FIELDS:
        default = _FIELDS[name].default
        return f", for example {name}={'5' if default is None else _shown(default)}"
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(_FIELDS)}"


def _shown(default: object) -> str:
    if default is None:
        return "no limit"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else "none" if default == () else str(default)


def describe_options() -> list[tuple[str, str, str]]:
    """Name, default and meaning of every option, in the order of the help text."""
    return [(name, _shown(option.default), option.metadata["meaning"]) for name, option in _FIELDS.items()]
