"""AO part 2 with other objectives, limits, rows and ranges of phi: exact derivatives, and optima that SciPy finds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from algorithm_helpers import entries, random_allocation
from declared_class import OBJECTIVES, of, row
from derivatives import assert_exact_derivatives
from helpers import assert_clear
from parametric_reference import climbed_by_slsqp, parametric, row_values

from dashf_pyomo.backends import BackendLimits, capable_backends
from formulations import Allocation, InputError, Scenario, evaluate
from formulations.formulation import Language, Subproblem
from formulations.prices import Prices
from formulations.resources import fp
from formulations.resources.limit_families import LIMIT_MARGIN
from formulations.resources.nonlinear import ResourceProgram

ENTRIES = entries(Subproblem.RESOURCES)
FACES = [(name, face) for name in ("fp", "nlp", "joint-nlp") for face in ENTRIES[name].faces]
of_all_objectives = pytest.mark.parametrize("name", OBJECTIVES)

#: Rows and ranges of all sorts, none of which the start breaks by much.
MIXED: dict[str, Any] = {
    "user_energy": [1e3, None, 1e3],
    "total_energy": 1e4,
    "mean_delay": 90.0,
    "users_per_server": 2,
    "offload": [None, [0.1, 0.9], [0.2, 0.2]],
    "rows": [
        row(-1e6, of(0, "bandwidth", -1.0), of(0, "offload", -1e6))["rows"][0],
        {**row(0.0, of(1, "server_power", -1.0), of(2, "server_speed", 1e-14))["rows"][0], "name": "another"},
        {**row(80.0, {"attribute": "delay", "servers": [0]}, of(1, "energy", 0.1))["rows"][0], "name": "third"},
    ],
}


def case(name: str, seed: int = 3, **changes: Any) -> tuple[Scenario, Allocation, float]:
    """A scenario in which energies and delays count about the same, a start, and y."""
    scenario = Scenario.random(3, 2, seed=seed, **({"user_speed_max": 4e12, "weight_energy": 0.02} | changes))
    scenario = scenario.replace(objective=OBJECTIVES.get(name))
    start = replace(random_allocation(scenario, seed), offload=np.array([0.7, 0.4, 0.2]), server=np.array([0, 1, 0]))
    start = start.within_budgets(scenario)
    e = evaluate(scenario, start)
    price = scenario.objective.cost_price
    return scenario, start, e.score / scenario.cost(e.user_delay, e.energy_by_user) if price is None else price


def climbed(
    name: str, scenario: Scenario, start: Allocation, ratio: float, face: Language | None = None, most: int = 40
) -> Allocation:
    """The formulation solved again and again around its own solution, as long as that gets better.

    With no face it is solved as methods do, by the next one where one fails.
    """
    entry = ENTRIES[name]
    choices = capable_backends(entry, face=face or "auto")[: 1 if face else None]
    models = {language: entry.faces[language](scenario) for language, _ in choices}
    best, value = start, -np.inf
    for _ in range(most):
        for language, backend in choices:
            models[language].update(best, ratio)
            if backend.solve(models[language].problem, BackendLimits()).status.has_solution:
                break
        else:
            raise AssertionError(f"{name} was not solved")
        found = models[language].solution()
        excess = 1e3 * scenario.score_scale * evaluate(scenario, found).extra_excess
        reached = parametric(scenario, found, ratio) - excess
        if reached <= value + 1e-9 * abs(value):
            break
        best, value = found, reached
    return best


def size(scenario: Scenario, allocation: Allocation, ratio: float) -> float:
    """What differences of the parametric form are measured by."""
    e = evaluate(scenario, allocation)
    return Prices.unit(scenario, ratio, e.user_delay, e.energy_by_user)


# -- derivatives and values -------------------------------------------------------------------


@pytest.mark.parametrize("declared", [None, MIXED, {"binary_offload": True, "mean_delay": 90.0}])
@pytest.mark.parametrize("free", [False, True])
@of_all_objectives
def test_derivatives_are_exact(name: str, free: bool, declared: Any) -> None:
    scenario, start, ratio = case(name, constraints=declared)
    program = ResourceProgram(scenario, free_offloading=free)
    program.update(start, ratio)
    x = program.start.copy()
    x[:15] -= np.random.default_rng(0).uniform(0.1, 1.0, 15)
    if declared:
        x[-1] = 0.0  # its price would drown the differences
    assert_exact_derivatives(program, x)


@pytest.mark.parametrize("free", [False, True])
@of_all_objectives
def test_the_objective_and_the_rows_are_those_of_the_evaluator(name: str, free: bool) -> None:
    scenario, start, ratio = case(name, constraints={**MIXED, "offload": [None, [0.1, 0.9], None]})
    program = ResourceProgram(scenario, free_offloading=free)
    program.update(start, ratio)
    x = program.start.copy()
    x[-1] = 0.0
    unit = size(scenario, start, ratio)
    assert -program.objective(x) * unit == pytest.approx(parametric(scenario, start, ratio), rel=1e-9, abs=1e-9 * unit)
    # Rows of users and servers without a bound are there too, and zero.
    values = [family.gather(family.taken.value(program._at(x).functions, start.offload)) for family in program.limits]
    bounded = np.concatenate([value != 0.0 for value in values])
    found = (program.constraints(x) - program.row_upper)[-len(bounded) :][bounded]
    np.testing.assert_allclose(found, row_values(scenario, start) + LIMIT_MARGIN, rtol=1e-9, atol=1e-12)


@of_all_objectives
def test_the_surrogate_touches_the_objective_and_lies_below(name: str) -> None:
    scenario, start, ratio = case(name)
    model = fp.build(scenario)
    model.update(start, ratio)
    unit, variables, p = size(scenario, start, ratio), model.problem.var_dict, model.parameters
    for factor in (1.0, 0.7):
        held = {
            "bandwidth": factor * start.bandwidth / scenario.bandwidth_max[start.server] / p["bandwidth_unit"].value,
            "power": start.server_power / scenario.server_power_max[start.server] / p["power_unit"].value,
            "speed": factor * start.server_speed / scenario.server_speed_max[start.server] / p["speed_unit"].value,
            "user_power": factor * start.user_power / scenario.user_power_max * p["user_power_cap"].value,
            "user_speed": start.user_speed / scenario.user_speed_max * p["user_speed_cap"].value,
        }
        fixed = [variables[key] == value for key, value in held.items()]
        problem = cp.Problem(model.problem.objective, [*model.problem.constraints, *fixed])
        problem.solve(solver="CLARABEL")
        other = replace(
            start,
            bandwidth=factor * start.bandwidth,
            server_speed=factor * start.server_speed,
            user_power=factor * start.user_power,
        )
        value = parametric(scenario, other, ratio) / unit
        if factor == 1.0:
            assert -problem.value == pytest.approx(value, abs=1e-6)
        else:
            assert -problem.value <= value + 1e-6


# -- optima -----------------------------------------------------------------------------------


def by_scipy(scenario: Scenario, near: Allocation, ratio: float, free: bool) -> float:
    """What SciPy reaches from a point that is not far, but worse."""
    names = ("bandwidth", "server_power", "server_speed", "user_power", "user_speed")
    away = replace(near, **{field: 0.9 * getattr(near, field) for field in names})
    assert parametric(scenario, away, ratio) < parametric(scenario, near, ratio) - 1e-3 * size(scenario, near, ratio)
    return parametric(scenario, climbed_by_slsqp(scenario, away, ratio, free), ratio)


@pytest.mark.slow
@of_all_objectives
def test_optima_are_those_that_scipy_finds(name: str) -> None:
    scenario, start, ratio = case(name)
    unit = size(scenario, start, ratio)
    found = {key: climbed(*key[:1], scenario, start, ratio, key[1]) for key in FACES}
    value = {key: parametric(scenario, allocation, ratio) for key, allocation in found.items()}
    for key, allocation in found.items():
        assert evaluate(scenario, allocation).feasible, key
    at_fixed, at_free = ("nlp", Language.NONLINEAR), ("joint-nlp", Language.NONLINEAR)
    for key, free in ((at_fixed, False), (at_free, True)):
        assert by_scipy(scenario, found[key], ratio, free) == pytest.approx(value[key], abs=1e-3 * unit), key
    for key in FACES:
        near = 1e-2 if key[0] == "fp" else 1e-3
        if ENTRIES[key[0]].frees_offloading:  # another local optimum would not be a mistake
            assert value[key] >= value[at_fixed] - near * unit, key
        else:
            assert value[key] == pytest.approx(value[at_fixed], abs=near * unit), key


# -- limits and rows --------------------------------------------------------------------------

#: What is limited at 0.9 of what it is without it.
ROWS: dict[str, Any] = {
    "user_energy": lambda bound: {"user_energy": [None, bound, None]},
    "server_energy": lambda bound: {"server_energy": [bound, None]},
    "total_energy": lambda bound: {"total_energy": bound},
    "mean_delay": lambda bound: {"mean_delay": bound},
    "row, energy": lambda bound: row(bound, {"attribute": "energy", "users": [0, 2], "coefficient": [1.0, 3.0]}),
    "row, delay": lambda bound: row(bound, {"attribute": "delay", "servers": [1]}, of(0, "delay", 0.5)),
    "row, bandwidth": lambda bound: row(bound, of(0, "bandwidth"), of(1, "bandwidth", 0.5)),
    "row, power": lambda bound: row(bound, {"attribute": "server_power"}),
    "row, speed": lambda bound: row(bound, {"attribute": "server_speed", "users": [2]}),
    "row, two servers": lambda bound: row(
        bound, {"attribute": "server_energy", "servers": [0]}, {"attribute": "user_energy", "coefficient": 0.5}
    ),
}

#: Floors and comparisons, with negative numbers; each is broken by the best allocation without it.
SIGNED_ROWS: dict[str, Any] = {
    "floor": row(-8.5e6, of(2, "bandwidth", -1.0)),
    "more than another": row(0.0, of(2, "bandwidth", 1.0), of(0, "bandwidth", -2.0), of(1, "server_power", 3e6)),
    "less at least": row(-2.0, of(0, "server_power", 1.0), of(2, "server_power", -1.0)),
    "speed for energy": row(10.0, {"attribute": "server_energy"}, of(2, "server_speed", -1e-13)),
}
for_rows = pytest.mark.parametrize("name", [*ROWS, *SIGNED_ROWS])


@cache
def free_optimum(objective: str) -> Allocation:
    return climbed("nlp", *case(objective))


def limited(name: str, objective: str) -> Scenario:
    scenario, _, _ = case(objective)
    if name in SIGNED_ROWS:
        return scenario.limited_by(SIGNED_ROWS[name])
    idle = scenario.limited_by(ROWS[name](1e12))
    return scenario.limited_by(ROWS[name](0.9e12 * float(max(row_values(idle, free_optimum(objective)) + 1.0))))


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["scr", "cost, mean"])
@for_rows
def test_rows_bind_and_the_optima_under_them_are_those_that_scipy_finds(name: str, objective: str) -> None:
    scenario, start, ratio = case(objective)
    strict, free = limited(name, objective), free_optimum(objective)
    assert evaluate(strict, free).extra_excess > 1e-3
    unit, faces = size(scenario, start, ratio), FACES[:-2]  # where phi is fixed
    values = {}
    for key, face in faces:
        found = climbed(key, strict, start, ratio, face)
        assert evaluate(strict, found).feasible, (key, face)
        values[key, face] = parametric(strict, found, ratio)
        assert values[key, face] <= parametric(strict, free, ratio) + 1e-3 * unit
    best = parametric(strict, climbed_by_slsqp(strict, found, ratio), ratio)
    for (key, face), value in values.items():
        near = 1e-2 if key == "fp" else 1e-3
        assert value == pytest.approx(best, abs=near * unit), (key, face)


@for_rows
def test_offloading_that_is_free_keeps_the_rows_too(name: str) -> None:
    scenario, start, ratio = case("scr")
    strict = limited(name, "scr")
    found = climbed("joint-nlp", strict, start, ratio, most=10)
    assert evaluate(strict, found).feasible
    assert parametric(scenario, found, ratio) > parametric(scenario, start, ratio)


def test_rows_of_offloading_bind_where_it_is_free() -> None:
    scenario, start, ratio = case("scr")
    free = climbed("joint-nlp", scenario, start, ratio)
    assert free.offload.sum() > 2.0
    for face in ENTRIES["joint-nlp"].faces:
        strict = scenario.limited_by(row(1.0, {"attribute": "offload"}))
        found = climbed("joint-nlp", strict, start, ratio, face)
        assert evaluate(strict, found).feasible and found.offload.sum() == pytest.approx(1.0, abs=1e-4), face
        strict = scenario.limited_by(row(0.0, of(0, "offload", 1.0), of(1, "offload", -0.5)))
        found = climbed("joint-nlp", strict, start, ratio, face)
        assert evaluate(strict, found).feasible, face


# -- ranges of phi ----------------------------------------------------------------------------


@of_all_objectives
def test_offloading_that_is_free_keeps_its_range(name: str) -> None:
    scenario, start, ratio = case(name)
    strict = scenario.limited_by({"offload": [[0.0, 0.6], [0.3, 0.3], [0.5, 0.9]]})
    for face in ENTRIES["joint-nlp"].faces:
        found = climbed("joint-nlp", strict, start, ratio, face, most=5)  # of a start out of its range
        assert evaluate(strict, found).feasible, face
        assert found.offload[1] == pytest.approx(0.3, abs=1e-7)
        held = replace(start, offload=strict.nearest_offload(start.offload))
        assert parametric(strict, found, ratio) > parametric(strict, held, ratio), face


def test_binary_offloading_stays_what_it_is_nearest_to() -> None:
    scenario, start, ratio = case("scr", constraints={"binary_offload": True})
    for face in ENTRIES["joint-nlp"].faces:
        found = climbed("joint-nlp", scenario, start, ratio, face, most=5)
        assert found.offload.tolist() == [1.0, 0.0, 0.0], face
        assert evaluate(scenario, found).feasible
    for name, face in FACES[:-2]:  # phi is given, and kept
        assert climbed(name, scenario, start, ratio, face, most=1).offload.tolist() == start.offload.tolist()


# -- edges ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "face"), FACES)
def test_without_a_weight_of_delay_every_user_needs_a_limit_of_it(name: str, face: Language) -> None:
    scenario, start, ratio = case("cost, largest", weight_time=0.0, constraints={"delay_limit": [100.0, 100.0, None]})
    with pytest.raises(InputError) as caught:
        ENTRIES[name].faces[face](scenario).update(start, ratio)
    assert_clear(caught.value, "weight_time = 0", "user 2", "limit of its delay")
    longest = 1.5 * evaluate(scenario, start).user_delay
    strict = scenario.limited_by({"delay_limit": longest.tolist()})
    found = climbed(name, strict, start, ratio, face)
    e = evaluate(strict, found)
    assert e.feasible
    np.testing.assert_allclose(e.user_delay, longest, rtol=1e-2)  # energy is saved by taking as long as may be


@pytest.mark.parametrize(("name", "face"), FACES)
@pytest.mark.parametrize("kind", ["sum-of-ratios", "max-min"])
def test_objectives_with_ratios_of_users_are_refused_by_name(kind: str, name: str, face: Language) -> None:
    scenario, start, _ = case("scr")
    with pytest.raises(InputError) as caught:
        ENTRIES[name].faces[face](scenario.replace(objective={"kind": kind})).update(start, 1.0)
    assert_clear(caught.value, "AO part 2", f"objective {kind}")


@pytest.mark.parametrize(("name", "face"), FACES)
def test_a_price_in_other_units_changes_no_allocation(name: str, face: Language) -> None:
    """The utility at a price of 1e9 is about minus the cost, whatever it is measured in."""
    scenario, start, _ = case("scr")
    dear = scenario.replace(objective={"kind": "utility", "price": 1e9, "delay": "sum"})
    cheap = scenario.replace(objective={"kind": "cost", "delay": "sum"})
    costs = [
        cheap.cost(e.user_delay, e.energy_by_user)
        for e in (
            evaluate(cheap, climbed(name, declared, start, price, face))
            for declared, price in ((dear, 1e9), (cheap, 1.0))
        )
    ]
    e = evaluate(cheap, start)
    assert costs[0] == pytest.approx(costs[1], rel=1e-3) and costs[1] < 0.9 * cheap.cost(e.user_delay, e.energy_by_user)
