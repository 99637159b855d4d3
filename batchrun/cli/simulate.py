"""`batchrun simulate`."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from batchrun.simulator.dialects import DIALECTS
from batchrun.simulator.options import REPEATABLE, describe_options, parse_options

_F = TypeVar("_F", bound=Callable[..., Any])


def _simulator_options(function: _F) -> _F:
    for name, default, description in reversed(describe_options()):
        function = click.option(
            f"--{name.replace('_', '-')}",
            name,
            multiple=name in REPEATABLE,
            metavar="VALUE",
            help=f"{description} [default: {default}]",
        )(function)
    return function


@click.command("simulate")
@click.option("--api", type=click.Choice(list(DIALECTS)), default="v1", show_default=True, help="What it speaks.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free port.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random draw.")
@click.option("--db", type=click.Path(path_type=Path), help="A file that keeps its runs across restarts.")
@_simulator_options
def command(api: str, port: int, seed: int, db: Path | None, **options: Any) -> int:
    """Serve the built-in simulator of the service on loopback, until interrupted.

    Point a job at it with --base-url http://127.0.0.1:PORT and any token. The same options go into
    `batchrun run --simulate --sim NAME=VALUE`. Its workflows are echo, penguin, flaky, sleepy and file. What it has
    counted is at http://127.0.0.1:PORT/simulator/stats, as JSON.
    """
    from batchrun.app.simulate import simulate  # noqa: PLC0415 - not needed for --help

    pairs = []
    for name, value in options.items():
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        pairs += [f"{name}={item}" for item in values]
    return asyncio.run(simulate(parse_options(pairs), port, seed, db, click.echo, api=api))
