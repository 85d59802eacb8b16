"""Each stage as a process: read, step, send, acknowledge, until the last spill is over or an order to stop.

A spill is an epoch of each link. If the reader of a stage was started anew in the middle of one, the stage begins the
spill again: the source at the first block, L0 by asking the source to, as a stage that was started anew itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

import zmq

from streams import exchange
from streams.exchange import SpillEnd, SpillStart
from streams.ledger import LedgerError
from streams.stages.request import Request
from streams.stages.supervision import Supervisor
from streams.wire.endpoint import Stopped
from streams.wire.message import MalformedMessage, Message
from streams.wire.receiver import Receiver
from streams.wire.sender import ReaderRestarted, Sender
from streams.wire.state import LinkState
from trigger.errors import KtrigError

if TYPE_CHECKING:
    from streams.stages.l0 import L0Stage
    from streams.stages.monitor import MonitorStage

PROGRESS_S: Final = 0.1
"""Time between two reports of progress."""


@dataclass
class Place:
    """Where a stage finds itself.

    endpoints: of the links, by the name of their receiver; ours to choose a port for if it ends in `:*`. first: the
    spill to begin with. counters: of the downscaling, by line, at the start of each spill for which they are known.
    name: of the stage.
    """

    request: Request
    supervisor: Supervisor
    context: zmq.Context[Any]
    endpoints: dict[str, str]
    first: int = 0
    counters: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    name: str = ""

    def sender(self, to: str) -> Sender:
        """Open the link to a stage, and tell the supervisor where it listens."""
        sender = Sender(self.context, self.endpoints[to], self.supervisor.stopped)
        self.supervisor.tell(endpoint={to: sender.endpoint})
        return sender

    def receiver(
        self,
        name: str,
        service: Callable[[], None] = lambda: None,
        beside: zmq.Socket[Any] | None = None,
    ) -> Receiver:
        """Open the link by which a stage gets its messages, once it is known where its sender listens.

        service: called while the receiver waits, at once when there is something to read at the socket `beside`.
        """
        endpoint = self.supervisor.wait_for(f"endpoint {name}")

        def stop() -> bool:
            service()
            return self.supervisor.finishing()

        return Receiver(self.context, endpoint, stop, name, beside=beside)


Step = Callable[[Place], None]


def run_stage(step: Step, request: Request, connection: Connection, **place: Any) -> None:
    """Run one stage; an error is told to the supervisor. The entry point of the child processes."""
    supervisor = Supervisor(connection)
    context = zmq.Context()
    try:
        step(Place(request, supervisor, context, **place))
    except Stopped:
        supervisor.tell(stopped=True)
    except KtrigError as wrong:
        supervisor.tell(error=str(wrong))
    finally:
        context.term()
        connection.close()


def source_step(place: Place) -> None:
    """Play the files to L0."""
    # Each stage imports what only it needs, in particular kernels: that is most of the time of its start.
    from streams.stages.play import play_spills
    from streams.stages.source import FileSource

    menu, supervisor = place.request.menu.hash, place.supervisor
    with closing(place.sender("l0")) as sender:

        def check() -> None:
            supervisor.check()
            sender.service()

        with closing(FileSource(place.request, place.first, check)) as source:
            supervisor.tell(ready=True)
            supervisor.wait_for("go")
            sender.stop = supervisor.finishing
            sender.wait_for_readers()
            play_spills(source, sender, "l0", menu, supervisor.stopped)


def l0_step(place: Place) -> None:
    """Turn primitives into triggers."""
    from streams.stages.l0 import L0Stage

    with closing(place.sender(behind_l0(place.request))) as sender:
        place.supervisor.tell(ready=True)
        flow = _L0Flow(place, sender, L0Stage)
        while not flow.over:
            with closing(place.receiver("l0", sender.service)) as receiver, suppress(ReaderRestarted):
                while not flow.over:
                    take(receiver, flow.take)


class _L0Flow:
    """L0 between its two links.

    counters: of the downscaling at the start of each spill, as far as it is known. A spill that was over can come
    once more, if the source died before it knew, and must begin where it did.
    """

    def __init__(self, place: Place, sender: Sender, stage: type[L0Stage]) -> None:
        self._make_stage = stage
        self._request = place.request
        self._menu = place.request.menu.hash
        self._sender = sender
        self._stage: L0Stage | None = None
        self._counters = place.counters
        self.over = False

    def take(self, message: Message, receiver: Receiver) -> None:
        """Deal with a message. Raises MalformedMessage before anything has come of it."""
        if message.kind == exchange.START:
            start = SpillStart.of(message)
            if start.index not in self._counters:
                raise LedgerError(
                    f"{start.file}: where its downscaling begins is not known; report this as a fault of ktrig"
                )
            self._stage = self._make_stage(start, self._request, self._counters[start.index])
            self._sender.wait_for_readers()
            self._sender.begin(self._stage.start.message(self._menu))
        elif self._stage is None:
            raise MalformedMessage(f"{message.kind}: comes before the start of a spill")
        elif message.kind == exchange.END:
            self._end(self._stage, exchange.read_end(message))
            self._sender.counts, receiver.counts = LinkState(), LinkState()
        else:
            block, source_totals, late = exchange.read_block(message)
            stage = self._stage
            stage.totals.links = {"l0": receiver.counts, behind_l0(self._request): self._sender.state()}
            output = stage.process(block, source_totals, late)
            # Its memory may go before the answer does.
            receiver.acknowledge(message)
            self._sender.send(exchange.output_message(output, stage.start, self._menu))

    def _end(self, stage: L0Stage, end: SpillEnd) -> None:
        self._sender.send(exchange.output_message(stage.finish(end), stage.start, self._menu))
        self._sender.send(exchange.end_message(stage.end(end), stage.start, self._menu))
        self._sender.drain()
        index = stage.start.index
        self._counters = {index: self._counters[index], index + 1: stage.counters}
        self.over = stage.start.last or end.interrupted


def monitor_step(place: Place) -> None:
    """Count, serve metrics, and report at the end of each spill."""
    from streams.stages.monitor import MonitorStage

    supervisor = place.supervisor
    with closing(MonitorStage(place.request)) as stage:
        if place.request.metrics:
            supervisor.tell(metrics_url=stage.serve(place.request.metrics))
        supervisor.tell(ready=True)
        with closing(place.receiver("monitor")) as receiver:
            flow = _MonitorFlow(stage, supervisor)
            try:
                while not flow.over:
                    take(receiver, flow.take)
            except Stopped:
                # Not a stop at once: what has arrived is still wanted.
                if not supervisor.stopped() and stage.begun:
                    supervisor.tell(report=stage.give_up())
                raise


class _MonitorFlow:
    """The monitor behind its link."""

    def __init__(self, stage: MonitorStage, supervisor: Supervisor) -> None:
        self._stage = stage
        self._supervisor = supervisor
        self._told_s = 0.0
        self.over = False

    def take(self, message: Message, receiver: Receiver) -> None:
        """Deal with a message. Raises MalformedMessage before anything has come of it."""
        stage = self._stage
        if message.kind == exchange.START:
            stage.begin(SpillStart.of(message))
        elif not stage.begun:
            raise MalformedMessage(f"{message.kind}: comes before the start of a spill")
        elif message.kind == exchange.END:
            end = exchange.read_end(message)
            self._supervisor.tell(report=stage.finish(end))
            receiver.counts = LinkState()
            self.over = stage.start.last or end.interrupted
        else:
            done = stage.update(exchange.read_output(message), receiver.counts)
            if time.monotonic() - self._told_s >= PROGRESS_S:
                self._told_s = time.monotonic()
                self._supervisor.tell(progress=stage.start.index + done)


def take(receiver: Receiver, deal: Callable[[Message, Receiver], None]) -> None:
    """Receive a message, deal with it and acknowledge it; one whose content is malformed is asked for again.

    What has been acknowledged already, to give its credit back early, may be so again.
    """
    message = receiver.receive()
    try:
        deal(message, receiver)
    except MalformedMessage as wrong:
        receiver.refuse(message, wrong)
    else:
        receiver.acknowledge(message)


STAGES: dict[str, Step] = {"monitor": monitor_step, "l0": l0_step, "source": source_step}
"""Those of a replay without L1, from the end of the flow."""


def behind_l0(request: Request) -> str:
    """Return the stage that reads what L0 sends."""
    return "l1" if request.l1 else "monitor"


def stages_of(request: Request) -> dict[str, Step]:
    """Return the stages of a replay, in the order of starting, from the end of the flow."""
    from streams.stages import l1

    workers = {f"worker{k + 1}": l1.worker_step for k in range(request.workers)} if request.l1 else {}
    middle = {"l1": l1.l1_step, **workers} if request.l1 else {}
    return {"monitor": STAGES["monitor"], **middle, "l0": STAGES["l0"], "source": STAGES["source"]}


def readers_of(request: Request) -> dict[str, list[str]]:
    """Return the links by their names, and the stages that read them; each link is that of one sender."""
    if not request.l1:
        return {"l0": ["l0"], "monitor": ["monitor"]}
    workers = [name for name in stages_of(request) if name.startswith("worker")]
    return {"l0": ["l0"], "l1": ["l1"], "work": workers, "monitor": ["monitor"]}


def links_of(stage: str, request: Request) -> list[str]:
    """Return the links that a stage sends on."""
    if stage == "l1":
        return ["monitor", "work"]
    return {"source": ["l0"], "l0": [behind_l0(request)]}.get(stage, [])
