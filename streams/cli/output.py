"""Options for files that are written: a spill, a picture."""

from __future__ import annotations

from pathlib import Path

import click

from streams.plots.style import SUFFIXES


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


def check_picture(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a picture of a kind that cannot be drawn, or in a folder that is not there."""
    if value is None:
        return None
    if value.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{str(value)!r} must end in {', '.join(SUFFIXES)}")
    if not value.parent.is_dir():
        raise click.BadParameter(f"{str(value.parent)!r} is not a folder; make it, or name another")
    return value
