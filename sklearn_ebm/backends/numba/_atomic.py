"""Counters shared by threads, for kernels in which several threads process one list of pieces."""

import os
import platform

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from sklearn_ebm.backends.numba._rules import routine

PATIENCE = 2000  # polls, about 20 microseconds, before the processor is yielded
HAS_YIELD = hasattr(os, "sched_yield")
HAS_PAUSE = platform.machine().lower() in ("x86_64", "amd64")


@intrinsic
def take_number(typing_context, counter):
    """Increment a counter (an array of one int64) and return its previous value."""

    def generate(context, builder, signature, arguments):
        place = context.make_array(counter)(context, builder, arguments[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", place, one, "acq_rel")

    return types.int64(counter), generate


@intrinsic
def read_number(typing_context, counter):
    """Return the value of a counter, and make earlier writes of other threads visible."""

    def generate(context, builder, signature, arguments):
        place = context.make_array(counter)(context, builder, arguments[0]).data
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(counter), generate


@intrinsic
def pause(typing_context):
    """Pause, so that the other hardware thread of the core can work."""

    def generate(context, builder, signature, arguments):
        if HAS_PAUSE:
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def yield_processor(typing_context):
    """Yield the processor to another thread, if the system supports it."""

    def generate(context, builder, signature, arguments):
        if HAS_YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@routine
def wait_for(finished, n_before):
    """Wait until `n_before` pieces are finished; yield the processor if this takes long."""
    n_looks = 0
    while read_number(finished) < n_before:
        n_looks += 1
        if n_looks > PATIENCE:
            yield_processor()
        else:
            pause()
