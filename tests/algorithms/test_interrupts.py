"""Ctrl-C around compiled code: never lost, never in the middle, never mistaken for a fault."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

import dashf_pyomo
from dashf_pyomo import Status
from dashf_pyomo.algorithms.interrupts import Interrupts, held_back
from formulations import Scenario

pytestmark = pytest.mark.slow


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_is_held_back_until_the_block_has_ended() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        interrupt()
        done.append("work")
    assert done == ["work"]
    with pytest.raises(KeyboardInterrupt):  # and the handler is what it was
        interrupt()


def test_a_second_interruption_is_let_through() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        interrupt()
        interrupt()
        done.append("work")
    assert not done


def test_an_interruption_before_an_error_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), held_back():
        interrupt()
        raise MemoryError


def test_handlers_that_stay_pass_on_what_comes() -> None:
    usual = signal.getsignal(signal.SIGINT)
    with held_back():
        stale = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, stale)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    finally:
        signal.signal(signal.SIGINT, usual)


def test_an_interruption_that_a_library_turns_into_its_own_error_is_remembered() -> None:
    with Interrupts() as interrupts:
        assert not interrupts.arrived
        with pytest.raises(SystemError):
            try:
                interrupt()
            except KeyboardInterrupt:
                raise SystemError("a library") from None
        assert interrupts.arrived


@pytest.mark.parametrize("forgotten", [True, False])
@pytest.mark.parametrize("method", ["dual", "dashf"])
def test_a_run_that_is_interrupted_inside_a_library_keeps_the_best_so_far(method: str, forgotten: bool) -> None:
    def library(entry: Any) -> None:
        if entry.iteration == 1:
            try:
                interrupt()
            except KeyboardInterrupt:
                if not forgotten:
                    raise SystemError("a library") from None

    result = dashf_pyomo.solve(Scenario.random(4, 2, seed=0), method, observer=library)
    assert result.status is Status.INTERRUPTED and result.allocation is not None
    assert len(result.trace) < 8
