"""Reference values of tiny scenarios: the best that enumeration and local starts find, by a formulation of its own.

Every association that is allowed, and every pattern of phi where offloading is binary, is tried; for each the
continuous problem is solved by SciPy's SLSQP from several starts, in logarithms of the resources, with exact
derivatives. The equations are those of Section II, written here once more, and none of `formulations.resources` or
`formulations.joint` is used, so that a mistake there is not repeated here. Every candidate is judged by
`formulations.evaluate`, and counts only if it breaks nothing beyond rounding. So a reference is a value that is
reached, and a bound may not exclude it. That it is the optimum is likely for tiny scenarios, and nowhere claimed. From
three users on, SLSQP is much faster where the environment sets ``OPENBLAS_NUM_THREADS=1``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from formulations import Allocation, InputError, Scenario, evaluate
from formulations.attributes import PARTS
from formulations.constraints import Over
from formulations.objective import DelayKind, ObjectiveKind
from formulations.terms import Rows, rows_of

__all__ = ["MOST_COMBINATIONS", "STRICT", "Reference", "climb", "combinations", "reference_optimum"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Most associations, with patterns of phi, that are enumerated.
MOST_COMBINATIONS = 4096

#: What a candidate may violate, relative: rounding, and nothing that a bound could be beaten with.
STRICT = 1e-12

#: Least share of a budget, and least fraction of a user's cap, as logarithms: a score that wants no share at all is
#: missed by less than the accuracy that is promised, and the solver need not walk to minus infinity.
_LEAST_SHARE, _LEAST_FRACTION = math.log(1e-8), math.log(1e-12)

#: Rows are kept with this much to spare, relative; it is raised where the solver stops short of them.
_MARGINS = (1e-10, 1e-9, 1e-8, 1e-7)

#: Candidates of all starts that are refined.
_REFINED = 4

#: Most rounds of moves of single users.
_ROUNDS = 4

#: Most users with starts from all combinations of their modes.
_ALL_MODES = 2

_PART = {name: index for index, name in enumerate(PARTS)}
_BETA, _PI, _PSI, _POWER, _SPEED, _PHI = range(6)


@dataclass(frozen=True)
class Reference:
    """Best value that was reached.

    Parameters
    ----------
    value
        The objective at `allocation`, as the evaluator says; `Objective.worst` where nothing was found.
    allocation
        Where it is reached, or None. None proves nothing.
    """

    value: float
    allocation: Allocation | None


def combinations(scenario: Scenario) -> Iterator[tuple[Index, Array]]:
    """Yield every association that is allowed, shape (N,), with the ranges of phi, shape (N, 2): points where binary.

    Associations that break a row which is about them alone (`served`) are left out.

    Raises
    ------
    InputError
        If there are more than `MOST_COMBINATIONS`.
    """
    s = scenario
    servers = [np.flatnonzero(allowed).tolist() for allowed in s.allowed]
    ranges = np.tile((0.0, 1.0), (s.n_users, 1)) if s.constraints is None else s.constraints.offload
    if s.constraints is not None and s.constraints.binary_offload:
        ends = [[(end, end) for end in sorted(set(range_.tolist()))] for range_ in ranges]
    else:
        ends = [[(float(low), float(high))] for low, high in ranges]
    count = math.prod(len(one) for one in servers) * math.prod(len(one) for one in ends)
    if count > MOST_COMBINATIONS:
        raise InputError(f"{s.name or 'scenario'}: {count} combinations; expected at most {MOST_COMBINATIONS}")
    counted = [rows for rows in rows_of(s) if set(rows.weights) == {"served"}]
    for chosen in itertools.product(*servers):
        server = np.array(chosen, dtype=np.int64)
        at = np.arange(s.n_users), server
        if any((rows.excess(rows.gather(rows.weights["served"][at], server)) > STRICT).any() for rows in counted):
            continue
        for pattern in itertools.product(*ends):
            yield server, np.array(pattern, dtype=np.float64)


def reference_optimum(scenario: Scenario, starts: int | None = None) -> Reference:
    """Return the best value that enumeration and local starts find on a tiny scenario.

    Parameters
    ----------
    scenario
        The problem, with any objective, limits and rows.
    starts
        Starts for every association; by default one from every combination of ends that the users train at, thriftily
        or with all they have. Beyond these they are drawn around them.

    Raises
    ------
    InputError
        If there are too many associations.
    """
    return climb(scenario, combinations(scenario), starts)


def climb(scenario: Scenario, candidates: Iterator[tuple[Index, Array]], starts: int | None = None) -> Reference:
    """Return the best value that local starts find at given associations and ranges of phi, see `combinations`."""
    found: list[tuple[_Fixed, Array, float, float]] = []
    for server, ranges in candidates:
        problem = _Fixed(scenario, server, ranges)
        for start in problem.starts(starts):
            x = problem.solve(start, _MARGINS[0], most=60, accuracy=1e-8)
            e = evaluate(scenario, problem.allocation(x))
            found.append((problem, x, e.value, e.max_violation))
    sign = -1.0 if scenario.objective.better(1.0, 0.0) else 1.0
    # What is nearly feasible by its value, then the rest by how far it is from that.
    found.sort(key=lambda one: (max(one[3], 1e-4), sign * one[2]))
    best: tuple[Reference, _Fixed, Array] | None = None

    def refine(problem: _Fixed, x: Array) -> bool:
        """Refine a point, keep it if it is the best, and return whether it is."""
        nonlocal best
        reached = problem.refined(x)
        if reached is None:
            return False
        value = evaluate(scenario, reached[0]).value
        if best is not None and not scenario.objective.better(value, best[0].value):
            return False
        best = Reference(value, reached[0]), problem, reached[1]
        return True

    for problem, x, _, _ in _distinct(found)[:_REFINED]:
        refine(problem, x)
    rounds = _ROUNDS if scenario.n_users > _ALL_MODES else 0  # else the starts were all combinations
    while rounds > 0 and best is not None:
        rounds, moved = rounds - 1, False
        reference, problem, x = best
        for start in problem.moves(x):
            end = problem.solve(start, _MARGINS[0], most=60, accuracy=1e-8)
            value = evaluate(scenario, problem.allocation(end)).value
            # Gains in the last digits would go on for ever.
            if scenario.objective.better(value, reference.value) and not np.isclose(value, reference.value, rtol=1e-7):
                moved = refine(problem, end) or moved
        if not moved:
            break
    return Reference(scenario.objective.worst, None) if best is None else best[0]


def _distinct(found: list[tuple[_Fixed, Array, float, float]]) -> list[tuple[_Fixed, Array, float, float]]:
    """Return the candidates without those of the same association and value."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for one in found:
        key = (*one[0].server.tolist(), *one[0].ranges.ravel().tolist(), f"{one[2]:.5g}", f"{one[3]:.1g}")
        if key not in seen:
            seen.add(key)
            kept.append(one)
    return kept


