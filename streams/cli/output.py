"""The option -o of the commands that write a spill file."""

from __future__ import annotations

from pathlib import Path

import click


def _named(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    """Refuse what no file can be written as; the rest is for the writer to check."""
    path = Path(value)
    if not value or path.is_dir():
        what = f"{value!r} is a folder" if value else "it is empty"
        raise click.BadParameter(f"{what}; give the name of the file to write")
    return path


output_option = click.option(
    "-o", "--output", required=True, callback=_named, metavar="FILE", help="Spill file to write."
)
