"""Extra constraints in AO part 2: derivatives that are exact, and three faces that agree where limits bind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivatives import assert_exact_derivatives

from formulations import Allocation, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.resources.nonlinear import ResourceProgram

LIMITED: dict[str, Any] = {
    "delay_limit": [80.0, None, 70.0],
    "uplink_rate": [4e6, None, None],
    "downlink_rate": 3e6,
    "server_energy": [900.0, None],
}


def limited_start() -> tuple[Scenario, Allocation]:
    scenario = Scenario.random(3, 2, seed=2, constraints=LIMITED)
    return scenario, equal_split(scenario, np.array([0, 1, 0]), np.array([0.3, 0.6, 0.8]))


@pytest.mark.parametrize("free", [False, True])
def test_derivatives_with_limits_are_exact(free: bool) -> None:
    scenario, start = limited_start()
    program = ResourceProgram(scenario, free_offloading=free)
    program.update(start, ratio=100.0)
    rng = np.random.default_rng(0)
    x = program.start.copy()
    x[:15] -= rng.uniform(0.1, 1.0, 15)
    x[-1] = 0.0  # its price would drown the differences
    assert_exact_derivatives(program, x)


def test_rows_are_one_where_the_evaluator_says_that_a_limit_is_met_exactly() -> None:
    scenario, start = limited_start()
    e = evaluate(scenario, start)
    spent = float((e.energy_server + e.energy_downlink)[[0, 2]].sum())
    exact = {"delay_limit": e.user_delay.tolist(), "server_energy": [spent, None]}
    limited = Scenario.random(3, 2, seed=2, constraints=exact)
    program = ResourceProgram(limited, free_offloading=True)
    program.update(start, ratio=100.0)
    rows = program.constraints(program.start)[3 + 6 :]
    np.testing.assert_allclose(rows[:3], 1.0, rtol=1e-9)
    assert rows[3] == pytest.approx(1.0, rel=1e-9)
    assert evaluate(limited, start).feasible
    assert program.start[-1] <= 1e-9
