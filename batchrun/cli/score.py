"""`batchrun score`."""

import json
from pathlib import Path

import click

from batchrun.app.signals import interruptible
from batchrun.cli.examples import examples
from batchrun.cli.options import scorers_given
from batchrun.cli.output import show_log
from batchrun.domain.filenames import OUTPUTS
from batchrun.errors import ExitCode


@click.command(
    "score",
    epilog=examples(
        (
            "is the field `label` the column `expected`?",
            "batchrun score rows-run --score right=exact:label:expected",
        ),
        ("within 1 % of a number", "batchrun score rows-run --score near=number~0.01:price:price"),
        ("by the verdicts of a second job, the judge", "batchrun score rows-run --judge judge-run --score ok=value:ok"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--score", "scores", multiple=True, metavar="NAME=KIND:EXPR:TARGET", help="A further scorer; see above")
@click.option(
    "--judge",
    metavar="DIR2",
    type=click.Path(path_type=Path),
    help=f"Let the expressions read the outputs of this job, whose input is DIR/{OUTPUTS}",
)
@click.option("--json", "as_json", is_flag=True, help="The figures as one JSON object")
def command(folder: Path, *, scores: tuple[str, ...], judge: Path | None, as_json: bool) -> int:
    """Score the outputs of the job in DIR, as they stand now: writes scores.parquet and shows the figures.

    The job's own scorers are used, and those of --score. Nothing is sent. EXPR is a JMESPath expression on the output
    (empty: the whole of it), TARGET a column of the input, 'text' in quotes, or a number.

    \b
    KIND      the score is 1 if the value of EXPR ...
    exact     equals TARGET
    iexact    equals TARGET, ignoring case and surrounding blanks
    contains  contains TARGET
    regex     matches the regular expression TARGET somewhere
    number    is TARGET within 1e-6 of it; number~0.01: within 1 %
    json      is the same JSON as TARGET
    f1        shares words with TARGET: from 0 to 1
    value     EXPR's own number or boolean; no TARGET
    python    what a function returns; TARGET is FILE.py:FUNCTION,
              called with the value and the row as a dict
    """
    from batchrun.app.compare import compare  # noqa: PLC0415 - not needed for --help
    from batchrun.app.score import score  # noqa: PLC0415
    from batchrun.scoring.extra import missing_extra  # noqa: PLC0415
    from batchrun.views.comparison import show_figures  # noqa: PLC0415

    with interruptible():
        show_log()
        path = score(folder, scorers_given(scores), judge=judge)
        if not as_json and (missing := missing_extra()) is not None:
            click.echo(missing, err=True)
            click.echo(path)
            return ExitCode.OK
        found = compare(folder)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        show_figures(found)
        click.echo(path)
    return ExitCode.OK
