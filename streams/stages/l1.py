"""The L1 stages as processes: the sequencer between L0 and the monitor, and its workers."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from streams import exchange
from streams.exchange import L0Output, SpillStart
from streams.stages.processes import Place, take
from streams.wire.endpoint import POLL_MS, Stopped
from streams.wire.message import MalformedMessage, Message
from streams.wire.receiver import Receiver
from streams.wire.sender import ReaderRestarted, Sender
from streams.wire.state import LinkState

if TYPE_CHECKING:
    from streams.stages.sequencer import Sequencer
    from streams.wire.tasks import TaskGiver

TASKS_PER_WORKER: Final = 3
"""Tasks that are not concluded, for each worker, from which on nothing more is taken from L0: memory is bounded."""


def l1_step(place: Place) -> None:
    """Give the triggers of L0 to workers, and put their answers in order."""
    from streams.stages.sequencer import Sequencer, warm_up
    from streams.wire.tasks import TaskGiver

    with (
        closing(place.sender("monitor")) as sender,
        closing(TaskGiver(place.context, place.endpoints["work"])) as giver,
    ):
        warm_up(place.request.menu)
        place.supervisor.tell(endpoint={"work": giver.endpoint})
        place.supervisor.tell(ready=True)
        with closing(_L1Flow(place, sender, giver, Sequencer)) as flow:
            while not flow.over:
                with (
                    closing(place.receiver("l1", flow.service, giver.socket)) as receiver,
                    suppress(ReaderRestarted),
                ):
                    while not flow.over:
                        take(receiver, flow.take)


class _L1Flow:
    """The sequencer between its links."""

    def __init__(self, place: Place, sender: Sender, giver: TaskGiver, sequencer: type[Sequencer]) -> None:
        self._make = sequencer
        self._place = place
        self._request = place.request
        self._menu = place.request.menu.hash
        self._sender = sender
        self._giver = giver
        self._most = TASKS_PER_WORKER * place.request.workers
        self._spill: Sequencer | None = None
        self.over = False

    def service(self) -> None:
        """Hear the monitor and the workers, without waiting."""
        self._sender.service()
        self._hear(0)

    def _hear(self, timeout_ms: int) -> None:
        """Take the answers that have come, or wait for one."""
        for message in self._giver.turn(timeout_ms):
            if self._spill is not None:
                self._answer(self._spill, message)

    def _answer(self, spill: Sequencer, message: Message) -> None:
        from streams.work import Answer

        try:
            answer = Answer.of(message, spill.task(message.seq))
        except MalformedMessage as wrong:
            self._giver.refuse(message.seq, wrong)
        else:
            self._giver.settle(message.seq)
            spill.answer(answer)

    def _wait_until(self, most: int) -> None:
        """Wait until at most so many tasks are not concluded. Raises Stopped."""
        while self._spill is not None and self._spill.outstanding > most:
            if self._place.supervisor.stopped():
                raise Stopped
            self._sender.service()
            self._hear(POLL_MS)

    def take(self, message: Message, receiver: Receiver) -> None:
        """Deal with a message. Raises MalformedMessage before anything has come of it."""
        spill = self._spill
        if message.kind == exchange.START:
            self._begin(SpillStart.of(message))
        elif spill is None:
            raise MalformedMessage(f"{message.kind}: comes before the start of a spill")
        elif message.kind == exchange.END:
            end = spill.end(exchange.read_end(message))
            self._sender.send(exchange.end_message(end, spill.start, self._menu))
            self._sender.drain()
            self._sender.counts, self._giver.counts, receiver.counts = LinkState(), LinkState(), LinkState()
            self.over = spill.start.last or end.interrupted
        else:
            self._take_triggers(spill, exchange.read_output(message), receiver)

    def _begin(self, start: SpillStart) -> None:
        self.close()
        self._giver.begin()
        self._spill = self._make(start, self._request)
        self._sender.wait_for_readers()
        self._sender.begin(start.message(self._menu))

    def _take_triggers(self, spill: Sequencer, output: L0Output, receiver: Receiver) -> None:
        for task in spill.take(output):
            self._giver.give(task.number, task.message())
        self._wait_until(self._most if output.n_frames else 0)
        spill.totals.links = {
            "l1": receiver.counts,
            "work": self._giver.state(),
            "monitor": self._sender.state(),
        }
        self._sender.send(exchange.output_message(spill.output(output), spill.start, self._menu))

    def close(self) -> None:
        """Leave the present spill."""
        if self._spill is not None:
            self._spill.close()


def worker_step(place: Place) -> None:
    """Answer the sequencer's tasks until told to stop."""
    from streams.stages.worker import L1Worker
    from streams.wire.tasks import TaskTaker
    from streams.work import Task

    supervisor = place.supervisor
    with closing(L1Worker(place.request)) as worker:
        supervisor.tell(ready=True)
        endpoint = supervisor.wait_for("endpoint work")
        with closing(TaskTaker(place.context, endpoint, supervisor.finishing, place.name)) as taker:
            while True:
                message = taker.take()
                taker.answer(message, worker.run(Task.of(message)).message())
