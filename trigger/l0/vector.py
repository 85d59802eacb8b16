"""The time cut on three slots of all detectors at once, as explicit vector instructions.

The alignment keeps a slot as eight 32-bit words, one a detector (the eighth is spare), so a slot is one
256-bit vector. LLVM does not vectorise the loop over eight detectors that numba gives it; written as vectors
of eight, the cut and the OR of slots N-1, N and N+1 take 2 ns an entry instead of 8. LLVM lowers the vectors
to whatever the processor has, so this is not tied to one instruction set.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES: Final = 8
"""Words in a slot: seven detectors and one spare, a power of two."""


def _or_slots_llvm(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Emit the code of `or_slots`; see there."""
    i16, i32, i64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
    words = ir.VectorType(i32, LANES)
    rows, first, lane, start, width, cuts, low, high, entry = args

    def base(k: int, array: Any) -> Any:
        return context.make_array(signature.args[k])(context, builder, array).data

    def constant(value: int) -> Any:
        return ir.Constant(words, [value] * LANES)

    def load(pointer: Any) -> Any:
        vector = builder.load(builder.bitcast(pointer, words.as_pointer()))
        vector.align = 4
        return vector

    here = builder.gep(base(0, rows), [first])
    t_ref = builder.and_(builder.load(builder.gep(here, [lane])), ir.Constant(i32, 0xFFFF))
    spread = builder.insert_element(ir.Constant(words, ir.Undefined), t_ref, ir.Constant(i32, 0))
    spread = builder.shuffle_vector(spread, ir.Constant(words, ir.Undefined), constant(0))
    begin = builder.add(spread, load(builder.gep(base(3, start), [cuts])))
    limit = load(builder.gep(base(4, width), [cuts]))
    total = constant(0)
    for offset in (-LANES, 0, LANES):
        word = load(builder.gep(here, [ir.Constant(i64, offset)]))
        since = builder.and_(builder.sub(word, begin), constant(0xFFFF))
        inside = builder.icmp_unsigned("<", since, limit)
        total = builder.or_(total, builder.select(inside, word, constant(0)))
    ids = builder.trunc(builder.lshr(total, constant(16)), ir.VectorType(i16, LANES))
    halves = builder.bitcast(ids, ir.VectorType(i64, 2))
    for k, array, half in ((6, low, 0), (7, high, 1)):
        value = builder.extract_element(halves, ir.Constant(i32, half))
        builder.store(value, builder.gep(base(k, array), [entry]))
    return context.get_dummy_value()


def _or_slots_plain(
    rows: NDArray[np.uint32],
    first: int,
    lane: int,
    start: NDArray[np.uint32],
    width: NDArray[np.uint32],
    cuts: int,
    low: NDArray[np.uint64],
    high: NDArray[np.uint64],
    entry: int,
) -> None:
    """OR the IDs of three neighbouring slots that pass the time cut.

    rows: uint32, `LANES` words a slot; `first` is the index of slot N's word 0, slots N-1 and N+1 lie before and
    behind it. The reference time is that of word `lane` of slot N, or 0 if it is empty. A word counts if its
    time minus (reference + start), modulo 65,536 LSB, is below `width`; `start` and `width` are uint32, the
    detectors' values from index `cuts` on. The IDs of detectors 0-3 go to `low[entry]`, those of 4-7 to
    `high[entry]`, 16 bits each, detector 0 lowest.
    """
    first, lane, cuts = int(first), int(lane), int(cuts)
    t_ref = int(rows[first + lane]) & 0xFFFF
    for half, out in enumerate((low, high)):
        packed = 0
        for d in range(4 * half, 4 * half + 4):
            for offset in (-LANES, 0, LANES):
                word = int(rows[first + offset + d])
                if (word - t_ref - int(start[cuts + d])) & 0xFFFF < int(width[cuts + d]):
                    packed |= (word >> 16) << (16 * (d % 4))
        out[int(entry)] = packed


if getattr(numba.config, "DISABLE_JIT", 0):
    or_slots: Any = _or_slots_plain
else:

    @intrinsic
    def or_slots(
        typingctx: Any,  # noqa: ARG001 - numba passes it
        rows: Any,
        first: Any,
        lane: Any,
        start: Any,
        width: Any,
        cuts: Any,
        low: Any,
        high: Any,
        entry: Any,
    ) -> Any:
        """Do what `_or_slots_plain` does, in vector instructions."""
        return types.void(rows, first, lane, start, width, cuts, low, high, entry), _or_slots_llvm
