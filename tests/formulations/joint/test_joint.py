"""Joint models without a solver: bounds from the data, tangent planes, units, symmetry, imports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given
from strategies import scenarios

from formulations import Allocation, InputError, Scenario, evaluate, joint
from formulations.association.pair_resources import equal_split
from formulations.joint.convexified import _energy_tangents, _rate_tangents
from formulations.joint.data import JointData, known_allocation

pytestmark = pytest.mark.slow

NAMES = ("literal", "parametric", "activity", "convexified")


def random_allocations(scenario: Scenario, count: int = 30) -> list[Allocation]:
    rng = np.random.default_rng(0)
    n, m = scenario.n_users, scenario.n_servers
    found = []
    for _ in range(count):
        start = equal_split(scenario, rng.integers(m, size=n), np.zeros(n))
        offload = rng.choice([0.0, 1.0, rng.uniform()], n)
        found.append(start.with_shares(scenario, np.vstack([rng.dirichlet(np.ones(n), 3), np.ones((2, n))]), offload))
    return found


@given(scenarios())
def test_bounds_from_the_data_hold_for_every_allocation_at_least_as_good(scenario: Scenario) -> None:
    try:
        data = JointData.of(scenario)
    except InputError:
        return
    p = data.pairs
    for allocation in [*random_allocations(scenario, 8), known_allocation(scenario)]:
        e = evaluate(scenario, allocation)
        assert e.score / scenario.score_scale <= data.most_score * (1 + 1e-9)
        assert e.delay / p.time_unit >= data.least_delay * (1 - 1e-9)
        if e.feasible and e.scr >= data.ratio:
            users = np.arange(scenario.n_users)
            share = allocation.bandwidth / scenario.bandwidth_max[allocation.server]
            assert e.delay / p.time_unit <= data.most_delay * (1 + 1e-9)
            assert scenario.weight_energy * e.energy / p.cost_unit <= data.most_energy * (1 + 1e-9)
            assert data.usable[users, allocation.server].all()
            assert np.all(share >= data.least_bandwidth[users, allocation.server] * (1 - 1e-9))


def test_a_pair_that_is_too_slow_for_any_good_allocation_is_removed() -> None:
    scenario = Scenario.random(3, 2, seed=0)
    gain = scenario.channel_gain.copy()
    gain[1, 1] *= 1e-12
    far = replace(scenario, channel_gain=gain)
    for name in NAMES:
        model = getattr(joint, name)(far)
        assert model.x[1, 1].bounds == (0, 0) and not model.x[1, 1].fixed
        assert model.x[1, 0].bounds == (0, 1)


@pytest.mark.parametrize("error", [1e-2, 1e-3])
@pytest.mark.parametrize(
    ("link", "snr", "least"), [(1e-3, 1e4, 1e-3), (5.0, 1e-2, 0.5), (1.0, 1e8, 1e-6), (1.0, 1e-12, 1e-12)]
)
def test_tangent_planes_are_on_the_safe_side_and_close(link: float, snr: float, least: float, error: float) -> None:
    spectral = np.geomspace(1e-8, np.log1p(snr / least) * 0.999, 3000)
    u = np.sqrt(link / spectral)
    exact = u**2 * np.expm1(spectral)
    planes = np.array([value + slope * (u - at) for value, slope, at in _energy_tangents(link, snr, least, error)])
    below = planes.max(axis=0) / exact
    assert below.max() <= 1 + 1e-12
    assert below.min() >= 1 - 2 * error
    assert len(planes) < 2000

    sigma = np.expm1(spectral)
    rate = spectral
    above = np.array([c + slope * sigma for c, slope in _rate_tangents(snr, least, error)]).min(axis=0) / rate
    assert above.min() >= 1 - 1e-12
    assert above.max() <= 1 + 2 * error


@pytest.mark.parametrize("name", ["literal", "parametric", "activity"])
def test_an_allocation_comes_back_from_the_model_as_it_went_in(name: str) -> None:
    scenario = Scenario.random(4, 3, seed=1, bandwidth_max=[1e7, 2e7, 5e6])
    for allocation in random_allocations(scenario, 5):
        model = getattr(joint, name)(scenario)
        joint.set_values(model, allocation)
        back = joint.read(model)
        assert np.array_equal(back.server, allocation.server)
        assert evaluate(scenario, back).scr == pytest.approx(evaluate(scenario, allocation).scr, rel=1e-9)
        values = {v.name: v.value for v in model.component_data_objects(pyo.Var)}
        assert evaluate(scenario, joint.read(model, values)).scr == pytest.approx(evaluate(scenario, back).scr)


@pytest.mark.parametrize("name", ["parametric", "activity", "convexified"])
def test_a_bound_on_the_parametric_objective_bounds_the_scr(name: str) -> None:
    scenario = Scenario.random(3, 2, seed=0)
    model = getattr(joint, name)(scenario, ratio=100.0)
    found = joint.info(model)
    for allocation in random_allocations(scenario):
        e = evaluate(scenario, allocation)
        cost = e.score / e.scr
        value = (e.score - 100.0 * cost) / scenario.score_scale
        # What is worse than the known allocation may be cut away.
        assert max(found.value_bound(value), found.data.ratio) >= e.scr * (1 - 1e-9)


def test_other_models_and_scenarios_that_cannot_be_scaled_are_refused() -> None:
    with pytest.raises(InputError, match="not a model of Problem"):
        joint.info(pyo.ConcreteModel(name="mine"))
    with pytest.raises(InputError, match="weight_time = 0"):
        joint.activity(replace(Scenario.random(2, 2, seed=0), weight_time=0.0))
    with pytest.raises(InputError, match="unknown cut"):
        joint.convexified(Scenario.random(2, 2, seed=0), cuts=("salad",))


def test_identical_users_are_ordered_and_no_others() -> None:
    scenario = Scenario.random(3, 2, seed=0)
    assert not hasattr(joint.activity(scenario), "user_order")
    columns = ("adapter_params", "flops_per_param", "channel_gain")
    twins = replace(scenario, **{name: np.asarray(getattr(scenario, name))[[0, 1, 1]] for name in columns})
    assert len(joint.activity(twins).user_order) == 1
    assert JointData.of(twins).identical_users() == [(1, 2)]


def test_pyomo_is_loaded_by_the_first_model_and_not_before() -> None:
    code = (
        "import sys, dashf_pyomo, formulations.joint\n"
        "from dashf_pyomo.algorithms import methods\n"
        "list(methods)\n"
        "assert 'pyomo.core' not in sys.modules\n"
        "from formulations import Scenario\n"
        "formulations.joint.activity(Scenario.random(2, 2, seed=0))\n"
        "import pyomo.environ\n"
        "assert pyomo.environ.ConcreteModel\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
