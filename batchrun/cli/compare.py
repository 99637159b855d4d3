"""`batchrun compare`."""

import json
from pathlib import Path

import click

from batchrun.app.signals import interruptible
from batchrun.cli.examples import examples
from batchrun.cli.output import show_log
from batchrun.errors import ExitCode

MAX_ROWS = 10
"""Rows that are named of those for which a requirement does not hold."""


@click.command(
    "compare",
    epilog=examples(
        ("the variants of a sweep, with the first 5 rows that flipped", "batchrun compare rows-run --show 5"),
        ("last week's job and this week's", "batchrun compare week1-run week2-run"),
        (
            "in CI: exit code 5 if it got worse",
            "batchrun compare rows-run --require 'no-worse right'",
        ),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("others", metavar="[DIR2]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--baseline", metavar="V", help="Compare the others with this variant [default: the first]")
@click.option("--require", multiple=True, metavar="RULE", help="Exit with 5 if this does not hold; see above")
@click.option("--by", metavar="COLUMN", help="Split every figure by the values of this column of the input")
@click.option(
    "--cluster", metavar="COLUMN", help="Rows with the same value count as one group [default: the job's own]"
)
@click.option(
    "--show",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="The first N rows that got better and the first N that got worse, with both outputs",
)
@click.option("--json", "as_json", is_flag=True, help="The comparison as one JSON object")
def command(
    folder: Path,
    others: tuple[Path, ...],
    *,
    baseline: str | None,
    require: tuple[str, ...],
    by: str | None,
    cluster: str | None,
    show: int,
    as_json: bool,
) -> int:
    """Compare the variants of the sweep in DIR by its scores: which is better, and may it be chance? Sends nothing.

    Several directories are compared by --key, or by row if their inputs are the same. Rules for --require:

    \b
    right>=0.8             the mean of scorer `right`, of every variant
    right[lang=en]>=0.8    of one variant
    each right>=0.5        of every input row, over its repeats
    missing right<=2%      rows without a score
    no-worse right         no 95 % interval against the baseline lies below 0
    no-worse right by 0.02   each lies above -0.02
    """
    from batchrun.app.compare import compare  # noqa: PLC0415 - not needed for --help
    from batchrun.views.comparison import show_comparison  # noqa: PLC0415
    from batchrun.views.printable import printable  # noqa: PLC0415

    with interruptible():
        show_log()
        found = compare(folder, *others, baseline=baseline, require=require, by=by, cluster=cluster, show=show)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        show_comparison(found, shows_flips=show > 0)
    for verdict in found.verdicts:
        click.echo(printable(verdict.line), err=True)
        for name, rows in verdict.rows.items():
            shown = ", ".join(found.label(row) for row in rows[:MAX_ROWS])
            more = f" and {len(rows) - MAX_ROWS:,} more" if len(rows) > MAX_ROWS else ""
            if rows:
                click.echo(printable(f"  {name}: {shown}{more}"), err=True)
    return ExitCode.OK if found.requirements_met else ExitCode.NOT_MET
