"""Entry point of the `ktrig` command."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

import click

from trigger.errors import KtrigError

COMMANDS: Final = {
    "bench": "streams.cli.bench",
    "import": "streams.cli.import_",
    "info": "streams.cli.info",
    "menu": "streams.cli.menu",
    "replay": "streams.cli.replay",
    "simulate": "streams.cli.simulate",
    "validate": "streams.cli.validate",
    "verify": "streams.cli.verify",
}
"""Subcommand -> the module whose `command` it is; imported when asked for, so that none waits for another."""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one subcommand."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name]).command
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ktrig")
def ktrig() -> None:
    """Emulate the trigger of a kaon experiment as a stream."""


def main() -> None:
    """Run the command line; a ktrig error is one line on stderr and exit code 1."""
    try:
        ktrig()
    except KtrigError as wrong:
        click.echo(f"ktrig: {wrong}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output went away (`ktrig info | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
