"""Counters that threads share, for kernels in which several threads work on one list of pieces."""

import os
import platform

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from sklearn_ebm.backends.numba._rules import routine

PATIENCE = 2000  # looks, some 20 microseconds, before the processor is offered to others
HAS_YIELD = hasattr(os, "sched_yield")
HAS_PAUSE = platform.machine().lower() in ("x86_64", "amd64")


@intrinsic
def take_number(typing_context, counter):
    """The value of a counter (an array of one int64), which is one larger afterwards."""

    def generate(context, builder, signature, arguments):
        place = context.make_array(counter)(context, builder, arguments[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", place, one, "acq_rel")

    return types.int64(counter), generate


@intrinsic
def read_number(typing_context, counter):
    """The value of a counter, and all that other threads wrote before they reached it."""

    def generate(context, builder, signature, arguments):
        place = context.make_array(counter)(context, builder, arguments[0]).data
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(counter), generate


@intrinsic
def pause(typing_context):
    """Let the other half of a core work while this one waits."""

    def generate(context, builder, signature, arguments):
        if HAS_PAUSE:
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def yield_processor(typing_context):
    """Let another thread of the machine run, where the system has a word for it."""

    def generate(context, builder, signature, arguments):
        if HAS_YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@routine
def wait_for(finished, n_before):
    """Until so many pieces are finished; where that takes long, whoever holds them may need us."""
    n_looks = 0
    while read_number(finished) < n_before:
        n_looks += 1
        if n_looks > PATIENCE:
            yield_processor()
        else:
            pause()
