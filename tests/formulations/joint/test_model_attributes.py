"""Attributes of joint models: SI units, the same names everywhere, tied to the model wherever it goes."""

from __future__ import annotations

import pickle

import numpy as np
import pyomo.environ as pyo
import pytest

from formulations import InputError, Scenario, evaluate, joint
from formulations.association.pair_resources import equal_split
from formulations.joint.whole_point import set_point

SCENARIO = Scenario.random(3, 2, 0)
ALLOCATION = equal_split(SCENARIO, np.array([0, 1, 0]), np.array([0.3, 0.6, 0.9]))
MODELS = {name: getattr(joint, name)(SCENARIO, known=ALLOCATION) for name in ("literal", "activity", "convexified")}
of_all_models = pytest.mark.parametrize("name", MODELS)


def expected() -> dict[str, np.ndarray]:
    e, a = evaluate(SCENARIO, ALLOCATION), ALLOCATION
    return {
        "delay": e.user_delay,
        "energy": e.energy_by_user,
        "user_energy": e.energy_local + e.energy_uplink,
        "server_energy": e.energy_server + e.energy_downlink,
        "bandwidth": a.bandwidth,
        "server_power": a.server_power,
        "server_speed": a.server_speed,
        "user_power": a.user_power,
        "user_speed": a.user_speed,
        "offload": a.offload,
        "served": np.ones(3),
    }


@of_all_models
def test_attributes_are_what_the_evaluator_says_in_si_units(name: str) -> None:
    model = MODELS[name]
    set_point(model, ALLOCATION)
    for attribute, values in expected().items():
        found = [pyo.value(getattr(model.attributes, attribute)[n]) for n in model.users]
        np.testing.assert_allclose(found, values, rtol=1e-9, err_msg=attribute)
    at_servers = [[pyo.value(model.attributes.server_energy[n, k]) for k in model.servers] for n in model.users]
    np.testing.assert_allclose(np.sum(at_servers, axis=1), expected()["server_energy"], rtol=1e-9)
    assert at_servers[0][1] == at_servers[1][0] == 0.0


@of_all_models
def test_attributes_of_a_copy_are_the_copys(name: str) -> None:
    model = MODELS[name]
    for copy in (model.clone(), pickle.loads(pickle.dumps(model))):
        set_point(copy, ALLOCATION)
        before = pyo.value(copy.attributes.bandwidth[0])
        copy.bandwidth[0, 0].set_value(0.25 * copy.bandwidth[0, 0].value)
        assert pyo.value(copy.attributes.bandwidth[0]) == pytest.approx(0.25 * before)
        assert copy.attributes.delay[0].to_string() == model.attributes.delay[0].to_string()


def test_a_name_or_a_user_that_there_is_not_is_said() -> None:
    model = MODELS["activity"]
    with pytest.raises(AttributeError, match="no attribute 'watts'; expected one of served"):
        _ = model.attributes.watts
    with pytest.raises(KeyError):
        _ = model.attributes.energy[3]
    with pytest.raises(KeyError):
        _ = model.attributes.energy[0, 2]
    with pytest.raises(InputError, match="joint/activity states no expression of rate_up"):
        _ = model.attributes.rate_up[0]


def test_a_row_on_attributes_limits_what_it_says() -> None:
    model = joint.activity(SCENARIO, known=ALLOCATION)
    spent = float(expected()["energy"].sum())
    model.green = pyo.Constraint(expr=sum(model.attributes.energy[n] for n in model.users) <= 0.5 * spent)
    set_point(model, ALLOCATION)
    assert pyo.value(model.green.body) == pytest.approx(spent) and model.green.slack() < 0
