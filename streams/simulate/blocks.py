"""Simulated blocks, each a pure function of the settings and its number, so that any worker can make it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from streams.simulate.readout import Readout, TriggerFeed
from streams.simulate.settings import SimulationSettings
from streams.simulate.simulation import Piece, SpillSimulation
from trigger.clock import LSB_PER_FRAME
from trigger.experiment import Experiment
from trigger.frames import Block
from trigger.l0.triggers import Triggers

Item = TypeVar("Item")
Made = TypeVar("Made")

AHEAD: Final = 2
"""Blocks a worker that are made before they are asked for: memory stays flat."""


def in_order(
    pool: ThreadPoolExecutor | None, make: Callable[[Item], Made], items: Iterable[Item], ahead: int
) -> Generator[Made, None, None]:
    """Yield what `make` makes of each item, in order, made by the pool at most `ahead` items early."""
    if pool is None:
        yield from map(make, items)
        return
    todo = iter(items)
    waiting: deque[Future[Made]] = deque(pool.submit(make, item) for item in islice(todo, ahead))
    try:
        while waiting:
            made = waiting.popleft().result()
            waiting.extend(pool.submit(make, item) for item in islice(todo, 1))
            yield made
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor | None]:
    """Threads to work with, none for one worker."""
    if workers == 1:
        yield None
    else:
        with ThreadPoolExecutor(workers, "simulate") as pool:
            yield pool


def make_pieces(
    simulation: SpillSimulation, readout: Readout | None = None, workers: int = 1
) -> Generator[Piece, None, None]:
    """Yield the pieces of a spill in order, made by `workers` threads that run a few blocks ahead at most.

    With a readout, its menu's triggers are found on the way, and each piece has what is read out around them.
    """
    with _pool(workers) as pool:
        ahead = AHEAD * workers
        first = in_order(pool, simulation.first, range(simulation.n_blocks), ahead)
        if readout is None:
            yield from first
            return
        yield from in_order(
            pool, lambda asked: simulation.second(*asked), _triggered(simulation, readout, first), ahead
        )


def _triggered(
    simulation: SpillSimulation, readout: Readout, pieces: Iterable[Piece]
) -> Iterator[tuple[Piece, Readout, Triggers]]:
    """Yield each piece when all triggers are known whose windows can reach into it."""
    feed = TriggerFeed(readout.menu, simulation.experiment)
    waiting: deque[Piece] = deque()
    for piece in pieces:
        feed.take(piece.block)
        waiting.append(piece)
        while waiting and waiting[0].block.stop_frame < feed.settled:
            yield _asked(waiting.popleft(), readout, feed)
    feed.finish(simulation.n_frames)
    while waiting:
        yield _asked(waiting.popleft(), readout, feed)


def _asked(piece: Piece, readout: Readout, feed: TriggerFeed) -> tuple[Piece, Readout, Triggers]:
    """Windows are shorter than a frame: what triggers in the next frame can read out this block's end."""
    begin = (piece.block.first_frame - 1) * LSB_PER_FRAME
    end = (piece.block.stop_frame + 1) * LSB_PER_FRAME
    return piece, readout, feed.between(begin, end)


def simulate_blocks(
    settings: SimulationSettings, experiment: Experiment, workers: int = 1
) -> Iterator[Block]:
    """Yield the primitives of a simulated spill, block by block, the same for any number of `workers`.

    Raises SimulationError if the experiment cannot be simulated.
    """
    for piece in make_pieces(SpillSimulation(settings, experiment), workers=workers):
        yield piece.block
