"""Count the primitives of each detector that `ktrig replay --to ENDPOINT` serves: python reader.py ENDPOINT [NAME]"""

import secrets
import sys

import msgpack
import numpy as np
import zmq

POLL_MS, CREDIT = 50, 24 * 1024 * 1024
INSTANCE = secrets.randbits(63)


def read(endpoint: str, name: str) -> dict[str, int]:
    """Take spills until the last one is over; return the number of primitives by detector."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(endpoint)
    epoch = expected = 0
    counts: dict[str, int] = {}
    whole: dict[str, int] = {}
    last = over = False

    def grant(resume: bool = False) -> None:
        state = {"v": 1, "reader": name, "instance": INSTANCE, "credit": CREDIT}
        socket.send(msgpack.packb(state | {"epoch": epoch, "next": expected, "resume": resume}))

    while not over:
        if not socket.poll(POLL_MS):
            grant()  # Nothing comes: say again where we are, also to a sender that has just come up.
            continue
        header, *arrays = socket.recv_multipart()
        head = msgpack.unpackb(header)
        if head["epoch"] > epoch and head["seq"] == 0:
            epoch, expected, counts = head["epoch"], 0, dict(whole)  # A spill begins, perhaps once more.
        if head["epoch"] != epoch or head["seq"] != expected:
            grant(resume=head["epoch"] >= epoch and head["seq"] > expected)
            continue
        for (array, dtype, length), frame in zip(head["arrays"], arrays, strict=True):
            detector, _, what = array.rpartition(".")
            if what == "words":
                assert len(np.frombuffer(frame, dtype)) == length
                counts[detector] = counts.get(detector, 0) + length
        if head["kind"] == "sob":
            last = head["body"]["last"]
        elif head["kind"] == "eob":
            whole, over = counts, last or head["body"]["interrupted"]
        expected += 1
        grant()
    socket.close()
    return whole


if __name__ == "__main__":
    print(read(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "reader"))
