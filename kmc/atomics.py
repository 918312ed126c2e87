"""Words of memory that several threads read and write at the same time, for jitted functions; numba has none.

A thread that loads with "acquire" what another one has stored with "release" also sees all that the other one wrote
before. Boehm, Adve, "Foundations of the C++ concurrency memory model", PLDI 2008.
"""

from __future__ import annotations

import os
import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD = 8  # bytes
_HAS_YIELD = hasattr(os, "sched_yield")
_HAS_PAUSE = platform.machine() in ("x86_64", "AMD64")


def _address(context, builder, signature, args):
    """Address of word args[1] of the array args[0]."""
    words = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(words.data, [args[1]])


@intrinsic
def load(typing, words, index):
    """Read a word, words[index], (n,) int64, before everything that follows ("acquire")."""

    def code(context, builder, signature, args):
        return builder.load_atomic(_address(context, builder, signature, args), "acquire", _WORD)

    return types.int64(words, types.int64), code


@intrinsic
def store(typing, words, index, value):
    """Write a word, words[index], (n,) int64, after everything that comes before ("release")."""

    def code(context, builder, signature, args):
        builder.store_atomic(args[2], _address(context, builder, signature, args), "release", _WORD)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64), code


@intrinsic
def exchange(typing, words, index, old, new):
    """Write `new` to words[index], (n,) int64, if it holds `old`; whether it did. One of many threads can succeed."""

    def code(context, builder, signature, args):
        word = _address(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(word, args[2], args[3], "acq_rel", "acquire"), 1)

    return types.boolean(words, types.int64, types.int64, types.int64), code


@intrinsic
def pause(typing):
    """Tell the processor that this thread waits for another one."""

    def code(context, builder, signature, args):
        if _HAS_PAUSE:
            _call(builder, "llvm.x86.sse2.pause", ir.VoidType())
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def give_way(typing):
    """Let another thread have this core if one is waiting for it."""

    def code(context, builder, signature, args):
        if _HAS_YIELD:
            _call(builder, "sched_yield", ir.IntType(32))
        return context.get_dummy_value()

    return types.void(), code


def _call(builder, name: str, result):
    builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, []), name), [])
