"""Certificates of other objectives, rows and limits: what is true is verified, and no forgery proves what is false."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from class_certificates import CASES, ClassCase, case_of, refuted, some_allocations
from hypothesis import given, settings
from hypothesis import strategies as st

import dashf_pyomo
from dashf_pyomo.algorithms.dual.coupling import CouplingRows
from dashf_pyomo.certificate import Certificate, CertificateError, Empty, Late, LeafClaim, UnprovenError, verify
from dashf_pyomo.certificate.balls import PRECISION, flint
from dashf_pyomo.certificate.claims import UserTask, user_bound
from dashf_pyomo.certificate.rows import ENERGIES, SHARES, Charges, row_count, rows_of
from dashf_pyomo.certificate.stated import StatedProblem
from dashf_pyomo.check import check
from dashf_pyomo.cli.main import main
from formulations import Allocation, Scenario, evaluate
from formulations.attributes import PARTS
from formulations.terms import Sites, upper_rows
from formulations.terms import rows_of as declared_rows

REFUSED = (CertificateError, UnprovenError)

#: Those of the quick part: one of each kind of derivation.
QUICK = (
    *("weights", "cost, mean delay", "cost of the mean", "scr of the mean", "utility"),
    *("energies", "floor", "binary, mean delay", "rates"),
)

EVERY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]


def better(one: ClassCase, value: float, part: float) -> float:
    """What is better than a value by a part of it."""
    return value + one.sign * part * abs(value)


def proves_what_is_false(one: ClassCase, certificate: Certificate, scenario: Scenario | None = None) -> bool:
    """Whether a certificate is verified to prove that the best known allocation is not there.

    It is asked as it is, then for a bound just better than the known value, then for whatever it proves.
    """
    scenario = one.scenario if scenario is None else scenario
    stated = certificate.bound, better(one, one.known, -1e-9), one.sign * 1e300
    for bound in stated[:1] if certificate.infeasible else stated:
        try:
            verified = verify(scenario, dataclasses.replace(certificate, bound=bound))
        except REFUSED:
            continue
        if verified.infeasible or one.sign * verified.bound < one.sign * one.known:
            return True
    return False


# -- what is true is verified -----------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_bound_of_the_class_is_verified_and_what_the_kernels_say_is_true(name: str) -> None:
    one = case_of(name)
    assert one.reaches
    verified = verify(one.scenario, one.certificate)
    assert one.sign * one.known <= one.sign * verified.bound <= one.sign * one.certificate.bound
    # Leaves were proven anew, so a little may be won; nothing that was claimed is lost.
    assert verified.bound == pytest.approx(one.bound, rel=5e-3)
    assert not verified.infeasible and verified.leaves > 0


@pytest.mark.parametrize("name", ["mean delay", "cost, mean delay", "binary, mean delay"])
def test_delays_before_the_deadlines_of_a_box_have_leaves_of_their_own(name: str) -> None:
    arrays = case_of(name).certificate.to_arrays()
    assert arrays["leaf_early"].any() and not arrays["leaf_early"].all()
    assert (arrays["claim_row_price"] > 0.0).any()


def test_several_processes_find_the_same() -> None:
    one = case_of("energies")
    assert verify(one.scenario, one.certificate, workers=2).bound == verify(one.scenario, one.certificate).bound


# -- no false bound ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_no_bound_better_than_a_known_value_is_verified(name: str) -> None:
    one = case_of(name)
    assert verify(one.scenario, dataclasses.replace(one.certificate, bound=better(one, one.bound, 1e-3)))
    for part in (1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 0.99):
        wrong = dataclasses.replace(one.certificate, bound=better(one, one.known, -part))
        with pytest.raises(UnprovenError):
            verify(one.scenario, wrong)


NUMBERS = (
    *("claim_row_price", "claim_row_price", "claim_prices", "claim_delay_price", "claim_ratio", "node_value"),
    *("leaves", "leaves", "leaf_touch", "time_unit", "cost_unit"),
)


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_changed_numbers_prove_nothing_false(name: str, seed: int) -> None:
    one, rng = case_of(name), np.random.default_rng(seed)
    arrays = dict(one.certificate.to_arrays())
    for key in rng.choice(NUMBERS, rng.integers(1, 4)):
        value = arrays[key].copy()
        if value.size == 0:
            continue
        index = tuple(rng.integers(size) for size in value.shape)
        factor = rng.choice([0.0, 0.5, 0.9, 1.1, 2.0, 1e3, 1e-300, 1e300, -1.0])
        if rng.uniform() < 0.3:
            value[...] = value * factor
        else:
            value[index] = value[index] * factor if rng.uniform() < 0.8 else abs(rng.normal())
        arrays[key] = value
    try:
        forged = Certificate.from_arrays(arrays)
    except CertificateError:
        return
    assert not proves_what_is_false(one, forged)


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_leaves_that_are_dropped_or_said_to_be_of_other_delays_prove_nothing_false(name: str, seed: int) -> None:
    one, rng = case_of(name), np.random.default_rng(seed)
    arrays = dict(one.certificate.to_arrays())
    early = arrays["leaf_early"].copy()
    way = rng.integers(3)
    if way == 0:
        early[rng.integers(len(early))] ^= True
    elif way == 1:
        early[...] = rng.uniform() < 0.5
    else:  # pieces of pairs, or single leaves
        count = arrays["claim_leaf_count"].copy()
        pairs = np.repeat(np.arange(count.size), count.ravel())
        chosen = rng.integers(len(pairs))
        gone = np.flatnonzero(pairs == pairs[chosen]) if rng.uniform() < 0.3 else np.array([chosen])
        if rng.uniform() < 0.4:
            mark = early[chosen]
            gone = np.flatnonzero((pairs == pairs[chosen]) & (early == mark))
        np.subtract.at(count.reshape(-1), pairs[gone], 1)
        early = np.delete(early, gone)
        arrays |= {key: np.delete(arrays[key], gone, axis=0) for key in ("leaves", "leaf_touch")}
        arrays["claim_leaf_count"] = count
    assert not proves_what_is_false(one, Certificate.from_arrays({**arrays, "leaf_early": early}))


CLAIMED: dict[str, Callable[[Certificate], dict[str, Any]]] = {
    "no prices of rows": lambda c: {"claim_row_price": 0.0 * c.to_arrays()["claim_row_price"]},
    "dear rows": lambda c: {"claim_row_price": 1e6 + c.to_arrays()["claim_row_price"]},
    "a lower ratio": lambda c: {key: 0.9 * c.to_arrays()[key] for key in ("claim_ratio", "claim_delay_price")},
    "half the ratio": lambda c: {key: 0.5 * c.to_arrays()[key] for key in ("claim_ratio", "claim_delay_price")},
    "rows left out": lambda c: {"claim_row_price": c.to_arrays()["claim_row_price"][:, :0]},
    "one row more": lambda c: {"claim_row_price": np.pad(c.to_arrays()["claim_row_price"], ((0, 0), (0, 1)))},
    "no allocation": lambda c: {"infeasible": np.array(True), "bound": np.array(0.0)},
    "no allocation, no prices": lambda c: {
        "infeasible": np.array(True), "bound": np.array(0.0), "claim_ratio": 0.0 * c.to_arrays()["claim_ratio"],
        "claim_delay_price": 0.0 * c.to_arrays()["claim_delay_price"],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("what", CLAIMED)
def test_forged_claims_prove_nothing_false(name: str, what: str) -> None:
    one = case_of(name)
    forged = Certificate.from_arrays({**one.certificate.to_arrays(), **CLAIMED[what](one.certificate)})
    assert not proves_what_is_false(one, forged)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("root", [Empty(), Late()])
def test_a_tree_without_claims_proves_nothing_false(name: str, root: Any) -> None:
    one = case_of(name)
    assert not proves_what_is_false(one, dataclasses.replace(one.certificate, root=root))
    none = dataclasses.replace(one.certificate, root=root, bound=0.0, infeasible=True)
    assert not proves_what_is_false(one, none)


WIDER: dict[str, dict[str, Any]] = {
    "no limits at all": {"constraints": None},
    "wider rows": {"constraints": {"mean_delay": 60.0, "total_energy": 1e5}},
    "another objective": {"objective": {"user_weight": [2.0, 5.0]}, "constraints": None},
    "a sum": {"objective": {"kind": "cost", "delay": "sum"}, "constraints": None},
    "a mean": {"objective": {"delay": "mean", "user_weight": [1.0, 1.5]}, "constraints": None},
    "a dear utility": {"objective": {"kind": "utility", "price": 50.0}, "constraints": None},
}  # fmt: skip


@cache
def wider(what: str) -> ClassCase:
    """Allocations of another scenario with the same data; the certificate in it is not of it."""
    scenario = Scenario.random(2, 2, 0).replace(**WIDER[what])
    allocations = some_allocations(scenario)
    values = [evaluate(scenario, allocation).value for allocation in allocations]
    known = min(values) if scenario.objective.sense == "min" else max(values)
    return ClassCase(scenario, allocations, known, case_of("mean delay").certificate, False, known)


@pytest.mark.parametrize("what", WIDER)
@pytest.mark.parametrize("name", QUICK)
def test_a_certificate_with_the_hash_of_another_scenario_proves_nothing_false_of_it(name: str, what: str) -> None:
    one, other = case_of(name), wider(what)
    with pytest.raises(CertificateError, match="scenario_sha256"):
        verify(other.scenario, one.certificate)
    mine = dataclasses.replace(one.certificate, scenario_sha256=other.scenario.sha256)
    assert not proves_what_is_false(other, mine)
    posing = dataclasses.replace(mine, objective=str(other.scenario.objective.kind))
    rows = row_count(rows_of(other.scenario))
    for count in {rows, 0}:
        arrays = posing.to_arrays()
        arrays["claim_row_price"] = np.zeros((len(arrays["claim_row_price"]), count))
        assert not proves_what_is_false(other, Certificate.from_arrays(arrays))


def test_what_the_objective_says_is_not_for_a_claim_to_say() -> None:
    cost, mean = case_of("cost, mean delay"), case_of("scr of the mean")
    arrays = cost.certificate.to_arrays()
    assert not arrays["claim_ratio"].any()
    for one, key, said in (
        (cost, "claim_ratio", r"claim_ratio\[0\] = 0\.5; expected 0"),
        (mean, "claim_delay_price", r"claim_delay_price\[0\] has prices; expected zeros"),
    ):
        arrays = one.certificate.to_arrays()
        arrays[key] = arrays[key] + 0.5
        with pytest.raises(CertificateError, match=said):
            verify(one.scenario, Certificate.from_arrays(arrays))


def test_another_objective_or_sense_and_other_rows_are_refused() -> None:
    one = case_of("cost, mean delay")
    with pytest.raises(CertificateError, match=r"objective = 'utility'; expected 'cost'"):
        verify(one.scenario, dataclasses.replace(one.certificate, objective="utility"))
    with pytest.raises(CertificateError, match=r"sense = 'max'; expected 'min' for objective cost"):
        Certificate.from_arrays({**one.certificate.to_arrays(), "sense": np.array("max", "<U3")})
    prices = one.certificate.to_arrays()["claim_row_price"]
    with pytest.raises(CertificateError, match=r"claim_row_price\[0\] has 2 prices; expected 1"):
        verify(
            one.scenario,
            Certificate.from_arrays({**one.certificate.to_arrays(), "claim_row_price": np.hstack([prices, prices])}),
        )


@settings(max_examples=150, deadline=None)
@given(
    rho=st.sampled_from([-100.0, -1.0, 0.0, 1.0, 100.0]),
    delta=st.sampled_from([0.0, 1.0, 50.0, 100.0]),
    m=st.sampled_from([0.0, 1.0, 200.0]),
    late=st.sampled_from([0.0, 0.5, 1.0]),
    early=st.booleans(),
    shared=st.booleans(),
    start=st.sampled_from([0.2, 1.0, 2.0]),
    limit=st.sampled_from([None, 1.0, 3.0]),
)
def test_no_choice_of_a_user_is_worth_more_than_its_bound_whatever_prices_delays_have(
    rho: float, delta: float, m: float, late: float, early: bool, shared: bool, start: float, limit: float | None
) -> None:
    free = Scenario.random(1, 1, 0).replace(weight_energy=0.0)  # so that delays alone count
    allocation = lone_allocation()
    e = evaluate(free, allocation)
    objective = {} if shared else {"delay": "sum"}
    limits = {"mean_delay": 100.0 * e.delay, "delay_limit": None if limit is None else limit * e.delay * (1.0 + 1e-12)}
    scenario = free.replace(objective=objective, constraints=limits)
    certificate = Certificate(scenario.sha256, 1e-3 * e.scr, e.delay, 1.0, Empty())
    t0, t1 = start, 4.0
    at = t0 + late * (t1 - t0) if t0 > 1.0 else 1.0 + late * (t1 - 1.0)  # a deadline that is not before the delay
    leaf = np.array([[0.0, 1e9, 0.0, 1.0, m, 0.2, 0.2, 0.0, 0.0, 1.0]])
    with flint().ctx.workprec(PRECISION):
        problem = StatedProblem(scenario, certificate)
        ratio = 0.0 if shared else delta
        before = leaf if early else leaf[:0]
        task = UserTask(
            0, 0, t0, t1, (0.0, 1.0), ratio, np.full((1, 3), 0.3), rho, [delta / e.delay], {0: leaf}, {0: before}
        )  # fmt: skip
        bound = user_bound(problem, task)
        omega = float(problem.units.time_weight)
    shares = (allocation.bandwidth / free.bandwidth_max + allocation.server_power / free.server_power_max
              + allocation.server_speed / free.server_speed_max)[0]  # fmt: skip
    worth = e.score / free.score_scale - 0.3 * shares - delta
    worth -= rho * at if shared else ratio * omega
    assert bound >= worth


def fastest(delay: str) -> tuple[Scenario, Any]:
    """A scenario whose cost is that of delays alone, and the evaluation of its best allocation: a server for each."""
    objective = {"kind": "cost", "delay": delay, "user_weight": [1.0, 3.0]}
    forced = {"forced": [[0, 0], [1, 1]]}
    scenario = Scenario.random(2, 2, 0).replace(weight_energy=0.0, objective=objective, constraints=forced)
    s, server = scenario, np.array([0, 1])
    fastest = [
        Allocation(
            server, np.array(offload), s.bandwidth_max, s.user_power_max, s.server_power_max, s.user_speed_max,
            s.server_speed_max,
        )
        for offload in ([0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0])
    ]  # fmt: skip
    return scenario, min((evaluate(scenario, allocation) for allocation in fastest), key=lambda one: one.value)


@pytest.mark.parametrize("delay", ["largest", "sum", "mean"])
def test_long_deadlines_cost_no_more_than_the_best_allocation_that_has_them(delay: str) -> None:
    scenario, e = fastest(delay)
    certificate = Certificate(scenario.sha256, e.value, 1.0, 1.0, Empty(), "cost")
    with flint().ctx.workprec(PRECISION):
        problem = StatedProblem(scenario, certificate)
        assert problem.late(e.delay) >= -e.value * (1.0 + 1e-12)
        if delay == "largest":
            assert problem.late(e.delay) == pytest.approx(-e.value, rel=1e-12)
        assert problem.late(2.0 * e.delay) < -e.value


@pytest.mark.parametrize("delay", ["sum", "mean"])
def test_delays_that_are_left_out_by_a_stated_cost_end_where_all_else_costs_least(delay: str) -> None:
    scenario, e = fastest(delay)
    certificate = Certificate(scenario.sha256, e.value, 1.0, 1.0, Empty(), "cost")
    with flint().ctx.workprec(PRECISION):
        longest = [float(limit) for limit in StatedProblem(scenario, certificate).longest]
    assert longest == pytest.approx(e.user_delay.tolist(), rel=1e-9)


@pytest.mark.parametrize("name", ["scr of the mean", "utility of the sum", "cost of the mean"])
def test_no_allocation_that_is_better_than_stated_has_a_delay_that_is_left_out(name: str) -> None:
    one = case_of(name)
    for allocation in one.allocations:
        e = evaluate(one.scenario, allocation)
        stated = dataclasses.replace(one.certificate, bound=max(better(one, e.value, -1e-9), -1e300))
        if one.scenario.objective.kind == "scr" and stated.bound <= 0.0:
            continue
        with flint().ctx.workprec(PRECISION):
            problem = StatedProblem(one.scenario, stated)
            assert problem.excludes
            limits = [float(limit) * problem.units.time for limit in problem.longest]
        assert (e.user_delay <= limits).all()


@cache
def lone_allocation() -> Allocation:
    """The fastest allocation of a single user, whose delay is the least there is."""
    s = Scenario.random(1, 1, 0)
    most = s.bandwidth_max, s.user_power_max, s.server_power_max, s.user_speed_max, s.server_speed_max
    both = [Allocation([0], [phi], *most) for phi in (0.0, 1.0)]
    return min(both, key=lambda one: evaluate(s, one).delay)


# -- what rows mean ---------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "delay_limit": [1e3, None, 2e3],
    "user_energy": [1e4, None, 2e4],
    "server_energy": [None, 1e4],
    "total_energy": 1e5,
    "users_per_server": [2, 3],
    "mean_delay": 500.0,
    "rows": [
        {"name": "shares", "at_most": -1.0, "terms": [
            {"attribute": "bandwidth", "users": [0, 2], "coefficient": [-1.0, 2.0]},
            {"attribute": "server_power", "servers": [1], "coefficient": -3.0}, {"attribute": "server_speed"},
        ]},
        {"name": "both", "at_most": 7.0, "terms": [
            {"attribute": "served", "users": [1], "servers": [0], "coefficient": -2.0}, {"attribute": "offload"},
            {"attribute": "delay", "coefficient": 0.3},
            {"attribute": "user_energy", "servers": [0]}, {"attribute": "server_energy", "coefficient": [1, 2, 3]},
            {"attribute": "energy"}, {"attribute": "mean_delay"},
        ]},
        {"name": "late", "at_most": 1200.0, "terms": [
            {"attribute": "delay", "users": [2], "coefficient": 2.0}, {"attribute": "energy", "users": [0]},
        ]},
    ],
}  # fmt: skip


def with_everything() -> Scenario:
    """A scenario with every kind of row."""
    return Scenario.random(3, 2, 0).replace(constraints=EVERYTHING)


def test_rows_charge_what_the_evaluator_counts_and_come_in_the_order_of_those_who_price_them() -> None:
    scenario = with_everything()
    groups, count = rows_of(scenario), row_count(rows_of(scenario))
    priced = CouplingRows(scenario, 1.0, 1.0)
    assert count == len(priced)
    bounds = {place: bound for group in groups for place, bound in zip(group.place, group.bound, strict=True)}
    assert [float(bounds[i]) for i in range(count)] == pytest.approx((priced.right * priced.unit).tolist())
    free = Scenario.random(3, 2, 0)
    rows = [row for row in upper_rows(scenario) if row.limit.key != "delay_limit"]
    assert len(rows) < len(declared_rows(scenario))
    for seed, allocation in enumerate(some_allocations(free, 20, 0)):
        prices = np.random.default_rng(seed).uniform(size=count).tolist()
        e, a = evaluate(free, allocation), allocation
        parts = {
            "bandwidth": a.bandwidth, "server_power": a.server_power, "server_speed": a.server_speed,
            **{part: getattr(e, part) for part in ENERGIES},
        }  # fmt: skip
        total = 0.0
        for n, m in enumerate(a.server.tolist()):
            charged = Charges()
            for group in groups:
                group.charge(prices, n, m, charged)
            total += float(charged.constant) + float(charged.offload) * a.offload[n]
            total += float(charged.delay) * e.user_delay[n]
            total += sum(float(p) * parts[part][n] for part, p in zip(SHARES, charged.shares, strict=True))
            total += sum(float(p) * parts[part][n] for part, p in zip(ENERGIES, charged.energies, strict=True))
        assert set(parts) <= set(PARTS)
        assert total == pytest.approx(_counted(scenario, rows, a, prices), rel=1e-12)


def _counted(scenario: Scenario, rows: list[Any], allocation: Any, prices: list[float]) -> float:
    """Prices times the values of rows, by the evaluator's terms."""
    a = allocation
    resources = a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed
    terms = Sites(scenario, a.server).terms(*resources, a.offload, 1.0 - a.offload)
    values = [row.values(terms, a.server)[row.active] for row in rows]
    return float(np.dot(prices, np.concatenate(values)))


