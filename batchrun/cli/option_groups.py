"""The options in groups, as the help of a command and the job file of `init` show them."""

from collections.abc import Mapping

import click

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Service": ("workflow_id", "api", "mode", "base_url", "simulate", "sim"),
    "Credentials": ("token_file", "token_command", "allow_insecure", "ca_file"),
    "Input": ("input", "format", "encoding", "delimiter", "type", "param", "skip", "const", "schema", "key", "limit"),
    "Limits": ("rps", "poll_rps", "total_rps", "rate_control", "max_in_flight", "max_connections"),
    "Polling": (
        "poll_schedule",
        "poll_initial",
        "poll_max",
        "max_polls",
        "run_timeout",
        "callback_url",
        "callback_listen",
    ),
    "Time and outages": ("request_timeout", "drain_timeout", "max_outage", "max_runtime"),
    "Retries and failures": ("rows", "retries", "retry_failed_runs", "in_doubt", "max_failures"),
    "Results": ("out", "select", "flatten", "reuse", "fresh", "checkpoint_dir", "seed"),
    "What is shown": ("dry_run", "progress", "json", "quiet", "verbose"),
}
"""Heading → options, in the order in which they are shown; what is not named here stands under `Other`."""

_HEADINGS = {name: heading for heading, names in SECTIONS.items() for name in names}


class SectionedCommand(click.Command):
    """A command with so many options that its help needs headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*SECTIONS, "Other")}
        for parameter in self._in_order(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                sections[_HEADINGS.get(parameter.name or "", "Other")].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records, col_max=26)

    def _in_order(self, ctx: click.Context) -> list[click.Parameter]:
        locations = {name: place for place, name in enumerate(_HEADINGS)}
        return sorted(self.get_params(ctx), key=lambda parameter: locations.get(parameter.name or "", len(locations)))