@dataclass(eq=False)
class _Fixed:
    """The continuous problem at an association.

    Points are x of shape (6 N,), in this order: logarithms of the shares of bandwidth, power and speed of the server,
    of the fractions of the user's power and speed, and phi; then, where there is one, the logarithm of the deadline
    over `delay_unit`, or for `max-min` that of the least ratio over `ratio_unit`.
    """

    scenario: Scenario
    server: Index
    ranges: Array
    delay_unit: float = 1.0
    ratio_unit: float = 1.0
    value_unit: float = 1.0
    _seen: tuple[Array, Array, Array] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        s, m = self.scenario, self.server
        kind = s.objective.kind
        self.n = s.n_users
        self.timed = not kind.by_user and s.objective.delay is DelayKind.LARGEST and s.weight_time > 0.0
        self.extra = self.timed or kind is ObjectiveKind.MAX_MIN
        self.caps = np.stack(
            [s.bandwidth_max[m], s.server_power_max[m], s.server_speed_max[m], s.user_power_max, s.user_speed_max]
        )
        gain = s.channel_gain[np.arange(self.n), m]
        self.signal = gain / s.noise_psd
        # Work of either end over the whole adapter: time is work / speed, energy is heat x speed^2.
        self.work = s.flops * np.stack([s.user_epochs / s.user_gpus, s.server_epochs[m] / s.server_gpus[m]])
        self.heat = np.stack(
            [s.user_capacitance * s.flops * s.user_epochs, s.server_capacitance[m] * s.flops * s.server_epochs[m]]
        )
        self._read_rows()
        self.shared = [used for used in np.unique(m) if np.count_nonzero(m == used) > 1]
        least = np.repeat([_LEAST_SHARE, _LEAST_FRACTION], [3 * self.n, 2 * self.n])
        self.least = np.concatenate([least, self.ranges[:, 0], [-60.0] * self.extra])
        self.most = np.concatenate([np.zeros(5 * self.n), self.ranges[:, 1], [60.0] * self.extra])

    # -- the physics --------------------------------------------------------------------------

    def parts(self, x: Array) -> tuple[Array, Array]:
        """Return every part of `PARTS`, shape (16, N), and its derivatives by the user's own six, shape (16, 6, N)."""
        if self._seen is not None and np.array_equal(self._seen[0], x):
            return self._seen[1], self._seen[2]
        z = x[: 6 * self.n].reshape(6, self.n)
        b, p_server, f_server, p_user, f_user = self.caps * np.exp(z[:5])
        own, left = z[_PHI], 1.0 - z[_PHI]
        parts, slopes = np.zeros((len(PARTS), self.n)), np.zeros((len(PARTS), 6, self.n))

        def put(name: str, value: Any, **slope: Any) -> None:
            parts[_PART[name]] = value
            for variable, derivative in slope.items():
                slopes[_PART[name], _NAMES[variable]] = derivative

        put("served", 1.0)
        put("own", own, phi=1.0)
        put("left", left, phi=-1.0)
        put("bandwidth", b, beta=b)
        put("server_power", p_server, pi=p_server)
        put("server_speed", f_server, psi=f_server)
        bits = self.scenario.bits
        for link, sender, power, share, sign in (
            ("up", "power", p_user, own, 1.0),
            ("down", "pi", p_server, left, -1.0),
        ):
            snr = self.signal * power / b
            nats = np.log1p(snr)
            rate = b * nats / math.log(2.0)
            # How the logarithm of the rate grows with that of the power; the rest of one is the bandwidth's.
            by_power = np.where(snr > 1e-12, snr / ((1.0 + snr) * np.where(nats > 0, nats, 1.0)), 1.0)
            put(f"rate_{link}", rate, beta=rate * (1.0 - by_power), **{sender: rate * by_power})
            whole = bits / rate
            time, energy = whole * share, power * whole * share
            name = f"{link}link"
            put(f"time_{name}", time, beta=-time * (1.0 - by_power), phi=sign * whole, **{sender: -time * by_power})
            put(
                f"energy_{name}",
                energy,
                beta=-energy * (1.0 - by_power),
                phi=sign * power * whole,
                **{sender: energy * (1.0 - by_power)},
            )
        for end, (name, variable, speed, share, sign) in enumerate(
            (("local", "speed", f_user, own, 1.0), ("server", "psi", f_server, left, -1.0))
        ):
            whole, heat = self.work[end] / speed, self.heat[end] * speed * speed
            put(f"time_{name}", whole * share, phi=sign * whole, **{variable: -whole * share})
            put(f"energy_{name}", heat * share, phi=sign * heat, **{variable: 2.0 * heat * share})
        self._seen = x.copy(), parts, slopes
        return parts, slopes

    def sums(self, x: Array, kind: str) -> tuple[Array, Array]:
        """Return delays ("time") or energies ("energy") of the users, shape (N,), and slopes, shape (6, N)."""
        parts, slopes = self.parts(x)
        of = [_PART[f"{kind}_{stage}"] for stage in ("local", "uplink", "server", "downlink")]
        return parts[of].sum(axis=0), slopes[of].sum(axis=0)

    def scores(self, x: Array) -> tuple[Array, Array]:
        """Return v_n, shape (N,), and slopes, shape (6, N)."""
        shares = np.exp(x[: 3 * self.n]).reshape(3, self.n)
        score = self.scenario.score
        slopes = np.zeros((6, self.n))
        slopes[:3] = score.scale * score.slope(shares.sum(axis=0)) * shares
        return score.scale * score.of(shares.sum(axis=0)), slopes

    # -- objective and rows -------------------------------------------------------------------

    def cost(self, x: Array) -> tuple[float, Array]:
        """Return omega_t T + omega_e E by the objective, and its slopes, the shape of x."""
        s, objective = self.scenario, self.scenario.objective
        energy, energy_slope = self.sums(x, "energy")
        weights = s.weight_energy * objective.cost_weights(self.n)
        total, slopes = float(weights @ energy), np.zeros(len(x))
        by_user = weights * energy_slope
        if self.timed:
            slopes[-1] = s.weight_time * self.delay_unit * math.exp(x[-1])
            total += slopes[-1]
        elif s.weight_time > 0.0:
            delay, delay_slope = self.sums(x, "time")
            prices = s.weight_time * objective.delay_weights(self.n)
            total += float(prices @ delay)
            by_user = by_user + prices * delay_slope
        slopes[: 6 * self.n] = by_user.ravel()
        return total, slopes

    def ratios(self, x: Array) -> tuple[Array, Array]:
        """Return the logarithms of w_n v_n / c_n, shape (N,), and slopes, shape (6, N)."""
        s = self.scenario
        v, v_slope = self.scores(x)
        delay, delay_slope = self.sums(x, "time")
        energy, energy_slope = self.sums(x, "energy")
        c = s.weight_time * delay + s.weight_energy * energy
        slope = v_slope / v - (s.weight_time * delay_slope + s.weight_energy * energy_slope) / c
        return np.log(s.objective.score_weights(self.n) * v / c), slope

    def loss(self, x: Array) -> tuple[float, Array]:
        """Return what is minimised, without unit, and its slopes."""
        kind, slopes = self.scenario.objective.kind, np.zeros(len(x))
        if kind is ObjectiveKind.MAX_MIN:
            slopes[-1] = -1.0
            return -float(x[-1]), slopes
        if kind is ObjectiveKind.SUM_OF_RATIOS:
            logs, slope = self.ratios(x)
            ratios = np.exp(logs)
            slopes[: 6 * self.n] = -(ratios * slope).ravel() / ratios.sum()
            return -math.log(ratios.sum()), slopes
        cost, cost_slope = self.cost(x)
        if kind is ObjectiveKind.COST:
            return math.log(cost), cost_slope / cost
        weights = self.scenario.objective.score_weights(self.n)
        v, v_slope = self.scores(x)
        score = float(weights @ v)
        slopes[: 6 * self.n] = -(weights * v_slope).ravel()
        if kind is ObjectiveKind.UTILITY:
            price = self.scenario.objective.price or 0.0
            return (price * cost - score) / self.value_unit, (slopes + price * cost_slope) / self.value_unit
        return math.log(cost) - math.log(score), slopes / score + cost_slope / cost

    def _read_rows(self) -> None:
        """Read the declared rows: for each the weights of the parts, shape (16, N), its bound and its unit."""
        weights, bounds, units, rates = [], [], [], []
        at = np.arange(self.n), self.server
        for rows in rows_of(self.scenario):
            taken = np.zeros((len(PARTS), self.n))
            for part, weight in rows.weights.items():
                taken[_PART[part]] = weight[at]
            for row in rows.active:
                members = _members(rows, int(row), self.server)
                if rows.limit.at_least:
                    rates.append((_PART[rows.limit.attribute], int(row), float(rows.bound[row])))
                elif set(rows.weights) != {"served"} and members.any():
                    weights.append(taken * members)
                    bounds.append(float(rows.bound[row]))
                    units.append(float(rows.unit[row]))
        self.weights = np.array(weights).reshape(-1, len(PARTS), self.n)
        self.bounds, self.units, self.rates = np.array(bounds), np.array(units), rates
        # Sums of what is never negative are compared by logarithms, as they may be far away.
        self.positive = (self.bounds > 0.0) & (self.weights >= 0.0).all(axis=(1, 2))

    def room(self, x: Array) -> tuple[Array, Array]:
        """Return what is left of every row, without unit, negative where it is broken, and slopes, shape (R, size)."""
        n, rooms, slopes = self.n, [], []
        parts, part_slopes = self.parts(x)

        def add(value: float, slope: Array) -> None:
            rooms.append(value)
            slopes.append(slope)

        for server in self.shared:
            here = self.server == server
            for variable in (_BETA, _PI, _PSI):
                shares = np.where(here, np.exp(x[variable * n : (variable + 1) * n]), 0.0)
                slope = np.zeros(len(x))
                slope[variable * n : (variable + 1) * n] = -shares / shares.sum()
                add(-math.log(shares.sum()), slope)
        if self.timed or self.scenario.objective.kind is ObjectiveKind.MAX_MIN:
            if self.timed:
                delay, delay_slope = self.sums(x, "time")
                value, by_user, sign = math.log(self.delay_unit) - np.log(delay), -delay_slope / delay, 1.0
            else:
                value, by_user = self.ratios(x)
                value, sign = value - math.log(self.ratio_unit), -1.0
            for user in range(n):
                slope = np.zeros(len(x))
                slope[user : 6 * n : n] = by_user[:, user]
                slope[-1] = sign
                add(float(value[user] + sign * x[-1]), slope)
        for part, user, least in self.rates:
            slope = np.zeros(len(x))
            slope[user : 6 * n : n] = part_slopes[part, :, user] / parts[part, user]
            add(math.log(parts[part, user] / least), slope)
        if len(self.bounds):
            values = np.einsum("rpn,pn->r", self.weights, parts) / self.units
            by_user = np.einsum("rpn,pvn->rvn", self.weights, part_slopes) / self.units[:, np.newaxis, np.newaxis]
            for row, (value, slope_row) in enumerate(zip(values, by_user, strict=True)):
                slope = np.zeros(len(x))
                slope[: 6 * n] = -slope_row.ravel()
                if self.positive[row]:
                    add(math.log(2.0) - math.log1p(value), slope / (1.0 + value))
                else:
                    add(float(self.bounds[row] / self.units[row] - value), slope)
        return np.array(rooms), np.array(slopes).reshape(-1, len(x))

    # -- solving ------------------------------------------------------------------------------

    def allocation(self, x: Array) -> Allocation:
        """Return the allocation at a point, cut back to the budgets where it is a hair beyond."""
        fractions, phi = np.exp(x[: 5 * self.n].reshape(5, self.n)), x[5 * self.n : 6 * self.n]
        bandwidth, power, speed, user_power, user_speed = self.caps * fractions
        found = Allocation(self.server, phi, bandwidth, user_power, power, user_speed, speed)
        return found.within_budgets(self.scenario)

    def starts(self, count: int | None) -> Iterator[Array]:
        """Yield starts, see `reference_optimum`: all combinations of modes of the users, or some where they are many.

        A user trains everything itself, or its server does, thriftily or with all of its shares of power and speed,
        which cost energy and earn a score: these are the local optima that single users have.
        """
        n, (low, high) = self.n, self.ranges.T
        chosen: list[tuple[Array, Array, Array]] = []
        if n <= _ALL_MODES:
            for users in itertools.product(_ENDS, repeat=n):
                share, power, speed = np.array(users).T
                chosen.append((low + share * (high - low), power > 0.0, speed > 0.0))
        else:
            for mode in _MODES:
                for local in itertools.product((False, True), repeat=n):
                    power, speed = np.where(local, True, np.array(mode)[:, np.newaxis])
                    chosen.append((np.where(local, high, low), power, speed))
        chosen += [(0.5 * (low + high), np.full(n, full), np.full(n, full)) for full in (False, True)]
        order = list({tuple(np.concatenate(one).tolist()): one for one in chosen}.values())
        rng = np.random.default_rng(0)
        for number in range(len(order) if count is None else count):
            x = self._start(*order[number % len(order)])
            if number >= len(order):
                x[: 5 * n] -= rng.exponential(1.0, 5 * n)
            yield self._with_extra(np.clip(x, self.least[: len(x)], self.most[: len(x)]))

    def moves(self, x: Array) -> Iterator[Array]:
        """Yield starts at which one user has changed its mode."""
        n, (low, high) = self.n, self.ranges.T
        for user in range(n):
            for phi, power, speed in ((high, True, True), *((low, *mode) for mode in _MODES)):
                moved = x[: 6 * n].reshape(6, n).copy()
                here = self._start(phi, np.full(n, power), np.full(n, speed)).reshape(6, n)
                moved[1:, user] = here[1:, user]
                yield self._with_extra(np.clip(moved.ravel(), self.least[: 6 * n], self.most[: 6 * n]))

    def _start(self, phi: Array, full_power: Array, full_speed: Array) -> Array:
        """Return a point without its last entry: equal shares, and of powers and speeds what they are worth.

        Parameters
        ----------
        phi
            Offloading, shape (N,).
        full_power, full_speed
            Whose server sends and trains with all of the user's share, shape (N,).
        """
        s, n = self.scenario, self.n
        share = -0.01 - np.log(np.bincount(self.server, minlength=s.n_servers)[self.server])
        z = np.stack([share, share, share, np.full(n, -0.01), np.full(n, -0.01), phi])
        if s.weight_energy == 0.0 or s.weight_time == 0.0:
            return z.ravel()
        for variable, end in ((_SPEED, 0), (_PSI, 1)):
            # The speed at which omega_t work / F + omega_e heat F^2 is least.
            cheapest = np.cbrt(s.weight_time * self.work[end] / (2.0 * s.weight_energy * self.heat[end]))
            z[variable] = np.minimum(z[variable], np.log(cheapest / self.caps[variable]))
        ladder = np.linspace(-12.0, 0.0, 25)[:, np.newaxis]
        bandwidth = self.caps[_BETA] * np.exp(z[_BETA])
        for variable in (_POWER, _PI):
            power = self.caps[variable] * np.exp(z[variable] + ladder)
            spent = (s.weight_time + s.weight_energy * power) / np.log1p(self.signal * power / bandwidth)
            z[variable] += ladder[np.argmin(spent, axis=0), 0]
        z[_PI], z[_PSI] = np.where(full_power, share, z[_PI]), np.where(full_speed, share, z[_PSI])
        return z.ravel()

    def _with_extra(self, x: Array) -> Array:
        """Return a point with its last entry, and set the units by it."""
        delay, _ = self.sums(x, "time")
        self.delay_unit = float(np.max(delay))
        if self.scenario.objective.kind is ObjectiveKind.MAX_MIN:
            self.ratio_unit = float(np.exp(np.min(self.ratios(x)[0])))
        x = np.append(x[: 6 * self.n], [0.0] * self.extra)
        if self.scenario.objective.kind is ObjectiveKind.UTILITY:
            weights = self.scenario.objective.score_weights(self.n)
            price = self.scenario.objective.price or 0.0
            self.value_unit = float(weights @ self.scores(x)[0] + price * self.cost(x)[0])
        return x

    def solve(self, x: Array, margin: float, most: int, accuracy: float) -> Array:
        """Return where SLSQP ends from a point, in at most so many iterations; the point where that is nowhere."""
        free = self.most > self.least

        def whole(part: Array) -> Array:
            point = x.copy()
            point[free] = part
            return point

        def loss(part: Array) -> tuple[float, Array]:
            value, slope = self.loss(whole(part))
            return value, slope[free]

        rows = {
            "type": "ineq",
            "fun": lambda part: self.room(whole(part))[0] - margin,
            "jac": lambda part: self.room(whole(part))[1][:, free],
        }
        with np.errstate(all="ignore"):
            try:
                found = minimize(
                    loss,
                    x[free],
                    jac=True,
                    method="SLSQP",
                    bounds=np.stack([self.least[free], self.most[free]], axis=1),
                    constraints=[rows] if len(self.room(x)[0]) else [],
                    options={"maxiter": most, "ftol": accuracy},
                )
            except (ValueError, OverflowError, ZeroDivisionError):  # it wandered to where nothing is finite
                return x
        end = np.clip(whole(found.x), self.least, self.most)
        return end if np.isfinite(end).all() else x

    def refined(self, x: Array) -> tuple[Allocation, Array] | None:
        """Return allocation and point where solving again and again ends, None where that breaks a row."""
        s, rng = self.scenario, np.random.default_rng(0)
        for margin in _MARGINS:
            best: tuple[Allocation, Array] | None = None
            for _ in range(6):
                x = self.solve(self._with_extra(x), margin, most=150, accuracy=1e-14)
                found = self.allocation(x)
                e = evaluate(s, found)
                if e.max_violation > STRICT:
                    # The solver may be stuck a hair beyond a row; from nearby it is not.
                    nudged = x[: 6 * self.n] + rng.normal(0.0, 1e-3, 6 * self.n)
                    x = np.clip(nudged, self.least[: 6 * self.n], self.most[: 6 * self.n])
                    continue
                before = None if best is None else evaluate(s, best[0]).value
                if before is None or s.objective.better(e.value, before):
                    best = found, x
                if before is not None and abs(e.value - before) <= 1e-10 * abs(before):
                    break
            if best is not None:
                return best
        return None


#: Modes of a user that its server trains for: whether with all of its shares of power and of speed.
_MODES = ((False, False), (True, False), (False, True), (True, True))
#: All modes of a user: where phi is in its range, and whether its server uses all of its shares.
_ENDS = (
    (1.0, 1.0, 1.0),
    (0.5, 0.0, 0.0),
    (0.5, 1.0, 1.0),
    *((0.0, float(power), float(speed)) for power, speed in _MODES),
)
_NAMES = {"beta": _BETA, "pi": _PI, "psi": _PSI, "power": _POWER, "speed": _SPEED, "phi": _PHI}


def _members(rows: Rows, row: int, server: Index) -> NDArray[np.bool_]:
    """Return which users take part in a row, shape (N,)."""
    if rows.limit.over is Over.ALL:
        return np.ones(len(server), dtype=np.bool_)
    return np.asarray(rows.row_of(server) == row)