def test_single_rows_and_limits_bound_the_delay_of_a_user() -> None:
    scenario = with_everything()
    certificate = Certificate(scenario.sha256, 1.0, 2.0, 1.0, Empty())
    with flint().ctx.workprec(PRECISION):
        limits = [float(limit) for limit in StatedProblem(scenario, certificate).limit]
    # In time units of 2 s: its own limit; the sum of three delays, of which it is one; and twice itself in a row. Rows
    # with negative weights say nothing.
    assert limits == pytest.approx([500.0, 750.0, 300.0])


# -- no allocation ----------------------------------------------------------------------------

NONE: dict[str, dict[str, Any]] = {
    "energy": {"total_energy": 50.0, "delay_limit": 60.0},
    "users": {"users_per_server": 1},
    "delays": {"mean_delay": 5.0},
    "rates": {"uplink_rate": 5e7},
    "binary": {"total_energy": 50.0, "delay_limit": 60.0, "binary_offload": True},
}


def impossible(what: str) -> Scenario:
    return Scenario.random(3, 2, 0).replace(constraints=NONE[what])


@cache
def proof_of_none(what: str) -> Certificate:
    certificate = refuted(impossible(what))
    assert certificate is not None
    return certificate


@pytest.mark.parametrize("kind", ["scr", "cost"])
@pytest.mark.parametrize("what", NONE)
def test_that_there_is_no_allocation_is_verified(what: str, kind: str) -> None:
    scenario = impossible(what).replace(objective={"kind": kind})
    certificate = refuted(scenario)
    assert certificate is not None
    verified = verify(scenario, certificate)
    assert verified.infeasible and verified.bound == scenario.objective.worst


