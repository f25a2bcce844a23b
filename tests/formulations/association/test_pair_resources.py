"""Starts and closed pairs: what AO part 1 is given before anything is solved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dashf_pyomo.backends import BackendLimits, backends
from formulations import Scenario
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.matrix import AssociationMatrix
from formulations.association.pair_resources import PairResources, start_allocation


def test_algorithm_1_starts_with_the_users_in_turn_over_the_servers() -> None:
    assert start_allocation(Scenario.random(5, 2, seed=0)).server.tolist() == [0, 1, 0, 1, 0]
    assert start_allocation(Scenario.random(2, 3, seed=0)).server.tolist() == [0, 1]


def test_a_user_that_its_server_is_forbidden_to_starts_at_the_strongest_that_is_allowed() -> None:
    scenario = Scenario.random(4, 3, seed=1, constraints={"forbidden": [[0, 0], [3, 0]]})
    server = start_allocation(scenario).server
    strongest = np.argmax(np.where(scenario.allowed, scenario.channel_gain, -1.0), axis=1)
    assert server[0] == strongest[0] != 0 and server[3] == strongest[3] != 0
    assert server[1:3].tolist() == [1, 2]


def test_both_ends_of_a_pair_that_is_not_allowed_are_closed() -> None:
    scenario = Scenario.random(3, 2, seed=0, constraints={"forbidden": [[0, 0]], "forced": [[2, 1]]})
    c = AssociationCoefficients.of(scenario, PairResources.equal(scenario), 100.0)
    for ends in (c.user_end, c.server_end):
        assert ends[0, 0] == ends[2, 0] == 0.0
    free = AssociationCoefficients.of(scenario.limited_by(None), PairResources.equal(scenario), 100.0)
    assert free.user_end[0, 0] + free.server_end[0, 0] > 0


def test_a_user_keeps_an_end_open_at_a_server_that_it_fits() -> None:
    """The only server that has room for the user is far slower than the others, which have not."""
    scenario = Scenario.random(1, 3, seed=0, channel_gain=[[1e-4, 1e-26, 1e-4]])
    equal = PairResources.equal(scenario)
    bandwidth = np.array([[1.5, 0.9, 1.5]]) * scenario.bandwidth_max
    c = AssociationCoefficients.of(scenario, replace(equal, bandwidth=bandwidth), 100.0)
    assert c.user_end[0, 1] + c.server_end[0, 1] == 1.0
    model = AssociationMatrix(scenario, binary=True)
    model.update(c)
    assert backends["highs"].solve(model.problem, BackendLimits()).status.has_solution
    assert model.solution().association[0].tolist() == [0.0, 1.0, 0.0]
