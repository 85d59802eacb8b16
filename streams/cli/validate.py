"""`ktrig validate`: every problem of a spill file, and where it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from streams import catalogue
from streams.spill.content import Given
from streams.spill.problem import Problem, checks
from streams.spill.validate import validate


def _list(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the checks and leave."""
    if wanted:
        for check in checks():
            click.echo(f"{check.part:<10}  {check.name:<10}  {check.severity:<7}  {check.asks}")
        context.exit()


@click.command()
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
@click.option("--experiment", metavar="PROFILE", help="Experiment profile, if not one that ships with ktrig.")
@click.option("--menu", metavar="MENU", help="Trigger menu: warn of its lines that cannot fire on the spill.")
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the checks."
)
def command(
    files: tuple[str, ...], experiment: str | None, menu: str | None, strict: bool, as_json: bool
) -> None:
    """Check spill FILEs; name each problem and its place. Exits 1 if one is an error."""
    given = Given(
        None if experiment is None else catalogue.load_experiment(experiment),
        None if menu is None else catalogue.load_menu(menu, experiment),
    )
    found: dict[str, list[Problem]] = {}
    for file in files:
        found[file] = []
        for problem in validate(file, given):
            found[file].append(problem)
            if not as_json:
                click.echo(_line(file, problem))
        if not as_json and not _errors(found[file], strict):
            n = len(found[file])
            click.echo(f"{file}: good" + (f", {n} warning{'s' * (n > 1)}" if n else ""))
    every = [problem for problems in found.values() for problem in problems]
    if as_json:
        errors = _errors(every, strict=False)
        listed = {file: [vars(problem) for problem in problems] for file, problems in found.items()}
        click.echo(json.dumps({"files": listed, "errors": errors, "warnings": len(every) - errors}))
    sys.exit(1 if _errors(every, strict) else 0)


def _line(file: str, problem: Problem) -> str:
    where = f"{file or repr(file)}: {problem.severity}: {problem.check}: {problem.place}"
    return f"{where}: {problem.what}; {problem.remedy}"


def _errors(problems: Sequence[Problem], strict: bool) -> int:
    """Count the problems that make the answer no."""
    return sum(strict or problem.severity == "error" for problem in problems)
