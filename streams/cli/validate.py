"""`ktrig validate`: every problem of a spill file, and where it is."""

from __future__ import annotations

import json
import sys

import click

from streams.spill.validate import Problem, validate


@click.command()
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Check spill FILEs; name each problem and its place. Exits 1 if there is any."""
    found: dict[str, list[Problem]] = {}
    for file in files:
        found[file] = []
        for problem in validate(file):
            found[file].append(problem)
            if not as_json:
                click.echo(f"{file}: {problem.check}: {problem.place}: {problem.what}")
        if not as_json and not found[file]:
            click.echo(f"{file}: good")
    total = sum(map(len, found.values()))
    if as_json:
        listed = {file: [vars(problem) for problem in problems] for file, problems in found.items()}
        click.echo(json.dumps({"files": listed, "problems": total}))
    sys.exit(1 if total else 0)