@pytest.mark.parametrize("what", ["energy", "users", "delays", "binary"])
def test_a_proof_that_there_is_none_does_not_hold_where_there_is_one(what: str) -> None:
    certificate = proof_of_none(what)
    free = {"energy": "total_energy", "users": "users_per_server", "delays": "mean_delay", "binary": "total_energy"}
    kept = {key: value for key, value in NONE[what].items() if key != free[what]}
    allocation = some_allocations(Scenario.random(3, 2, 0).replace(constraints=kept), 50, 0)[-1]
    e = evaluate(Scenario.random(3, 2, 0), allocation)
    reached = {
        "total_energy": e.energy * (1.0 + 1e-12), "mean_delay": e.user_delay.mean() * (1.0 + 1e-12),
        "users_per_server": float(np.bincount(allocation.server).max()),
    }[free[what]]  # fmt: skip
    scenario = Scenario.random(3, 2, 0).replace(constraints={**kept, free[what]: reached})
    assert evaluate(scenario, allocation).max_violation == 0.0
    with pytest.raises(UnprovenError):
        verify(scenario, dataclasses.replace(certificate, scenario_sha256=scenario.sha256))
    assert refuted(scenario) is None


@pytest.mark.parametrize("what", ["energy", "users", "delays", "binary"])
def test_so_much_more_can_be_kept(what: str) -> None:
    assert some_allocations(Scenario.random(3, 2, 0).replace(constraints=widened(what)), 100, 0)


