"""AO part 2: every formulation climbs (10), the surrogate from below, and ends where nothing near is better."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from algorithm_helpers import cost, entries, random_allocation, some_ratio
from hypothesis import assume, given, settings
from scipy.optimize import minimize
from strategies import cases, magnitudes

from dashf_pyomo.algorithms.run import Limits, Run
from dashf_pyomo.algorithms.steps import ResourceStep
from dashf_pyomo.backends import BackendError, BackendLimits, backends, capable_backends
from formulations import Allocation, Scenario, evaluate
from formulations.formulation import Language, Subproblem
from formulations.resources import fp

FIELDS = ("bandwidth", "server_power", "server_speed", "user_power", "user_speed")
SEEDS = range(6)
ENTRIES = entries(Subproblem.RESOURCES)
of_all_formulations = pytest.mark.parametrize("name", [*ENTRIES])

#: Chips so frugal that the transmission energy counts, the one term that the surrogate replaces.
RADIO = {"server_capacitance": 1e-43, "user_capacitance": 1e-41}


def objective(scenario: Scenario, allocation: Allocation, ratio: float) -> float:
    """(10)."""
    return -cost(scenario, allocation, ratio)


def resource_step(scenario: Scenario, name: str = "fp", epsilon: float = 1e-4, most: int = 10) -> ResourceStep:
    return ResourceStep(Run(scenario, Limits()), name, "auto", epsilon, most)


def example(seed: int, **overrides: float) -> tuple[Scenario, Allocation, float]:
    """A random point with one user at phi = 0 and one at phi = 1."""
    scenario = Scenario.random(users=4, servers=2, seed=seed, **overrides)
    allocation = random_allocation(scenario, seed)
    offload = allocation.offload.copy()
    offload[:2] = (0.0, 1.0)
    return scenario, replace(allocation, offload=offload), some_ratio(scenario, seed)


def limits(scenario: Scenario, allocation: Allocation) -> dict[str, np.ndarray]:
    m, s = allocation.server, scenario
    budgets = (s.bandwidth_max[m], s.server_power_max[m], s.server_speed_max[m], s.user_power_max, s.user_speed_max)
    return dict(zip(FIELDS, budgets, strict=True))


def surrogate(model: fp.FractionalProgram, scenario: Scenario, allocation: Allocation) -> float:
    """The value of the surrogate with the resources fixed to those of an allocation."""
    known, variables = model.problem.param_dict, model.problem.var_dict
    share = {field: getattr(allocation, field) / limit for field, limit in limits(scenario, allocation).items()}
    at = {
        "bandwidth": share["bandwidth"] / known["bandwidth_unit"].value,
        "power": share["server_power"] / known["power_unit"].value,
        "speed": share["server_speed"] / known["speed_unit"].value,
        "user_power": share["user_power"] * known["user_power_cap"].value,
        "user_speed": share["user_speed"] * known["user_speed_cap"].value,
    }
    fixed = cp.Problem(
        model.problem.objective, [*model.problem.constraints, *(variables[k] == x for k, x in at.items())]
    )
    fixed.solve(solver="CLARABEL")
    assert fixed.status == "optimal"
    return -float(fixed.value) * scenario.score_scale


# -- the surrogate ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_surrogate_touches_at_its_reference_point(seed: int) -> None:
    scenario, reference, ratio = example(seed)
    model = fp.build(scenario)
    model.update(reference, ratio)
    value = objective(scenario, reference, ratio)
    scale = abs(value) + evaluate(scenario, reference).score
    assert surrogate(model, scenario, reference) == pytest.approx(value, abs=1e-6 * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_surrogate_lies_below_everywhere_else(seed: int) -> None:
    scenario, reference, ratio = example(seed, **RADIO)
    model = fp.build(scenario)
    model.update(reference, ratio)
    strictly = 0
    for other in range(5):
        point = random_allocation(scenario, 100 + other)
        point = replace(point, server=reference.server, offload=reference.offload).within_budgets(scenario)
        value = objective(scenario, point, ratio)
        scale = abs(value) + evaluate(scenario, point).score
        below = surrogate(model, scenario, point)
        assert below <= value + 1e-6 * scale
        strictly += below < value - 1e-5 * scale
    assert strictly  # otherwise the two would be the same function and the test empty


@pytest.mark.parametrize(("name", "face"), [(name, face) for name, entry in ENTRIES.items() for face in entry.faces])
def test_a_model_wants_a_reference_with_a_finite_delay(name: str, face: Language) -> None:
    scenario, reference, ratio = example(0)
    model = ENTRIES[name].faces[face](scenario)
    with pytest.raises(ValueError, match="infinite delay"):
        model.update(replace(reference, bandwidth=np.zeros(4)), ratio)
    with pytest.raises(RuntimeError, match=r"update|not solved"):
        model.solution()


def test_new_references_and_associations_are_solved_without_compiling_again() -> None:
    scenario, reference, ratio = example(1)
    model, compiled = fp.build(scenario), []
    for server in ([0, 1, 0, 1], [1, 1, 1, 0], [0, 0, 0, 0]):
        point = replace(reference, server=server).within_budgets(scenario)
        model.update(point, ratio)
        backends["clarabel"].solve(model.problem, BackendLimits())
        compiled.append(model.problem._cache.param_prog)
        fresh = fp.build(scenario)
        fresh.update(point, ratio)
        backends["clarabel"].solve(fresh.problem, BackendLimits())
        found, expected = (objective(scenario, m.solution(), ratio) for m in (model, fresh))
        assert found == pytest.approx(expected, rel=1e-5)
    assert compiled[0] is not None and compiled[0] is compiled[1] is compiled[2]


def test_many_pairs_give_the_same_solution_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, reference, ratio = example(2)
    found = []
    for most in (fp.PARAMETRIC_PAIRS, 0):
        monkeypatch.setattr(fp, "PARAMETRIC_PAIRS", most)
        step = resource_step(scenario)
        for server in ([0, 0, 1, 1], [0, 1, 1, 1]):
            point = replace(reference, server=server).within_budgets(scenario)
            found.append(objective(scenario, step(point, ratio)[0], ratio))
    assert found[:2] == pytest.approx(found[2:], rel=1e-5)


# -- the step ---------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("seed", range(3))
@of_all_formulations
def test_the_step_climbs_and_keeps_the_association(name: str, seed: int, factor: float) -> None:
    scenario, start, ratio = example(seed)
    found, facts = resource_step(scenario, name)(start, factor * ratio)
    assert evaluate(scenario, found).feasible
    assert np.array_equal(found.server, start.server)
    if not ENTRIES[name].frees_offloading:
        assert np.array_equal(found.offload, start.offload)
    assert objective(scenario, found, factor * ratio) > objective(scenario, start, factor * ratio)
    assert facts["allocation_solves"] >= 1


@pytest.mark.slow
@of_all_formulations
@settings(max_examples=6)
@given(case=cases(positive=True), ratio=magnitudes(1e-3, 1e3))
def test_the_step_never_worsens_a_point_of_wide_magnitudes(
    name: str, case: tuple[Scenario, Allocation], ratio: float
) -> None:
    scenario, start = case
    assume(np.isfinite(evaluate(scenario, start).delay))
    try:
        found, _ = resource_step(scenario, name, most=2)(start, ratio)
    except BackendError:  # honest: a run then keeps what it has
        return
    assert evaluate(scenario, found).feasible
    assert objective(scenario, found, ratio) >= objective(scenario, start, ratio)


@of_all_formulations
def test_with_a_ratio_of_zero_every_budget_is_used_up(name: str) -> None:
    scenario, start, _ = example(3)
    found, _ = resource_step(scenario, name)(start, 0.0)
    for field in FIELDS[:3]:
        load = np.bincount(found.server, getattr(found, field) / limits(scenario, found)[field])
        assert load == pytest.approx(1.0, abs=1e-5)


@of_all_formulations
def test_an_infinite_delay_skips_the_step_and_says_so(name: str) -> None:
    scenario, start, ratio = example(0)
    dead = replace(start, bandwidth=start.bandwidth * [1.0, 1.0, 0.0, 1.0])
    found, facts = resource_step(scenario, name)(dead, ratio)
    assert found is dead
    assert "infinite delay" in facts["allocation_skipped"]


@pytest.mark.parametrize("most", [1, 3])
def test_the_number_of_solves_is_limited(most: int) -> None:
    scenario, start, ratio = example(4)
    assert resource_step(scenario, epsilon=0.0, most=most)(start, ratio)[1]["allocation_solves"] == most


@pytest.mark.parametrize("seed", range(3))
def test_nlp_and_fp_reach_about_the_same_and_freeing_the_offloading_is_no_worse(seed: int) -> None:
    scenario, start, ratio = example(seed)
    found = {
        name: objective(scenario, resource_step(scenario, name, epsilon=1e-7, most=100)(start, ratio)[0], ratio)
        for name in ("fp", "nlp", "joint-nlp")
    }
    scale = evaluate(scenario, start).score
    assert found["fp"] == pytest.approx(found["nlp"], abs=1e-2 * scale)
    assert found["joint-nlp"] >= found["nlp"] - 1e-3 * scale


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if len(entry.faces) > 1])
def test_all_faces_of_a_formulation_reach_the_same(name: str) -> None:
    scenario, start, ratio = example(2)
    reached = []
    for face in ENTRIES[name].faces:
        language, backend = capable_backends(ENTRIES[name], face=face)[0]
        model = ENTRIES[name].faces[language](scenario)
        model.update(start, ratio)
        assert backend.solve(model.problem, BackendLimits()).status.has_solution
        reached.append(objective(scenario, model.solution(), ratio))
    scale = evaluate(scenario, start).score
    assert reached[1:] == pytest.approx(reached[:1] * (len(reached) - 1), abs=1e-3 * scale)


# -- edges of the offloading, zero shares -----------------------------------------------------


@pytest.mark.parametrize("offload", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.5)])
@pytest.mark.parametrize("seed", range(2))
@of_all_formulations
def test_users_that_train_all_or_nothing_are_served(name: str, offload: tuple[float, ...], seed: int) -> None:
    scenario = Scenario.random(users=3, servers=2, seed=seed)
    start = replace(random_allocation(scenario, seed), offload=offload)
    ratio = some_ratio(scenario, seed)
    found, _ = resource_step(scenario, name)(start, ratio)
    assert objective(scenario, found, ratio) > objective(scenario, start, ratio)
    idle = found.offload == 0.0
    # What such a user does not need stays at its cap, where Algorithm 1 starts.
    assert np.array_equal(found.user_power[idle], scenario.user_power_max[idle])
    assert np.array_equal(found.user_speed[idle], scenario.user_speed_max[idle])


@of_all_formulations
def test_shares_of_zero_that_are_not_needed_can_grow(name: str) -> None:
    scenario = Scenario.random(users=3, servers=1, seed=5)
    start = replace(
        random_allocation(scenario, 5), offload=[1.0, 1.0, 0.5], user_speed=scenario.user_speed_max, server=[0, 0, 0]
    )
    zero = [0.0, 0.0, 1.0]
    start = replace(start, server_power=start.server_power * zero, server_speed=start.server_speed * zero)
    ratio = evaluate(scenario, start).scr
    assert ratio > 0
    found, _ = resource_step(scenario, name)(start, ratio)
    assert objective(scenario, found, ratio) > 0.0  # its value at the start, where y is the ratio itself
    if not ENTRIES[name].frees_offloading:
        assert np.all(found.server_speed[:2] > 0.01 * scenario.server_speed_max[0])  # scored, and free of cost here


# -- the limit --------------------------------------------------------------------------------


def improvement_by_slsqp(scenario: Scenario, start: Allocation, ratio: float) -> float:
    """How much SciPy's general solver adds to (10) from a point, relative to the score."""
    n, limit = scenario.n_users, limits(scenario, start)
    unit, scale = evaluate(scenario, start).delay, evaluate(scenario, start).score

    def read(z: np.ndarray) -> Allocation:
        return replace(start, **{f: z[i * n : i * n + n] * limit[f] for i, f in enumerate(FIELDS)})

    def loss(z: np.ndarray) -> float:
        e = evaluate(scenario, read(z))
        return (ratio * (scenario.weight_time * z[-1] * unit + scenario.weight_energy * e.energy) - e.score) / scale

    def room(z: np.ndarray) -> np.ndarray:
        loads = [np.bincount(start.server, z[i * n : i * n + n], minlength=scenario.n_servers) for i in range(3)]
        return np.concatenate([z[-1] - evaluate(scenario, read(z)).user_delay / unit, *(1.0 - load for load in loads)])

    first = np.concatenate([*(getattr(start, f) / limit[f] for f in FIELDS), [1.0]])
    solved = minimize(
        loss, first, method="SLSQP", bounds=[(1e-6, 1.0)] * (5 * n) + [(0.0, None)],
        constraints={"type": "ineq", "fun": room}, options={"maxiter": 200, "ftol": 1e-10},
    )  # fmt: skip
    best = objective(scenario, read(np.clip(solved.x, 0.0, 1.0)).within_budgets(scenario), ratio)
    return (best - objective(scenario, start, ratio)) / scale


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "overrides"), [(0, {}), (1, {}), (0, RADIO)], ids=["0", "1", "0-radio"])
@of_all_formulations
def test_repeated_steps_end_at_a_stationary_point(name: str, seed: int, overrides: dict[str, float]) -> None:
    scenario = Scenario.random(users=3, servers=2, seed=seed, **overrides)
    start, ratio = random_allocation(scenario, seed), some_ratio(scenario, seed)
    end, _ = resource_step(scenario, name, epsilon=1e-7, most=100)(start, ratio)
    assert improvement_by_slsqp(scenario, start, ratio) > 1e-2  # SciPy does find improvements where there are some
    assert improvement_by_slsqp(scenario, end, ratio) <= 1e-3


def test_derivatives_that_are_no_numbers_fail_instead_of_ending_the_process() -> None:
    # With this SNR the second derivatives of 1 / R leave the range of numbers; the linear solver inside dies of that.
    program = """
    import dashf_pyomo
    from formulations import Scenario
    dashf_pyomo.solve(Scenario.random(2, 2, seed=0, score_norm=1e-12, channel_gain=1e150), "dual", time_limit=20)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
