"""A heuristic is no weaker for knowing a limit that its answer keeps anyway."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms.relaxed import RelaxedRun
from dashf_pyomo.algorithms.run import Limits, Run
from dashf_pyomo.deadline import OutOfTimeError
from dashf_pyomo.result import Result
from formulations import Scenario, evaluate, physics
from formulations.association.pair_resources import equal_split

pytestmark = pytest.mark.slow

#: Just above what an answer has, and just below a rate that it has.
ABOVE, BELOW = 1 + 1e-5, 1 - 1e-5


@functools.cache
def free(users: int, seed: int, method: str) -> Result:
    return dashf_pyomo.solve(Scenario.random(users, 2, seed), method)


@functools.cache
def forbidden(users: int, method: str) -> Result:
    """The answer where user 0 must not have the server that it would take."""
    pair = [0, int(free(users, 1, method).allocation.server[0])]
    return dashf_pyomo.solve(Scenario.random(users, 2, 1, constraints={"forbidden": [pair]}), method)


def kept_by(scenario: Scenario, result: Result) -> dict[str, dict[str, Any]]:
    """Limits of every kind that an allocation just keeps, by name."""
    a, e = result.allocation, evaluate(scenario, result.allocation)
    gain = scenario.channel_gain[np.arange(scenario.n_users), a.server]
    up = physics.rate(a.bandwidth, a.user_power, gain, scenario.noise_psd)
    down = physics.rate(a.bandwidth, a.server_power, gain, scenario.noise_psd)
    spent = np.bincount(a.server, e.energy_server + e.energy_downlink, minlength=scenario.n_servers)
    slowest = int(np.argmax(e.user_delay))
    single = [e.delay * ABOVE if n == slowest else None for n in range(scenario.n_users)]
    other = [[n, 1 - m] for n, m in enumerate(a.server.tolist())]
    return {
        "delay": {"delay_limit": e.delay * ABOVE},
        "loose delay": {"delay_limit": e.delay * 2.0},
        "delay of one": {"delay_limit": single},
        "energy": {"server_energy": (spent * ABOVE + 1e-3).tolist()},
        "uplink": {"uplink_rate": (up * BELOW).tolist()},
        "downlink": {"downlink_rate": (down * BELOW).tolist()},
        "pairs": {"forbidden": other[:1], "forced": [[1, int(a.server[1])]]},
        "all": {"delay_limit": e.delay * ABOVE, "server_energy": float(spent.max()) + 1.0, "forbidden": other},
    }


def test_dashf_plus_keeps_its_answer_where_it_keeps_the_limit() -> None:
    limited = Scenario.random(3, 2, 0, constraints={"delay_limit": 28.2896})
    result = dashf_pyomo.solve(limited, "dashf-plus")
    assert free(3, 0, "dashf-plus").delay < 28.2896
    assert result.scr >= free(3, 0, "dashf-plus").scr * (1 - 1e-9)


@pytest.mark.parametrize(("method", "users", "seeds"), [("dashf-plus", 2, (0,)), ("dashf", 4, (0, 1, 2))])
def test_limits_of_every_kind_that_the_answer_keeps_cost_nothing(
    method: str, users: int, seeds: tuple[int, ...]
) -> None:
    for seed in seeds:
        before = free(users, seed, method)
        for name, declared in kept_by(Scenario.random(users, 2, seed), before).items():
            limited = Scenario.random(users, 2, seed, constraints=declared)
            result = dashf_pyomo.solve(limited, method)
            assert result.scr >= before.scr * (1 - 1e-9), (seed, name)
            assert evaluate(limited, result.allocation).feasible, (seed, name)


@pytest.mark.parametrize("second", ["energy", "uplink", "delay"])
@pytest.mark.parametrize(("method", "users"), [("dashf-plus", 2), ("dashf", 4)])
def test_a_second_limit_that_the_answer_under_a_first_keeps_costs_nothing(method: str, users: int, second: str) -> None:
    first = {"forbidden": [[0, int(free(users, 1, method).allocation.server[0])]]}
    before = forbidden(users, method)
    limited = Scenario.random(
        users, 2, 1, constraints={**kept_by(Scenario.random(users, 2, 1), before)[second], **first}
    )
    result = dashf_pyomo.solve(limited, method)
    assert not evaluate(limited, free(users, 1, method).allocation).feasible
    assert result.scr >= before.scr * (1 - 1e-9)


def test_what_is_found_without_limits_is_judged_with_them_and_enters_the_trace_as_that() -> None:
    limited = Scenario.random(2, 2, 0, constraints={"delay_limit": 0.9 * free(2, 0, "dashf").delay})
    result = dashf_pyomo.solve(limited, "dashf")
    assert evaluate(limited, result.allocation).feasible
    relaxed = [entry for entry in result.trace if entry.facts.get("relaxed")]
    assert 0 < len(relaxed) < len(result.trace)
    broken = [entry for entry in relaxed if entry.delay is None]
    assert broken and not any(entry.accepted for entry in broken)


def test_parts_of_the_time_limit_may_lie_in_each_other() -> None:
    run = Run(Scenario.random(2, 2, 0, constraints={"delay_limit": 1.0}), Limits(time_limit=100.0))
    part = RelaxedRun(run, Scenario.random(2, 2, 0))
    with run.part(0.5), part.part(0.5):
        assert 20.0 < part.backend_limits().time_limit < 25.0
    with run.part(0.5):
        with part.part(0.1):
            raise OutOfTimeError  # the inner part ends, the outer one goes on
        assert 40.0 < run.backend_limits().time_limit < 50.0
    assert run.backend_limits().time_limit > 90.0
    start = equal_split(run.scenario, np.array([0, 1]), np.full(2, 0.5))
    assert part.record(start).feasible and part.has_incumbent and not run.has_incumbent