def widened(what: str) -> dict[str, Any]:
    """What `NONE` has, with twenty times the numbers."""
    return {key: value if isinstance(value, bool) else 20.0 * value for key, value in NONE[what].items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_changed_prices_never_prove_that_there_is_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    what = str(rng.choice(["energy", "users", "delays", "binary"]))
    certificate = proof_of_none(what)
    scenario = Scenario.random(3, 2, 0).replace(constraints=widened(what))
    arrays = dict(certificate.to_arrays())
    for key in ("claim_row_price", "claim_prices"):
        arrays[key] = arrays[key] * rng.choice([0.0, 1.0, 10.0, 1e6]) + rng.choice([0.0, 1e-3, 1.0])
    forged = dataclasses.replace(Certificate.from_arrays(arrays), scenario_sha256=scenario.sha256)
    with pytest.raises(REFUSED):
        verify(scenario, forged)


def test_a_row_that_is_kept_by_having_more_does_not_prove_that_there_is_none() -> None:
    row = {"name": "band", "at_most": -6e6, "terms": [{"attribute": "bandwidth", "users": [0], "coefficient": -1.0}]}
    scenario = Scenario.random(2, 2, 0).replace(constraints={"rows": [row]})
    assert some_allocations(scenario, 50, 0)
    for price in (1e-7, 1.0, 1e6):  # all that the user may have of it is worth more than the row asks for
        claim = LeafClaim.of(0.0, np.zeros((2, 3)), np.zeros(2), {}, [price])
        with pytest.raises(UnprovenError, match="may have allocations"):
            verify(scenario, Certificate(scenario.sha256, 0.0, 1.0, 1.0, claim, infeasible=True))


def test_no_allocation_cannot_be_stated_with_prices_of_an_objective() -> None:
    certificate = proof_of_none("energy")
    arrays = certificate.to_arrays()
    for key in ("claim_ratio", "claim_delay_price"):
        with pytest.raises(CertificateError, match=rf"{key}\[0\]"):
            verify(impossible("energy"), Certificate.from_arrays({**arrays, key: arrays[key] + 1.0}))


# -- in a check -------------------------------------------------------------------------------


def result_of(one: ClassCase, bound: float | None) -> dict[str, Any]:
    """A result with a bound, of whatever allocation a baseline finds."""
    document = dashf_pyomo.solve(one.scenario, "nearest").to_dict()
    if bound is None:
        return document
    value = document["value"]
    gap = abs(value - bound) / max(abs(value), abs(bound))
    return document | {"method": "minlp", "bound": bound, "bound_source": "these tests", "gap": gap}


def test_a_check_says_what_a_certificate_proves_of_a_cost_and_its_rows(tmp_path: Path) -> None:
    one = case_of("cost")

    def findings(bound: float | None, certificate: Certificate) -> dict[str, Any]:
        return {f.claim: f for f in check(one.scenario, result_of(one, bound), certificate=certificate)}

    proven = verify(one.scenario, one.certificate).bound
    good = findings(proven, one.certificate)
    assert good["certificate"].holds and f"cost >= {proven:.9g} for the scenario" in good["certificate"].detail
    assert good["lower bound"].holds and good["lower bound"].checked
    assert not findings(proven * (1.0 + 1e-9), one.certificate)["lower bound"].holds
    assert not findings(proven, case_of("cost, mean delay").certificate)["certificate"].holds
    for name, certificate, code in (
        ("own", one.certificate, 0),
        ("other", case_of("utility").certificate, 1),
        ("false", dataclasses.replace(one.certificate, bound=one.known), 1),
    ):
        certificate.write(tmp_path / f"{name}.npz")
        one.scenario.write(tmp_path / "s.json")
        dashf_pyomo.solve(one.scenario, "nearest").write(tmp_path / "r.json")
        arguments = ["check", str(tmp_path / "s.json"), str(tmp_path / "r.json"), "--certificate"]
        assert main([*arguments, str(tmp_path / f"{name}.npz")]) == code


def test_a_bound_without_the_rows_is_one_with_them_and_is_called_so() -> None:
    rows, free = case_of("cost, mean delay"), case_of("cost")
    found = check(rows.scenario, dashf_pyomo.solve(free.scenario, "nearest").to_dict(), certificate=free.certificate)
    detail = next(f.detail for f in found if f.claim == "certificate")
    assert detail.endswith("for the scenario without its mean delay")
    found = check(rows.scenario, dashf_pyomo.solve(free.scenario, "nearest").to_dict(), certificate=rows.certificate)
    assert next(f.detail for f in found if f.claim == "certificate").endswith("for the scenario with its mean delay")


def test_a_check_takes_a_proof_that_there_is_no_allocation() -> None:
    scenario, certificate = impossible("energy"), proof_of_none("energy")
    document = dashf_pyomo.solve(Scenario.random(3, 2, 0), "nearest").to_dict()
    empty = dict.fromkeys(("allocation", "scr", "value", "score", "delay", "energy", "max_violation"))
    document |= {**empty, "status": "infeasible", "claim": "infeasible", "trace": [], "iterations": 0}

    def status(proof: Certificate | None) -> Any:
        return next(f for f in check(scenario, document, certificate=proof) if f.claim == "status")

    assert not status(None).holds
    assert status(certificate).holds and "as the certificate proves" in status(certificate).detail
