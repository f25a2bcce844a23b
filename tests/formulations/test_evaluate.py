"""The evaluator against hand calculations, what must not matter to it, and what it must always see."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from helpers import LIMITS, PER_USER, RESOURCES, changed, equal_shares, limits
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import FIELDS, cases, magnitudes

from formulations import Allocation, Evaluation, Scenario, evaluate

TOLERANCE = 1e-6  # the file format promises it

# -- by hand ----------------------------------------------------------------------------------


def test_one_user_one_server_by_hand() -> None:
    scenario = Scenario(
        channel_gain=[[1e-7]], noise_psd=1e-14, bandwidth_max=4e6, user_power_max=0.3, server_power_max=1.4,
        user_speed_max=1e12, server_speed_max=4e12, user_gpus=4, server_gpus=9, user_capacitance=1e-36,
        server_capacitance=2e-36, adapter_params=1e6, flops_per_param=4e6, bits_per_param=32, user_epochs=2,
        server_epochs=3, weight_time=2.0, weight_energy=0.5, score_scale=100 / math.log(2), score_norm=1.0,
    )  # fmt: skip
    allocation = Allocation(
        server=[0], offload=[0.25], bandwidth=[1e6], user_power=[0.3], server_power=[0.7],
        user_speed=[1e12], server_speed=[1e12],
    )  # fmt: skip
    result = evaluate(scenario, allocation)
    # Work 4e6 * 1e6 = 4e12 FLOP, size 1e6 * 32 = 32e6 bit; noise 1e-14 * 1e6 = 1e-8 W.
    assert result.time_local == pytest.approx([0.5])  # 4e12 * 0.25 * 2 / (4 * 1e12)
    assert result.time_uplink == pytest.approx([4.0])  # SNR 1e-7 * 0.3 / 1e-8 = 3: 2e6 bit/s; 8e6 bit
    assert result.time_server == pytest.approx([1.0])  # 4e12 * 0.75 * 3 / (9 * 1e12)
    assert result.time_downlink == pytest.approx([8.0])  # SNR 1e-7 * 0.7 / 1e-8 = 7: 3e6 bit/s; 24e6 bit
    assert result.energy_local == pytest.approx([2.0])  # 2 * 1e-36 * 0.25 * 4e12 * 1e24
    assert result.energy_uplink == pytest.approx([1.2])  # 0.3 W * 4 s
    assert result.energy_server == pytest.approx([18.0])  # 3 * 2e-36 * 0.75 * 4e12 * 1e24
    assert result.energy_downlink == pytest.approx([5.6])  # 0.7 W * 8 s
    assert result.delay == pytest.approx(13.5)
    assert result.energy == pytest.approx(26.8)
    assert result.score == pytest.approx(100.0)  # 100 log2(1 + 1 * (1/4 + 0.7/1.4 + 1/4))
    assert result.scr == pytest.approx(100.0 / 40.4)  # 2 * 13.5 + 0.5 * 26.8
    assert result.violations == () and result.feasible and result.max_violation == 0.0


def test_two_users_two_servers_by_hand() -> None:
    scenario = Scenario(
        channel_gain=[[9e-9, 1e-7], [2e-7, 9e-9]], noise_psd=1e-14, bandwidth_max=[4e6, 2e6],
        user_power_max=[0.2, 0.7], server_power_max=[10.0, 3.0], user_speed_max=[0.5e12, 1e12],
        server_speed_max=[9e12, 0.25e12], user_gpus=[1, 2], server_gpus=[7, 4], user_capacitance=[4e-36, 0.5e-36],
        server_capacitance=[3e-36, 8e-36], adapter_params=[1e6, 3e6], flops_per_param=[2e6, 1e6], bits_per_param=8,
        user_epochs=[1, 2], server_epochs=[5, 2], weight_time=1.0, weight_energy=0.1,
        score_scale=10 / math.log(2), score_norm=2.0,
    )  # fmt: skip
    # User 0 is with server 1; user 1 is with server 0, trains all by itself and gets bandwidth only.
    allocation = Allocation(
        server=[1, 0], offload=[0.5, 1.0], bandwidth=[1e6, 2e6], user_power=[0.1, 0.7], server_power=[1.5, 0.0],
        user_speed=[0.5e12, 1e12], server_speed=[0.25e12, 0.0],
    )  # fmt: skip
    result = evaluate(scenario, allocation)
    # User 0: 2e12 FLOP, 8e6 bit, noise 1e-8 W.   User 1: 3e12 FLOP, 24e6 bit, noise 2e-8 W.
    assert result.time_local == pytest.approx([2.0, 3.0])  # 1e12 / 0.5e12; 3e12 * 2 / (2 * 1e12)
    assert result.time_uplink == pytest.approx([4.0, 4.0])  # SNR 1: 4e6 / 1e6; SNR 1.4e-7/2e-8 = 7: 24e6 / 6e6
    assert result.time_server == pytest.approx([2.0, 0.0])  # 1e12 * 2 / (4 * 0.25e12); nothing
    assert result.time_downlink == pytest.approx([1.0, 0.0])  # SNR 15: 4e6 / 4e6; nothing
    assert result.energy_local == pytest.approx([1.0, 3.0])  # 4e-36 * 1e12 * 0.25e24; 2 * 0.5e-36 * 3e12 * 1e24
    assert result.energy_uplink == pytest.approx([0.4, 2.8])  # 0.1 * 4; 0.7 * 4
    assert result.energy_server == pytest.approx([1.0, 0.0])  # 2 * 8e-36 * 1e12 * 0.0625e24
    assert result.energy_downlink == pytest.approx([1.5, 0.0])  # 1.5 * 1
    assert result.user_delay == pytest.approx([9.0, 7.0]) and result.delay == pytest.approx(9.0)
    assert result.energy_by_user == pytest.approx([3.9, 5.8]) and result.energy == pytest.approx(9.7)
    # Shares 1/2 + 1.5/3 + 1 = 2 and 2/4 + 0 + 0 = 0.5: 10 log2(1 + 2 * 2) = 23.2192809..., 10 log2(2)
    assert result.user_score == pytest.approx([23.219280948873624, 10.0])
    assert result.score == pytest.approx(33.219280948873624)
    assert result.scr == pytest.approx(33.219280948873624 / 9.97)  # 1 * 9 + 0.1 * 9.7
    assert result.violations == ()


# -- what does not matter ---------------------------------------------------------------------


def reordered(scenario: Scenario, allocation: Allocation, users: list[int], servers: list[int]) -> Evaluation:
    """Evaluate with user k being what was users[k], and server j what was servers[j]."""
    pick: dict[str, Any] = {"": ..., "N": users, "M": servers, "NM": np.ix_(users, servers)}
    values = {name: np.asarray(getattr(scenario, name))[pick[letters]] for name, (letters, _, _) in FIELDS.items()}
    lists = {field.name: getattr(allocation, field.name)[users] for field in fields(allocation)}
    lists["server"] = np.array([servers.index(m) for m in lists["server"]])
    return evaluate(Scenario(**values), Allocation(**lists))


@given(cases(), st.data())
def test_the_order_of_users_and_servers_does_not_matter(case: tuple[Scenario, Allocation], data: st.DataObject) -> None:
    scenario, allocation = case
    users = data.draw(st.permutations(range(scenario.n_users)))
    servers = data.draw(st.permutations(range(scenario.n_servers)))
    before, after = evaluate(*case), reordered(scenario, allocation, users, servers)
    for part in ("scr", "score", "delay", "energy"):
        assert getattr(after, part) == pytest.approx(getattr(before, part), rel=1e-12, abs=0), part
    np.testing.assert_array_equal(after.user_delay, before.user_delay[users])


@given(cases())
def test_a_user_costs_the_same_as_alone_with_its_server(case: tuple[Scenario, Allocation]) -> None:
    scenario, allocation = case
    together = evaluate(*case)
    for n, m in enumerate(allocation.server):
        alone = reordered(scenario, allocation, [n], [int(m)])
        assert alone.delay == together.user_delay[n]
        assert alone.energy == pytest.approx(together.energy_by_user[n], rel=1e-12, abs=0)
        assert alone.score == together.user_score[n]


@given(cases())
def test_a_server_without_users_does_not_matter(case: tuple[Scenario, Allocation]) -> None:
    users, servers = list(range(case[0].n_users)), [*range(case[0].n_servers), 0]
    assert reordered(*case, users, servers).scr == evaluate(*case).scr


# -- violations -------------------------------------------------------------------------------


@given(cases())
def test_what_fits_breaks_nothing_but_perhaps_the_delay(case: tuple[Scenario, Allocation]) -> None:
    result = evaluate(*case)
    broken = ["(3j) finite delay"] if not math.isfinite(result.delay) else []
    if not broken and not math.isfinite(result.energy):
        broken = ["(2) finite energy"]
    assert [violation.constraint for violation in result.violations] == broken
    assert result.feasible == (not broken)
    assert (result.scr == 0.0) or result.feasible


@given(cases(positive=True), st.sampled_from([*LIMITS, "offload"]), magnitudes(1e-9, 10.0), st.data())
def test_an_excess_is_always_seen(
    case: tuple[Scenario, Allocation], field: str, excess: float, data: st.DataObject
) -> None:
    assume(abs(excess / TOLERANCE - 1) > 1e-5)  # rounding of the values decides there
    scenario, allocation = case
    user = data.draw(st.integers(0, scenario.n_users - 1))
    where = f"user {user}"
    if field == "offload":
        constraint, value = "(3c)", 1.0 + excess
    else:
        constraint, value = LIMITS[field][1], limits(scenario, allocation, field)[user] * (1.0 + excess)
        if field not in PER_USER:  # this user takes what the others on its server leave, and the excess
            others = (allocation.server == allocation.server[user]) & (np.arange(scenario.n_users) != user)
            value -= getattr(allocation, field)[others].sum()
            where = f"server {allocation.server[user]}"
    result = evaluate(scenario, changed(allocation, field, user, value))
    assert len(result.violations) == 1
    violation = result.violations[0]
    assert violation.constraint.startswith(constraint) and violation.where == where
    assert violation.relative == pytest.approx(excess, rel=1e-9, abs=1e-14)
    assert violation.value == pytest.approx(violation.limit * (1.0 + excess), rel=1e-14, abs=0)
    assert result.max_violation == violation.relative
    assert result.feasible == (excess <= TOLERANCE)


@given(cases(positive=True), st.sampled_from([*LIMITS, "offload"]), magnitudes(1e-9, 10.0), st.data())
def test_a_negative_value_is_always_seen(
    case: tuple[Scenario, Allocation], field: str, excess: float, data: st.DataObject
) -> None:
    assume(abs(excess / TOLERANCE - 1) > 1e-5)
    scenario, allocation = case
    user = data.draw(st.integers(0, scenario.n_users - 1))
    unit = 1.0 if field == "offload" else limits(scenario, allocation, field)[user]
    result = evaluate(scenario, changed(allocation, field, user, -excess * unit))
    seen = [v for v in result.violations if not v.constraint.startswith("(3j)")]
    assert len(seen) == 1
    assert seen[0].constraint.startswith("(3c)" if field == "offload" else "(3i)")
    assert field.replace("_", " ") in seen[0].constraint or field == "offload"
    assert seen[0].where == f"user {user}" and seen[0].limit == 0.0
    assert seen[0].relative == pytest.approx(excess, rel=1e-12, abs=0)
    assert result.feasible == (excess <= TOLERANCE and math.isfinite(result.delay))


@pytest.mark.parametrize("field", [*RESOURCES, "offload"])
@pytest.mark.parametrize("factor", [-1e30, -10.0, -1.0, 10.0, 1e30])
def test_nonsense_is_judged_with_numbers(field: str, factor: float) -> None:
    """Whatever finite numbers come in: no warning, no NaN, and no SCR for a delay without end."""
    scenario = Scenario.random(2, 2, seed=1)
    allocation = equal_shares(scenario, [0, 1])
    unit = 1.0 if field == "offload" else limits(scenario, allocation, field)[0]
    result = evaluate(scenario, changed(allocation, field, 0, factor * unit))
    assert not result.feasible
    for part in ("scr", "score", "delay", "energy", "max_violation"):
        assert not math.isnan(getattr(result, part)), part


@pytest.mark.parametrize("field", ["user_speed", "server_speed"])
def test_a_hardly_negative_speed_gains_no_time(field: str) -> None:
    """Within the tolerance for violations, yet work done at a speed below zero never ends."""
    scenario = Scenario.random(2, 2, seed=1)
    honest = equal_shares(scenario, [0, 1])
    slowest = int(np.argmax(evaluate(scenario, honest).user_delay))
    result = evaluate(scenario, changed(honest, field, slowest, -1e-9 * limits(scenario, honest, field)[slowest]))
    assert np.all(result.time_local >= 0.0) and np.all(result.time_server >= 0.0)
    assert result.scr == 0.0 and not result.feasible


def test_violations_come_largest_first_and_read_well() -> None:
    scenario = Scenario.random(2, 2, seed=1)  # b_max 10 MHz, p_max 0.2 W
    allocation = changed(equal_shares(scenario, [0, 1]), "bandwidth", 1, 15e6)
    allocation = changed(changed(allocation, "user_power", 0, 0.4), "offload", 0, 1.25)
    texts = [str(violation) for violation in evaluate(scenario, allocation).violations]
    assert texts == [
        "(3e) user power cap, user 0: 0.4 against 0.2 (1.00e+00 over)",
        "(3d) bandwidth budget, server 1: 15000000 against 10000000 (5.00e-01 over)",
        "(3c) offloading ratio <= 1, user 0: 1.25 against 1 (2.50e-01 over)",
    ]


@pytest.mark.parametrize("field", ["bandwidth", "user_power", "server_power", "user_speed", "server_speed"])
def test_a_share_without_means_is_an_infinite_delay_without_worth(field: str) -> None:
    scenario = Scenario.random(2, 2, seed=1)
    result = evaluate(scenario, changed(equal_shares(scenario, [0, 1]), field, 1, 0.0))
    assert result.delay == math.inf and result.scr == 0.0 and not result.feasible
    assert result.max_violation == math.inf
