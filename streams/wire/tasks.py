"""The link between a sequencer and its workers: tasks out, answers back, each task answered once.

The giver is a ROUTER that binds; workers are DEALERs that connect, ask for tasks by credit and answer in any order. A
task stays with the giver until it is answered. It is given to another worker when its own is started anew, when its
connection is gone, or when it has said nothing for a while; what is then answered twice is taken once.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import zmq

from streams.wire.endpoint import POLL_MS, LinkError, Stopped, listen, make_socket, reason
from streams.wire.message import MAX_MESSAGE_BYTES, MalformedMessage, Message
from streams.wire.state import LinkState
from streams.work import ANSWER, ASK, TASK, Asked, read_asked, read_number

CREDIT: Final = 2
"""Tasks that a worker takes at once: one to work on, one that waits."""

SILENT_S: Final = 1.0
"""A worker that says nothing for so long has its tasks given to another, too."""

ANSWERS_AT_ONCE: Final = 100
"""Messages that are looked at before the caller goes on."""

MAX_WORKERS: Final = 1000

MAX_REFUSALS: Final = 5
"""How often a task is given again because its answer is malformed; then that is what its worker makes of it."""


@dataclass
class _Worker:
    """A worker as it last spoke.

    holds: numbers of the tasks that it was given, and when. failed: of those that others are to have now. silent: it
    has said nothing for a while.
    """

    asked: Asked
    heard_s: float
    holds: dict[int, float] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    silent: bool = False


class TaskGiver:
    """The sequencer's end. endpoint: where it listens, with the port if the system chose. counts: see LinkState."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        self.counts = LinkState()
        self.socket = make_socket(context, zmq.ROUTER, MAX_MESSAGE_BYTES)
        self.socket.router_mandatory = True
        self.endpoint = listen(self.socket, endpoint)
        self._workers: dict[bytes, _Worker] = {}
        self._epoch = time.monotonic_ns() // 1_000_000
        self._tasks: dict[int, Message] = {}
        self._refused: dict[int, int] = {}
        self._waiting: deque[int] = deque()

    def state(self) -> LinkState:
        """Return the counts and how many tasks are not answered."""
        return replace(self.counts, queued_messages=len(self._tasks))

    def begin(self) -> None:
        """Forget all tasks: a spill begins, or begins again."""
        self._epoch += 1
        self._tasks.clear()
        self._refused.clear()
        self._waiting.clear()
        for worker in self._workers.values():
            worker.holds.clear()
            worker.failed.clear()

    def give(self, number: int, task: Message) -> None:
        """Give a task to whoever has credit, now or later. Its arrays must not change before it is answered."""
        self._tasks[number] = task.numbered(self._epoch, number)
        self._waiting.append(number)
        self._push()

    def turn(self, timeout_ms: int) -> list[Message]:
        """Hear what has come, or wait for it; return answers to tasks that are not settled, first ones only."""
        answers: dict[int, Message] = {}
        for _ in range(ANSWERS_AT_ONCE):
            if not self.socket.poll(timeout_ms):
                break
            timeout_ms = 0
            address, *frames = self.socket.recv_multipart(copy=False)
            try:
                answer = self._hear(address.bytes, Message.decode([frame.buffer for frame in frames]))
            except MalformedMessage:
                self.counts.malformed += 1
                continue
            if answer is not None:
                self.counts.duplicates += answer.seq in answers
                answers.setdefault(answer.seq, answer)
        self._look_for_silence()
        self._push()
        return list(answers.values())

    def settle(self, number: int) -> None:
        """Note that an answer was taken."""
        self._tasks.pop(number, None)
        self._refused.pop(number, None)
        for worker in self._workers.values():
            worker.holds.pop(number, None)

    def refuse(self, number: int, wrong: MalformedMessage) -> None:
        """Count an answer that is malformed, and give its task again; raise `wrong` if it stays so."""
        self.counts.malformed += 1
        self._refused[number] = self._refused.get(number, 0) + 1
        if self._refused[number] >= MAX_REFUSALS:
            raise wrong
        for worker in self._workers.values():
            worker.holds.pop(number, None)
        self._again(number)

    def _hear(self, address: bytes, message: Message) -> Message | None:
        """Take what a worker says; return its answer if it is to be looked at. Raises MalformedMessage."""
        if message.kind == ASK:
            self._asked(address, read_asked(message))
            return None
        if message.kind != ANSWER:
            raise MalformedMessage(f"{message.kind}: is neither a question nor an answer")
        worker = self._workers.get(address)
        if worker is None:
            # It was given the task by a sequencer that was here before, or is a stranger.
            self.counts.stale += 1
            return None
        worker.heard_s, worker.silent = time.monotonic(), False
        number = read_number(message)
        if message.epoch != self._epoch:
            self.counts.stale += 1
            return None
        worker.holds.pop(number, None)
        if number not in self._tasks:
            self.counts.duplicates += 1
            return None
        if number in self._waiting:
            self._waiting.remove(number)
        return replace(message, seq=number)

    def _asked(self, address: bytes, asked: Asked) -> None:
        known = self._workers.get(address)
        if known is not None:
            known.heard_s, known.silent = time.monotonic(), False
            # It asks when it has nothing to do: what it was given long ago did not reach it.
            for number in [n for n, given_s in known.holds.items() if known.heard_s - given_s > SILENT_S]:
                del known.holds[number]
                known.failed.add(number)
                self._again(number)
            return
        if len(self._workers) >= MAX_WORKERS:
            raise MalformedMessage(f"{asked.worker}: too many workers")
        for other, worker in list(self._workers.items()):
            if worker.asked.worker == asked.worker:
                # Started anew, or connected anew: what it held is given again.
                self.counts.restarts += worker.asked.instance != asked.instance
                self.counts.reconnections += worker.asked.instance == asked.instance
                self._drop(other)
        self._workers[address] = _Worker(asked, time.monotonic())

    def _drop(self, address: bytes) -> None:
        for number in self._workers.pop(address).holds:
            self._again(number)

    def _again(self, number: int) -> None:
        """Put a task back in front of the queue, unless it is there, or answered, or somebody else has it too."""
        held = any(number in worker.holds for worker in self._workers.values() if not worker.silent)
        if number in self._tasks and number not in self._waiting and not held:
            self.counts.redelivered += 1
            self._waiting.appendleft(number)

    def _look_for_silence(self) -> None:
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.holds and not worker.silent and now - worker.heard_s > SILENT_S:
                worker.silent = True
                for number in [*worker.holds]:
                    self._again(number)

    def _push(self) -> None:
        """Give waiting tasks to the workers that have credit, the least laden first; not to one that failed it."""
        for number in [*self._waiting]:
            free = {
                address: worker
                for address, worker in self._workers.items()
                if not worker.silent and len(worker.holds) < worker.asked.credit
            }
            if not free:
                return
            fit = {address: worker for address, worker in free.items() if number not in worker.failed}
            if not fit and len(self._workers) > 1:
                continue
            address = min(fit or free, key=lambda one: (len(free[one].holds), one))
            self._waiting.remove(number)
            if self._deliver(address, number):
                self._workers[address].holds[number] = time.monotonic()
            else:
                self._waiting.appendleft(number)
                self._drop(address)

    def _deliver(self, address: bytes, number: int) -> bool:
        """Hand a task to ZeroMQ; False if the worker's connection is gone."""
        try:
            self.socket.send_multipart([address, *self._tasks[number].encode()], copy=False)
        except zmq.ZMQError as wrong:
            if wrong.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class TaskTaker:
    """A worker's end. `stop` is asked while it waits and ends the wait with Stopped."""

    def __init__(
        self, context: zmq.Context[Any], endpoint: str, stop: Callable[[], bool], worker: str
    ) -> None:
        self._stop = stop
        self._asked = {"worker": worker, "instance": secrets.randbits(62), "credit": CREDIT}
        self._socket = make_socket(context, zmq.DEALER, MAX_MESSAGE_BYTES)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise LinkError(f"cannot connect to {endpoint}: {reason(wrong)}") from None
        self._ask()

    def take(self) -> Message:
        """Wait for a task. Raises Stopped."""
        while True:
            if self._stop():
                raise Stopped
            if not self._socket.poll(POLL_MS):
                self._ask()
                continue
            try:
                message = Message.decode([f.buffer for f in self._socket.recv_multipart(copy=False)])
            except MalformedMessage:
                continue  # The giver gives it again, because we go on asking.
            if message.kind == TASK:
                return message

    def answer(self, task: Message, answer: Message) -> None:
        """Answer a task; the arrays are copied, so that they may change at once."""
        frames = answer.numbered(task.epoch, task.seq).encode()
        self._socket.send_multipart(frames, copy=True)

    def _ask(self) -> None:
        self._socket.send_multipart(Message(ASK, body=self._asked).encode())

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
