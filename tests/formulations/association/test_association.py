"""AO part 1: the formulations against each other, against every association tried in turn, and on wide data."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest
from algorithm_helpers import (
    RESOURCES,
    best_association,
    budgets_allow,
    entries,
    random_allocation,
    random_pairs,
    solve_association,
    some_ratio,
)
from hypothesis import given, settings
from strategies import scenarios

from dashf_pyomo.backends import BackendLimits, capable_backends
from dashf_pyomo.backends.highs import MIP_GAP
from formulations import Scenario
from formulations.association import hull, sdr_chordal, sdr_rlt
from formulations.association.coefficients import DELAY_ROWS, AssociationCoefficients, optimal_offloading
from formulations.association.pair_resources import IDLE_PAIRS, PairResources
from formulations.formulation import Kind, Language, Subproblem

pytestmark = pytest.mark.slow

ENTRIES = entries(Subproblem.ASSOCIATION)
NAMES = tuple(ENTRIES)
RELAXATIONS = tuple(name for name, entry in ENTRIES.items() if entry.kind is Kind.RELAXATION)
FACES = tuple((name, face) for name, entry in ENTRIES.items() for face in entry.faces)

#: Resources on the pairs: the start point, random ones that overfill servers, and those after AO part 2.
PAIRS = ("equal", "random", *IDLE_PAIRS)
SIZES = {(1, 1): (0,), (2, 3): (1, 3), (3, 2): (2, 4), (4, 3): (3,)}  # the seeds of each size
CASES = [(*size, seed, pairs) for size, seeds in SIZES.items() for seed in seeds for pairs in PAIRS]
of_all_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: "{}x{}-{}-{}".format(*case))


class Case:
    """A scenario, resources on its pairs and a ratio; values are relative to the scale of the objective."""

    def __init__(self, users: int, servers: int, seed: int, kind: str) -> None:
        self.scenario = Scenario.random(users=users, servers=servers, seed=seed)
        self.pairs = make_pairs(self.scenario, kind, seed)
        self.ratio = some_ratio(self.scenario, seed)
        self.coefficients = AssociationCoefficients.of(self.scenario, self.pairs, self.ratio)
        best, self.allowed = best_association(self.scenario, self.pairs, self.ratio)
        self.best = best / self.coefficients.objective_unit

    @cache  # noqa: B019  (cases live as long as the tests)
    def value(self, name: str, delay_rows: str = "aggregated", face: str = "auto") -> float:
        found = solve_association(name, self.scenario, self.coefficients, delay_rows, face)
        return found.value / self.coefficients.objective_unit


def make_pairs(scenario: Scenario, kind: str, seed: int) -> PairResources:
    if kind == "equal":
        return PairResources.equal(scenario)
    if kind == "random":
        return random_pairs(scenario, seed)
    return PairResources.around(scenario, random_allocation(scenario, seed), kind)


@cache
def make(case: tuple[int, int, int, str]) -> Case:
    return Case(*case)


def rounded_values(case: Case, count: int = 10) -> list[float]:
    """What random associations that fit the budgets are worth, phi optimal and phi random."""
    rng = np.random.default_rng(0)
    s, c = case.scenario, case.coefficients
    values = []
    for _ in range(count):
        server = rng.integers(s.n_servers, size=s.n_users)
        if budgets_allow(s, case.pairs, server):
            best = optimal_offloading(s, case.pairs.at(s, server, np.full(s.n_users, 0.5)), case.ratio)
            values += [c.value(server, offload) / c.objective_unit for offload in (best, rng.uniform(size=s.n_users))]
    return values


# -- values -----------------------------------------------------------------------------------


@of_all_cases
def test_splitting_the_sdr_into_blocks_keeps_its_value(case: tuple[int, int, int, str]) -> None:
    assert make(case).value("sdr-chordal") == pytest.approx(make(case).value("sdr"), abs=1e-5)


@of_all_cases
def test_sdr_then_hull_then_milp_then_any_rounded_point(case: tuple[int, int, int, str]) -> None:
    chain = [make(case).value(name) for name in ("sdr", "hull", "milp")]
    chain.append(min(rounded_values(make(case)), default=np.inf))
    for lower, upper in pairwise(chain):
        assert lower <= upper + 1e-5


@of_all_cases
def test_the_hull_rows_make_the_sdr_at_least_as_tight_as_both(case: tuple[int, int, int, str]) -> None:
    tight, *both = (make(case).value(name) for name in ("sdr-rlt", "sdr-chordal", "hull"))
    assert tight >= max(both) - 1e-5


@of_all_cases
@pytest.mark.parametrize("face", ENTRIES["milp"].faces)
def test_milp_finds_the_best_of_all_associations(case: tuple[int, int, int, str], face: str) -> None:
    assert make(case).value("milp", face=face) == pytest.approx(make(case).best, abs=MIP_GAP)


@of_all_cases
@pytest.mark.parametrize("delay_rows", DELAY_ROWS)
@pytest.mark.parametrize("name", [name for name in NAMES if len(ENTRIES[name].faces) > 1])
def test_all_faces_of_a_formulation_have_the_same_value(
    case: tuple[int, int, int, str], name: str, delay_rows: str
) -> None:
    first, *others = (make(case).value(name, delay_rows, face) for face in ENTRIES[name].faces)
    tolerance = 1e-7 if ENTRIES[name].kind is Kind.RELAXATION else MIP_GAP
    assert others == pytest.approx([first] * len(others), abs=tolerance)


@of_all_cases
@pytest.mark.parametrize("delay_rows", DELAY_ROWS)
@pytest.mark.parametrize("name", RELAXATIONS)
def test_relaxations_stay_below_the_best_association(
    case: tuple[int, int, int, str], name: str, delay_rows: str
) -> None:
    assert make(case).value(name, delay_rows) <= make(case).best + 1e-6


@of_all_cases
@pytest.mark.parametrize("name", ["hull", "milp", "sdr-rlt"])
def test_delay_rows_per_pair_are_never_tighter(case: tuple[int, int, int, str], name: str) -> None:
    # Not for the plain SDRs: they let w leave [0, x], and then neither rows imply the others.
    tolerance = MIP_GAP if name == "milp" else 1e-5
    assert make(case).value(name, "pairwise") <= make(case).value(name, "aggregated") + tolerance


def test_the_cases_cover_budgets_that_bind_and_budgets_that_do_not() -> None:
    every = [(make(case).allowed, case[1] ** case[0]) for case in CASES if case[1] > 1]
    assert any(allowed == count for allowed, count in every)
    assert any(1 <= allowed < count / 2 for allowed, count in every)


@settings(max_examples=8)
@given(scenario=scenarios(max_users=3, max_servers=3))
def test_formulations_are_ordered_on_data_of_wide_magnitudes(scenario: Scenario) -> None:
    ratio, pairs = some_ratio(scenario, 7), random_pairs(scenario, 1)
    coefficients = AssociationCoefficients.of(scenario, pairs, ratio)
    best, _ = best_association(scenario, pairs, ratio)
    names = ("sdr", "sdr-chordal", "hull", "milp")
    sdr, blocks, hull, milp = (solve_association(name, scenario, coefficients).value for name in names)
    scale = max(coefficients.objective_unit, abs(best))
    assert max(sdr, blocks) <= hull + 1e-5 * scale
    assert hull <= milp + 1e-5 * scale
    assert milp <= best + 1e-4 * scale


# -- solutions --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_solutions_are_distributions_over_servers_and_shares(name: str) -> None:
    case = make(CASES[-4])
    solution = solve_association(name, case.scenario, case.coefficients)
    assert np.all(solution.association >= 0) and np.allclose(solution.association.sum(axis=1), 1, atol=1e-9)
    assert np.all((solution.offload >= 0) & (solution.offload <= 1))


def test_milp_returns_a_binary_association_that_is_worth_its_value() -> None:
    for key in CASES[5:]:
        case = make(key)
        c, solution = case.coefficients, solve_association("milp", case.scenario, case.coefficients)
        server = np.argmax(solution.association, axis=1)
        assert np.allclose(solution.association.max(axis=1), 1, atol=1e-6)
        assert budgets_allow(case.scenario, case.pairs, server)
        assert c.value(server, solution.offload) == pytest.approx(solution.value, abs=1e-5 * c.objective_unit)


@pytest.mark.parametrize("name", NAMES)
def test_closed_pairs_leave_the_coefficients_finite_and_are_not_chosen(name: str) -> None:
    scenario = Scenario.random(users=4, servers=2, seed=3)
    known = random_allocation(scenario, 3)
    pairs = PairResources.around(scenario, known, "zero")
    coefficients = AssociationCoefficients.of(scenario, pairs, some_ratio(scenario, 0))
    for field in ("local_time", "server_time", "uplink_time", "pair_cost", "product_cost"):
        assert np.all(np.isfinite(getattr(coefficients, field)))
    if name == "milp":
        solution = solve_association(name, scenario, coefficients)
        assert np.array_equal(np.argmax(solution.association, axis=1), known.server)


# -- models -----------------------------------------------------------------------------------


@pytest.mark.parametrize("delay_rows", DELAY_ROWS)
@pytest.mark.parametrize(("name", "face"), FACES)
def test_new_parameters_give_the_value_of_a_new_model_without_compiling_again(
    name: str, face: Language, delay_rows: str
) -> None:
    scenario = Scenario.random(users=3, servers=2, seed=1)
    entry = ENTRIES[name]
    model = entry.faces[face](scenario, delay_rows=delay_rows)
    _, backend = capable_backends(entry, face=face)[0]
    compiled = []
    for seed, kind in enumerate(("equal", "hold", "random")):
        pairs = make_pairs(scenario, kind, seed)
        coefficients = AssociationCoefficients.of(scenario, pairs, some_ratio(scenario, seed))
        model.update(coefficients)
        backend.solve(model.problem, BackendLimits())
        if face is Language.CVXPY:
            compiled.append(model.problem._cache.param_prog)
        again = solve_association(name, scenario, coefficients, delay_rows, face)
        assert model.solution().value == pytest.approx(again.value, abs=1e-5 * coefficients.objective_unit)
    if face is Language.CVXPY:
        assert compiled[0] is not None and compiled[0] is compiled[1] is compiled[2]


@pytest.mark.parametrize(("name", "face"), FACES)
def test_an_unknown_reading_of_the_delay_rows_is_refused(name: str, face: Language) -> None:
    with pytest.raises(ValueError, match="delay_rows = 'both'"):
        ENTRIES[name].faces[face](Scenario.random(users=2, servers=2), delay_rows="both")


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize(("name", "face"), FACES)
def test_each_budget_alone_keeps_users_away(name: str, face: Language, resource: str) -> None:
    # Everybody wants server 0, and 0.6 of one of its budgets each lets only one in; the other servers are free.
    scenario = Scenario.random(users=3, servers=3, seed=0, channel_gain=[[1e-9, 1e-15, 1e-15]] * 3)
    pairs = PairResources.equal(scenario)
    share = np.full((3, 3), 0.1)
    share[:, 0] = 0.6
    pairs = replace(pairs, **{resource: share * getattr(scenario, f"{resource}_max")})
    coefficients = AssociationCoefficients.of(scenario, pairs, some_ratio(scenario, 0))
    found = solve_association(name, scenario, coefficients, face=face).association
    load = 0.6 * found[:, 0].sum()
    assert load <= 1.0 + 1e-4
    if name == "milp":
        assert load == pytest.approx(0.6, abs=1e-6)


def test_only_the_rows_of_the_hull_keep_the_products_from_being_negative() -> None:
    least = {}
    for name, lift in (("hull", hull.lift), ("sdr-rlt", sdr_rlt.lift), ("sdr-chordal", sdr_chordal.lift)):
        lifting = lift(2, 3)
        rows = [*lifting.constraints, cp.sum(lifting.association, axis=1) == 1]
        problem = cp.Problem(cp.Minimize(lifting.product[0, 0]), rows)
        assert capable_backends(ENTRIES[name], face="cvxpy")[0][1].solve(problem).status.has_solution
        least[name] = problem.value
    assert least["hull"] == pytest.approx(0.0, abs=1e-6)
    assert least["sdr-rlt"] == pytest.approx(0.0, abs=1e-6)
    assert least["sdr-chordal"] < -0.1
