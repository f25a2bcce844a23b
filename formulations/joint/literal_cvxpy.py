"""Problem (2), (3) as a `cvxpy.Problem`: named variables, the declared objective, products and all.

Source: (2), (3), and (X1) to (X8) where the scenario declares them. It is not convex and CVXPY's own solvers refuse it;
it is there to be read, evaluated, extended by constraints, and solved by ``problem.solve(method="dashf")`` once
`dashf_pyomo.plugins.cvxpy` is imported. CVXPY's atoms evaluate it independently of `formulations.evaluate`.

==================  ============  ==================================================
variable            shape         meaning
==================  ============  ==================================================
``x``               (N, M)        x_nm, boolean
``offload``         (N,)          phi_n; boolean where offloading is binary
``bandwidth``       (N, M)        b_nm / b_max of the server, 0 where not connected
``server_power``    (N, M)        p_nm / p_max of the server, likewise
``server_speed``    (N, M)        F_nm / F_max of the server, likewise
``user_power``      (N,)          p_n / p_max of the user
``user_speed``      (N,)          F_n / F_max of the user
``local_time``      (N,)          T^(t1), s
``uplink_time``     (N, M)        T^(t2) where connected, else 0, s; ``server_time``, ``downlink_time`` likewise
``delay``           ()            T, s
==================  ============  ==================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, evaluate
from ..constraints import Over, require_support
from ..documents import InputError
from ..lazy import lazy
from ..objective import DelayKind, ObjectiveKind
from ..scaled import ScaledPairs
from ..scenario import Scenario
from .pair_parts import JOINT_EXTRAS, JointLimits

if TYPE_CHECKING:
    import cvxpy as cp
else:
    cp = lazy("cvxpy")

__all__ = ["JointProblem", "build", "domain", "fingerprint", "joint_problem"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointProblem:
    """Data of a problem with the variables of Problem (3).

    Parameters
    ----------
    scenario
        The data.
    problem
        The problem as it was built.
    variables
        Its variables by name.
    built
        Fingerprints of what was built, as CVXPY lets its parts be changed in place: of constraints by their id, of
        variables by their name, and of the objective as ``objective``.
    """

    scenario: Scenario
    problem: cp.Problem
    variables: dict[str, cp.Variable]
    built: Mapping[int | str, str] = field(init=False)

    def __post_init__(self) -> None:
        built: dict[int | str, str] = {row.id: fingerprint(row) for row in self.problem.constraints}
        built |= {name: fingerprint(domain(variable)) for name, variable in self.variables.items()}
        built["objective"] = fingerprint(self.problem.objective)
        object.__setattr__(self, "built", built)

    def values(self, allocation: Allocation) -> dict[str, Array]:
        """Return the values that an allocation gives to the variables, by name."""
        s, a = self.scenario, allocation
        e, users = evaluate(s, a), np.arange(s.n_users)

        def spread(values: Array) -> Array:
            pairs = np.zeros((s.n_users, s.n_servers))
            pairs[users, a.server] = values
            return pairs

        return {
            "x": spread(np.ones(s.n_users)),
            "offload": np.asarray(a.offload),
            "bandwidth": spread(a.bandwidth / s.bandwidth_max[a.server]),
            "server_power": spread(a.server_power / s.server_power_max[a.server]),
            "server_speed": spread(a.server_speed / s.server_speed_max[a.server]),
            "user_power": a.user_power / s.user_power_max,
            "user_speed": a.user_speed / s.user_speed_max,
            "local_time": e.time_local,
            "uplink_time": spread(e.time_uplink),
            "server_time": spread(e.time_server),
            "downlink_time": spread(e.time_downlink),
            "delay": np.asarray(e.delay),
        }


def build(scenario: Scenario) -> cp.Problem:
    """Return Problem (3) for a scenario; the objective is the declared one, SI.

    Parameters
    ----------
    scenario
        The data.

    Raises
    ------
    InputError
        If a limit is no finite fraction of the resources.
    """
    require_support("the joint problem", JOINT_EXTRAS, scenario.demands)
    n, m = scenario.n_users, scenario.n_servers
    c = ScaledPairs.of(scenario, 1.0, 1.0)  # seconds, and cost as it is
    pair, user = {"bounds": [0.0, 1.0], "shape": (n, m)}, {"bounds": [0.0, 1.0], "shape": n}
    x = cp.Variable((n, m), boolean=True, name="x")
    offload = _offloading(scenario)
    user_power, user_speed = (cp.Variable(name=name, **user) for name in ("user_power", "user_speed"))
    shares = [cp.Variable(name=name, **pair) for name in ("bandwidth", "server_power", "server_speed")]
    beta, pi, psi = shares
    local_time = cp.Variable(n, nonneg=True, name="local_time")
    up, served, down = (
        cp.Variable((n, m), nonneg=True, name=name) for name in ("uplink_time", "server_time", "downlink_time")
    )
    delay = cp.Variable(nonneg=True, name="delay")

    def wide(vector: Any) -> Any:
        """Repeat what a user has for all servers."""
        return cp.reshape(vector, (n, 1), order="C") @ np.ones((1, m))

    def rate(snr: Array, power: Any) -> Any:
        """Return R = beta ln(1 + snr power / beta), which is zero where beta is."""
        return -cp.rel_entr(beta, beta + cp.multiply(snr, power))

    own, rest = cp.multiply(x, wide(offload)), cp.multiply(x, 1 - wide(offload))
    user_delay = local_time + cp.sum(up + served + down, axis=1)
    constraints = [
        cp.sum(x, axis=1) == 1,
        *(share <= x for share in shares),
        *(cp.sum(share, axis=0) <= 1 for share in shares),
        cp.multiply(local_time, user_speed) >= cp.multiply(c.local_time, offload),
        cp.multiply(up, rate(c.snr_up, wide(user_power))) >= cp.multiply(c.link_time, own),
        cp.multiply(served, psi) >= cp.multiply(c.server_time, rest),
        cp.multiply(down, rate(c.snr_down, pi)) >= cp.multiply(c.link_time, rest),
        user_delay <= delay,
    ]
    power = wide(user_power)
    parts = {
        "served": x,
        "own": own,
        "left": rest,
        "bandwidth": beta,
        "server_power": pi,
        "server_speed": psi,
        "time_local": cp.multiply(x, wide(local_time)),
        "time_uplink": up,
        "time_server": served,
        "time_downlink": down,
        "energy_local": cp.multiply(own, wide(cp.square(user_speed))),
        "energy_uplink": cp.multiply(power, up),
        "energy_server": cp.multiply(rest, cp.square(psi)),
        "energy_downlink": cp.multiply(pi, down),
    }
    limits = JointLimits.of(scenario, 1.0)
    if limits is not None:
        constraints.append(x <= scenario.allowed.astype(float))
        for need, speed in ((limits.need_up, rate(c.snr_up, power)), (limits.need_down, rate(c.snr_down, pi))):
            if np.any(need > 0):
                constraints.append(speed >= cp.multiply(need, x))
        for rows, taken in limits.rows:
            whole = sum(cp.multiply(np.broadcast_to(weight, (n, m)), parts[part]) for part, weight in taken.items())
            if rows.limit.over is Over.ALL:
                constraints.append(cp.sum(whole) <= float(rows.right[0]))
            else:
                total = cp.sum(whole, axis=1 if rows.limit.over is Over.USER else 0)
                constraints.append(total[rows.active] <= 1)
        if scenario.constraints is not None and scenario.constraints.binary_offload:
            low, high = scenario.constraints.offload.T  # bounds and boolean exclude each other
            constraints += [offload >= low, offload <= high]
    score = scenario.score.in_smooth_cvxpy(cp.sum(beta + pi + psi, axis=1))
    priced = {part: cp.multiply(price, parts[part]) for part, price in c.energy_prices.items()}
    problem = cp.Problem(_objective(scenario, c, score, (delay, user_delay), priced), constraints)
    variables = (x, offload, *shares, user_power, user_speed, local_time, up, served, down, delay)
    # Whatever is built around the variables, a problem with another constraint say, can be recognised by this.
    x.dashf = JointProblem(scenario, problem, {variable.name(): variable for variable in variables})
    return problem


def _offloading(scenario: Scenario) -> cp.Variable:
    """Return phi, in its ranges; where it is binary these are constraints."""
    extra = scenario.constraints
    if extra is not None and extra.binary_offload:
        return cp.Variable(scenario.n_users, boolean=True, name="offload")
    bounds = [0.0, 1.0] if extra is None or not extra.has_ranges else [*extra.offload.T.copy()]
    return cp.Variable(scenario.n_users, bounds=bounds, name="offload")


def _objective(
    scenario: Scenario, c: ScaledPairs, score: Any, delays: tuple[Any, Any], priced: Mapping[str, Any]
) -> cp.Minimize | cp.Maximize:
    """Return the objective.

    Parameters
    ----------
    scenario, c
        The data, and their coefficients in s and cost.
    score
        Scores of the users in units of varpi_1.
    delays
        T, and the delays of the users, s.
    priced
        Weighted energies of pairs, in parts.
    """
    declared, scale, n_users = scenario.objective, scenario.score_scale, scenario.n_users
    weights, counted = declared.score_weights(n_users), declared.cost_weights(n_users)
    if declared.user_weight is not None and declared.kind is not ObjectiveKind.COST:
        score = cp.multiply(weights, score)
    delay, user_delay = delays
    if declared.kind.by_user:
        cost = c.time_weight * user_delay + sum(cp.sum(part, axis=1) for part in priced.values())
        ratios = scale * score / cost
        return cp.Maximize(cp.sum(ratios) if declared.kind is ObjectiveKind.SUM_OF_RATIOS else cp.min(ratios))
    if declared.delay is not DelayKind.LARGEST:
        delay = declared.delay_weights(n_users) @ user_delay
    if np.all(counted == 1.0):
        energy = sum(cp.sum(part) for part in priced.values())
    else:
        energy = sum(counted @ cp.sum(part, axis=1) for part in priced.values())
    cost = c.time_weight * delay + energy
    if declared.kind is ObjectiveKind.COST:
        return cp.Minimize(cost)
    total = scale * cp.sum(score)
    if declared.kind is ObjectiveKind.UTILITY:
        return cp.Maximize(total - declared.price * cost)
    return cp.Maximize(total / cost)


def domain(variable: cp.Variable) -> dict[str, Any]:
    """Return what CVXPY keeps of the values that a variable may take: the bounds twice, and it uses both."""
    return {**variable.attributes, "kept bounds": variable.bounds}


def fingerprint(part: Any) -> str:
    """Return what a constraint, an objective, an expression or the domain of a variable says, as a hash."""
    digest = hashlib.sha256()

    def say(*parts: Any) -> None:
        for entry in parts:
            if isinstance(entry, (np.ndarray, np.generic)):
                digest.update(f"{entry.shape}{entry.dtype}".encode() + np.ascontiguousarray(entry).tobytes())
            elif isinstance(entry, (list, tuple)):
                digest.update(b"(")
                say(*entry)
                digest.update(b")")
            else:
                digest.update(f"{entry!r};".encode())

    def walk(node: Any) -> None:
        say(type(node).__name__, getattr(node, "shape", None))
        if isinstance(node, cp.Constant):
            value = node.value
            say(np.asarray(value.toarray() if hasattr(value, "toarray") else value))
        elif not node.args:
            say(getattr(node, "id", None))  # variables and parameters
        elif not isinstance(node, cp.Constraint):  # whose data is its id
            say(node.get_data())
        for argument in node.args:
            walk(argument)

    if isinstance(part, Mapping):
        say(*(item for key in sorted(part) for item in (key, part[key])))
    else:
        walk(part)
    return digest.hexdigest()


def joint_problem(problem: cp.Problem) -> JointProblem:
    """Return what a problem is a problem of.

    Raises
    ------
    InputError
        If it does not have the variables of exactly one Problem (3).
    """
    marks = [getattr(variable, "dashf", None) for variable in problem.variables()]
    found = [mark for mark in marks if isinstance(mark, JointProblem)]
    if len(found) != 1:
        raise InputError(
            f"the problem has the variables of {len(found)} Problems (3); expected one, build it by "
            "formulations.joint.literal_cvxpy.build(scenario)"
        )
    return found[0]
