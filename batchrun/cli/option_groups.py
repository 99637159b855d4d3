"""The groups of options, for help texts and for the job file of `init`."""

from collections.abc import Mapping

import click

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Service": (
        "workflow_id",
        "api",
        "mode",
        "base_url",
        "bot_id",
        "app_id",
        "workflow_version",
        "ext",
        "simulate",
        "sim",
    ),
    "Credentials": ("token_file", "token_command", "oauth_config", "allow_insecure", "ca_file"),
    "Input": (
        "input",
        "format",
        "encoding",
        "delimiter",
        "type",
        "param",
        "rename",
        "skip",
        "const",
        "file",
        "file_root",
        "schema",
        "key",
        "limit",
        "sample",
    ),
    "Sweep": ("vary", "repeat", "score", "cluster"),
    "Limits": (
        "rps",
        "poll_rps",
        "total_rps",
        "plan",
        "share_limits",
        "rate_control",
        "max_in_flight",
        "max_connections",
        "workers",
        "ray",
        "max_submissions",
        "max_tokens",
    ),
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
    "What is shown": ("dry_run", "progress", "json", "log_file", "quiet", "verbose"),
}
"""Heading → options, in the order of the help text. Options that are missing here are shown under `Other`."""

_HEADINGS = {name: heading for heading, names in SECTIONS.items() for name in names}


class SectionedCommand(click.Command):
    """A command whose help shows the options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*SECTIONS, "Other")}
        for parameter in self._ordered_parameters(ctx):
            help_record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and help_record is not None:
                sections[_HEADINGS.get(parameter.name or "", "Other")].append(help_record)
        for heading, help_records in sections.items():
            if help_records:
                with formatter.section(heading):
                    formatter.write_dl(help_records, col_max=26)

    def _ordered_parameters(self, ctx: click.Context) -> list[click.Parameter]:
        order = {name: index for index, name in enumerate(_HEADINGS)}
        return sorted(self.get_params(ctx), key=lambda parameter: order.get(parameter.name or "", len(order)))
