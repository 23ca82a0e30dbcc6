"""`fedjobs silo`: registers the commands of the modules in `fedjobs.silos`."""

from __future__ import annotations

import typer

from fedjobs.silos import audit_command, consent_commands, join_command, member_commands

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Manage the silos of a federation, or run and audit a silo.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

member_commands.register(app)
join_command.register(app)
consent_commands.register(app)
audit_command.register(app)
