"""Entry point of the `ktrig` command."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

import click

from streams.cli.signals import ENDINGS, SIGNALLED, Ended, take_no_more_signals, take_signals
from trigger.errors import KtrigError

COMMANDS: Final = {
    "bench": ("streams.cli.bench", "Time the parts of ktrig against a baseline."),
    "compare": ("streams.cli.compare", "Play a spill through two menus; report what differs."),
    "efficiency": ("streams.cli.efficiency", "Show L0 and L1 efficiencies from the truth of a spill."),
    "import": ("streams.cli.import_", "Turn an experiment's own files into spill files."),
    "info": ("streams.cli.info", "Show what a spill file holds."),
    "menu": ("streams.cli.menu", "Show, check and compare trigger menus."),
    "plot": ("streams.cli.plot", "Draw what is in a file."),
    "replay": ("streams.cli.replay", "Play a spill through the trigger; report the rates."),
    "simulate": ("streams.cli.simulate", "Simulate a spill: primitives, hits and truth."),
    "validate": ("streams.cli.validate", "Check spill files; name each problem and its place."),
    "verify": ("streams.cli.verify", "Compare ktrig's answers with recorded ones."),
}
"""Subcommand -> the module whose `command` it is, and what it does.

A module is imported when its command is used: some compile kernels, and neither `ktrig --help` nor the other
commands should wait for that.
"""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one subcommand."""
        if name not in COMMANDS:
            return None
        module, _does = COMMANDS[name]
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and what they do, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_module, does) in sorted(COMMANDS.items())])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ktrig")
def ktrig() -> None:
    """Emulate the trigger of a kaon experiment as a stream."""


def main() -> None:
    """Run the command line.

    Exit code 1 and one line on stderr for a ktrig error, 2 for wrong arguments, 128 + n for a signal.
    """
    take_signals()
    try:
        code = ktrig(prog_name="ktrig", standalone_mode=False)
        sys.stdout.flush()
    except KtrigError as wrong:
        _leave(str(wrong), 1)
    except click.exceptions.NoArgsIsHelpError as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except click.UsageError as wrong:
        _leave(_usage(wrong), wrong.exit_code)
    except click.ClickException as wrong:
        _leave(wrong.format_message(), wrong.exit_code)
    except Ended as ended:
        take_no_more_signals()
        _leave(ENDINGS[ended.number], SIGNALLED + ended.number)
    except OSError as wrong:
        # What is left in the buffer of stdout would be written, and fail, once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(wrong, BrokenPipeError):  # `ktrig info | head` is not an error of ours.
            _leave(f"{wrong.filename or 'cannot write the output'}: {wrong.strerror}", 1)
        sys.exit(1)
    sys.exit(code)


def _leave(why: str, code: int) -> None:
    click.echo(f"ktrig: {why}", err=True)
    sys.exit(code)


def _usage(wrong: click.UsageError) -> str:
    """Say in one line what is wrong with the arguments, and where to read on."""
    command = wrong.ctx.command_path if wrong.ctx else "ktrig"
    message = " ".join(wrong.format_message().split()).rstrip(".")
    return f"{message}; see {command} --help"
