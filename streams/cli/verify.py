"""`ktrig verify`: compare ktrig's answers with those recorded from the experiment."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any, Final

import click

from streams.formats.golden_l0 import DETECTORS, read
from trigger.clock import TICK_BITS
from trigger.errors import KtrigError
from trigger.frames import BLOCK_FRAMES
from trigger.l0.comparison import Difference, compare, explain, fields
from trigger.l0.triggers import Triggers

WIDTH: Final = 80
DISAGREES: Final = 1
UNREADABLE: Final = 2


@click.group()
def command() -> None:
    """Compare ktrig's answers with recorded ones."""


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--block-frames",
    type=click.IntRange(min=1),
    default=BLOCK_FRAMES,
    show_default=True,
    help="Cut the input into blocks of this many frames.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def l0(files: tuple[str, ...], block_frames: int, as_json: bool) -> None:
    """Run the primitives of golden-vector files through the L0 processor.

    Prints for each file the number of triggers and of differences, and explains the first difference. Exit
    code: 0 if all agree, 1 if there is a difference, 2 if there is none but a file cannot be read.
    """
    results = []
    width = max(len(Path(file).name) for file in files)
    if not as_json:
        click.echo(f"{'file':<{width}}  triggers  differences")
    for file in files:
        result = _verified(file, block_frames)
        results.append(result)
        if not as_json:
            _print(result, width)
    totals = {key: sum(result[key] for result in results) for key in ("triggers", "differences")}
    if as_json:
        for result in results:
            del result["explanation"]
        click.echo(json.dumps({"files": results, **totals}, indent=2))
    elif len(files) > 1:
        click.echo(f"{'total':<{width}}  {totals['triggers']:>8}  {totals['differences']:>11}")
    if totals["differences"]:
        click.get_current_context().exit(DISAGREES)
    if any(result["error"] for result in results):
        click.get_current_context().exit(UNREADABLE)


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--no-memory",
    is_flag=True,
    help="Clear what the events before left behind, which can change answers of the experiment's code.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def straw(files: tuple[str, ...], no_memory: bool, as_json: bool) -> None:
    """Search the tracks of golden STRAW events.

    As the experiment's L1 code does it. Prints for each file how many events have the recorded verdict, and how
    many the recorded number of tracks and first four momenta too; explains the first that do not. Momenta are the
    same within 1e-5. Exit code: 0 if verdicts agree in 0.995 of each file's events or more and in 0.999 of all, and
    everything in 0.98 of each file's; 1 if not; 2 if they do but a file cannot be read.
    """
    # Here, so that `ktrig verify l0` does not wait for the kernels of the search.
    from streams.cli.verify_straw import verify_straw

    code = verify_straw(files, not no_memory, as_json)
    click.get_current_context().exit(code)


def _verified(file: str, block_frames: int) -> dict[str, Any]:
    """Run one file; a file that cannot be read has 0 triggers and an error."""
    result: dict[str, Any] = {"file": file, "triggers": 0, "differences": 0, "first_difference": None}
    try:
        vectors = read(file)
        found = vectors.run(block_frames)
    except KtrigError as wrong:
        return result | {"error": str(wrong), "explanation": []}
    differences = compare(vectors.expected, found)
    first, lines = None, []
    if differences:
        first = _described(differences[0], vectors.expected, found)
        lines = explain(differences[0], vectors.expected, found, DETECTORS)
    return result | {
        "triggers": len(vectors.expected),
        "differences": len(differences),
        "first_difference": first,
        "error": None,
        "explanation": lines,
    }


def _described(difference: Difference, expected: Triggers, found: Triggers) -> dict[str, Any]:
    """Return a difference as JSON; fields that agree are left out."""
    triggers, index = (expected, difference.expected)
    if index is None:
        triggers, index = found, difference.found
    wanted = fields(expected, difference.expected, DETECTORS)
    got = fields(found, difference.found, DETECTORS)
    names = [name for name in wanted or got if wanted.get(name) != got.get(name)]
    return {
        "kind": difference.kind,
        "number": None if difference.expected is None else difference.expected + 1,
        "timestamp": int(triggers.time_lsb[index]) >> TICK_BITS,
        "expected": {name: wanted[name] for name in names} if wanted else None,
        "found": {name: got[name] for name in names} if got else None,
    }


def _print(result: dict[str, Any], width: int) -> None:
    if result["error"]:
        click.echo(f"ktrig: {result['error']}", err=True)
        return
    click.echo(f"{Path(result['file']).name:<{width}}  {result['triggers']:>8}  {result['differences']:>11}")
    for i, line in enumerate(result["explanation"]):
        indent = "  first: " if i == 0 else "    "
        for piece in textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=" " * 6):
            click.echo(piece)
