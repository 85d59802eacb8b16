"""A progress bar on a terminal, silence in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
from rich.console import Console
from rich.progress import Progress


@dataclass(frozen=True)
class Bar:
    """What to call with the fraction done, and with a line to show meanwhile (a line is also shown in a pipe)."""

    tell: Callable[[float], None]
    say: Callable[[str], None]


@contextmanager
def progress(what: str) -> Iterator[Bar]:
    """Show a bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Bar(lambda _fraction: None, lambda line: click.echo(line, err=True))
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield Bar(
            lambda fraction: bar.update(task, completed=fraction),
            # Through the bar's own console: it would draw over a line that came past it.
            lambda line: bar.console.print(line, soft_wrap=True, highlight=False, markup=False),
        )
