"""Playing spills from a source to the readers of a link, until all is dealt with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streams import exchange
from streams.exchange import SpillEnd
from streams.stages.source import FileSource
from streams.wire.endpoint import Stopped
from streams.wire.sender import ReaderRestarted, Sender
from streams.wire.state import LinkState
from trigger.errors import KtrigError

MAX_ATTEMPTS: Final = 20
"""How often a spill is begun before we give it up: a reader that dies in it each time would make it last for ever."""


class SpillGivenUp(KtrigError):  # noqa: N818 - it is what happened
    """A spill that could not be delivered."""


def play_spills(
    source: FileSource,
    sender: Sender,
    link: str,
    menu: str,
    stopped: Callable[[], bool],
    delivered: Callable[[SpillEnd], None] = lambda _end: None,
) -> None:
    """Send all spills from where the source stands; begin one again whose reader was started anew.

    What `sender.stop` says ends the spill that is being played as if it were over; only `stopped` ends the settling
    of what was sent, by Stopped. The sender counts anew for each spill. link: the name of the receivers in the
    totals. delivered: called when all of a spill is dealt with. Raises SpillGivenUp, and what `Sender.send` does.
    """
    finishing = sender.stop
    while True:
        sender.stop = stopped
        try:
            sender.begin(source.start.message(menu))
            sender.stop = finishing
            interrupted = _send_blocks(source, sender, link, menu)
            sender.stop = stopped
            end = source.end(interrupted)
            sender.send(exchange.end_message(end, source.start, menu))
            sender.drain()
        except ReaderRestarted as reader:
            if source.attempts >= MAX_ATTEMPTS:
                raise SpillGivenUp(
                    f"{source.start.file}: reader {reader} was started anew in the middle of it {source.attempts} "
                    "times; see why it dies, and play the spill again"
                ) from None
            source.rewind()
            continue
        delivered(end)
        sender.counts = LinkState()
        if source.start.last or interrupted:
            return
        source.next_spill()


def _send_blocks(source: FileSource, sender: Sender, link: str, menu: str) -> bool:
    """Send the blocks of a spill; return whether an order ended it before its time."""
    try:
        for block in source.blocks():
            source.totals.links = {link: sender.state()}
            message = exchange.block_message(block, source.start, source.totals, source.late, menu)
            try:
                sender.send(message)
            except (Stopped, ReaderRestarted):
                source.totals.take_back(block)
                raise
    except Stopped:
        return True
    finally:
        source.totals.links = {link: sender.state()}
    return False
