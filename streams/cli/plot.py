"""`ktrig plot`: pictures of what ktrig reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from streams.catalogue import load_experiment, load_menu
from streams.cli.output import check_picture
from streams.monitors.snapshot_file import read_snapshot
from streams.spill.reader import SpillReader
from trigger.errors import KtrigError

HIT_MENU: Final = "na62-2018"

ALL: Final = "all"
"""Stands for the name of every search."""

picture_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=check_picture,
    metavar="FILE",
    help="Picture to write: .png, .svg or .pdf.  [default: FILE.png]",
)


@click.group()
def command() -> None:
    """Draw what is in a file."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@picture_option
@click.option(
    "--experiment", "profile", metavar="PROFILE", help="Profile of your own, a name or a .toml file."
)
@click.option("--hit-menu", metavar="MENU", help="Hit menu of the file, if ktrig does not ship it.")
def spill(file: Path, output: Path | None, profile: str | None, hit_menu: str | None) -> None:
    """Draw a spill: intensity, rates, masses, vertices.

    Missing and invariant masses are of true decays, with the resolution of the spectrometer, and the measured beam
    tracks.
    """
    # Only now: matplotlib takes a second.
    from streams.plots.spill import draw
    from streams.plots.spill_content import collect

    with SpillReader(file) as reader:
        header = reader.header
        experiment = load_experiment(profile or header.experiment)
        content = collect(reader, experiment, _lines(reader, hit_menu))
    made = "simulated" if header.simulated else "recorded"
    output = output or file.with_suffix(".png")
    draw(content, f"{header.experiment} run {header.run} burst {header.burst}, {made}: {file.name}", output)
    click.echo(str(output))


def _lines(reader: SpillReader, wanted: str | None) -> dict[str, int]:
    """Lines of the file's hit menu: name -> bit of the flags, -1 for the control trigger."""
    readout = reader.optional.readout
    if readout is None:
        return {}
    menu, _ = load_menu(wanted or readout.menu)
    if menu.hash != readout.menu_hash:
        raise KtrigError(
            f"{reader.path}: its hit menu {readout.menu} is not the one that ktrig has; give it with --hit-menu"
        )
    lines = {line.name: bit for bit, line in enumerate(menu.line)}
    return lines | ({menu.control.name: -1} if menu.control else {})


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@picture_option
@click.option(
    "--search",
    "searches",
    multiple=True,
    metavar="NAME",
    help="A page of this search in FILE.NAME.png, not the overview; all: of each one. May be repeated.",
)
def monitors(file: Path, output: Path | None, searches: tuple[str, ...]) -> None:
    """Draw a snapshot of the monitors.

    The overview has the intensity of the last spill, and of each search its spectrum and local p-values. The page of
    a search adds the pulls of its background fit, the global p-value and the upper limit with what is expected.
    """
    snapshot = read_snapshot(file)
    pages = [s.name for s in snapshot.searches] if ALL in searches else list(dict.fromkeys(searches))
    for name in pages:
        snapshot.search(name)
    # Only now: matplotlib takes a second.
    from streams.plots.monitors import draw_overview, draw_search

    picture = output or file.with_suffix(".png")
    if not searches:
        draw_overview(snapshot, picture)
        click.echo(str(picture))
    for name in pages:
        # With -o and one page, that is the picture.
        one = output is not None and len(pages) == 1 and ALL not in searches
        path = picture if one else picture.with_name(f"{picture.stem}.{name}{picture.suffix}")
        draw_search(snapshot, name, path)
        click.echo(str(path))
