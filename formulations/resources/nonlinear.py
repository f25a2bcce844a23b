"""AO part 2 as a smooth program with exact sparse derivatives, offloading fixed or free.

Source: (10), with phi fixed (`nlp`) or a variable (`joint-nlp`). Per user n on its server, with shares beta, pi,
psi of bandwidth, power and speed, fractions p, f of the user's caps and the rates R = beta ln(1 + c p/beta)::

    min  price_T T + sum_n [ phi (e1 f^2 + e2 p/R_up) + (1 - phi)(e3 psi^2 + e4 pi/R_down)
                             - ln(1 + norm (beta + pi + psi)) ]
    s.t. phi (a1/f + a2/R_up) + (1 - phi)(a3/psi + a4/R_down) - T <= 0         for every user
         sum of beta, of pi and of psi over a server's users <= 1

With other objectives every score and cost has a weight of its own, and where delays are summed in the cost they are
terms of the objective, like energies: then there is no T, and no row of delay.

Users meet only in T and the budgets, so the Hessian of the Lagrangian is one small block per user. The
variables are the *logarithms* of shares and fractions: times go like 1/share over many magnitudes, where Newton
steps in the shares themselves overshoot. T is relative to the reference point's delay, the objective to
`Prices.unit`. Extra constraints of a scenario add rows and one variable, see `limit_families`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, evaluate
from ..constraints import EXCESS_PRICE, Over
from ..prices import Prices
from ..scaled import ScaledPairs
from ..scenario import Scenario
from ..terms import upper_rows
from .limit_families import LIMIT_MARGIN, LimitFamily, limit_families
from .shares import BETA, PHI, PI, PSI, F, Functions, P, WeightedParts

__all__ = ["ResourceProgram"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Least share and least fraction of a cap, relative to min(1, M/N) and to 1: logarithms need a bound. A user
#: that transmits or trains is kept away from it by its delay.
LEAST_SHARE = 1e-7

#: How far Ipopt may go beyond a bound.
BOUND_MARGIN = 1e-8


@dataclass(frozen=True, eq=False)
class _Point:
    """Shares (5, N), phi (N,), T, the excess, and the functions of the shares at values of the variables."""

    shares: Array
    phi: Array
    deadline: float
    excess: float
    functions: Functions


class ResourceProgram:
    """(10) for an association, as a `formulations.nonlinear.NonlinearProgram`.

    Parameters
    ----------
    scenario
        The data.
    free_offloading
        Whether phi is a variable, within its range; where it is binary it stays what it is nearest to.
    """

    def __init__(self, scenario: Scenario, free_offloading: bool) -> None:
        self._scenario = scenario
        self._nearest = free_offloading
        self._free = free_offloading and not scenario.binary_offload
        self._width = 6 if self._free else 5
        self._timed = Prices.have_deadline(scenario)
        self._reference: Allocation | None = None
        self._server: Index = np.full(scenario.n_users, -1)
        self.point: Array | None = None
        self.value: float | None = None
        self.multipliers: tuple[Array, Array, Array] | None = None
        self.limits: list[LimitFamily] = []
        self._latest: tuple[Array, _Point] | None = None
        n, m, width = scenario.n_users, scenario.n_servers, self._width
        users = np.arange(n)
        self._last = width * n
        # Entries of a user's Hessian block, rows below columns; R_up couples (beta, p), R_down (beta, pi), the
        # score (beta, pi, psi), phi everything.
        coupled = {(BETA, BETA), (BETA, PI), (BETA, PSI), (PI, PI), (PI, PSI), (PSI, PSI), (BETA, P), (P, P), (F, F)}
        if self._free:
            coupled |= {(j, PHI) for j in range(5)}
        self._blocks = [pair for pair in combinations_with_replacement(range(width), 2) if pair in coupled]
        self._hessian_rows = np.concatenate([j * n + users for _, j in self._blocks])
        self._hessian_columns = np.concatenate([i * n + users for i, _ in self._blocks])
        columns = [j * n + users for j in range(width)]
        delays = [*columns, np.full(n, self._last)] if self._timed else []
        self._jacobian_columns = np.concatenate([*delays, *columns[:3]])
        self._delay_rows = n if self._timed else 0
        self._declared = self._delay_rows + 3 * m  # the first row of an extra constraint
        self.row_lower = np.full(self._declared, -np.inf)
        self.row_upper = np.concatenate([np.zeros(self._delay_rows), np.ones(3 * m)])

    @property
    def problem(self) -> ResourceProgram:
        """The program itself, as other models have their `problem`."""
        return self

    # -- setting the data ---------------------------------------------------------------------

    def update(self, reference: Allocation, ratio: float) -> None:
        """Set association, offloading (start, or fixed), the start of the resources, and y.

        Parameters
        ----------
        reference
            The start; its association is kept.
        ratio
            Dinkelbach's y.

        Raises
        ------
        ValueError
            If the reference has an infinite delay.
        """
        s, a, m = self._scenario, reference, reference.server
        e = evaluate(s, a)
        if not np.isfinite(e.delay):
            raise ValueError("the reference allocation has an infinite delay")
        if not np.array_equal(self._server, m):
            self.multipliers = None
        self._reference, self._server = a, m
        budgets = (s.bandwidth_max[m], s.server_power_max[m], s.server_speed_max[m], s.user_power_max, s.user_speed_max)
        held = (a.bandwidth, a.server_power, a.server_speed, a.user_power, a.user_speed)
        shares = [value / budget for value, budget in zip(held, budgets, strict=True)]
        # Times in units of the reference's delay, energies priced in units of the score.
        unit = Prices.unit(s, ratio, e.user_delay, e.energy_by_user)
        scaled = ScaledPairs.of(s, e.delay, unit / ratio if ratio > 0.0 else np.inf)
        here = np.arange(s.n_users), m
        self.snr_up, self.snr_down = scaled.snr_up[here], scaled.snr_down[here]
        self.offload = s.nearest_offload(a.offload) if self._nearest else a.offload
        self.score_weight = s.objective.score_weights(s.n_users) * (s.score_scale / unit)
        self.time_price = scaled.time_weight if self._timed else 0.0
        link = scaled.link_time[here]
        self.delay = WeightedParts(
            {
                "time_local": scaled.local_time,
                "time_uplink": link,
                "time_server": scaled.server_time[here],
                "time_downlink": link,
            }
        )
        counted = s.objective.cost_weights(s.n_users)
        prices = {
            "energy_local": counted * scaled.local_energy,
            "energy_uplink": counted * scaled.uplink_energy[here],
            "energy_server": counted * scaled.server_energy[here],
            "energy_downlink": counted * scaled.downlink_energy[here],
        }
        each = scaled.time_weight * s.objective.delay_weights(s.n_users)
        if np.any(each > 0.0):
            prices |= {part: each * weight for part, weight in self.delay.weights.items()}
        #: Energies of the users and, where they have a price of their own, delays.
        self.cost = WeightedParts(prices)
        self._latest = None
        common = min(1.0, s.n_servers / s.n_users)
        least = [np.full(s.n_users, np.log(LEAST_SHARE * scale)) for scale in (common, common, common, 1.0, 1.0)]
        with np.errstate(divide="ignore"):
            start = [np.log(share) for share in shares]
        most = [np.zeros(s.n_users)] * 5
        if self._free:
            low, high = s.offload_range
            if any(rows.limit.over is Over.ALL for rows in upper_rows(s)):
                # A share that is a hair below zero would make up for what other users take.
                wide = high - low > 4.0 * BOUND_MARGIN
                low = np.where(wide, np.maximum(low, BOUND_MARGIN), low)
                high = np.where(wide, np.minimum(high, 1.0 - BOUND_MARGIN), high)
            least, most = [*least, low], [*most, high]
            start = [*start, self.offload]
        deadline = ([0.0], [np.inf], [1.0]) if self._timed else ([], [], [])
        self.lower = np.concatenate([*least, deadline[0]])
        self.upper = np.concatenate([*most, deadline[1]])
        self.start = np.clip(np.concatenate([*start, deadline[2]]), self.lower, self.upper)
        self._jacobian_rows = np.concatenate(
            [
                *[np.arange(s.n_users)] * ((self._width + 1) if self._timed else 0),
                *[self._delay_rows + resource * s.n_servers + m for resource in range(3)],
            ]
        )
        self._add_limits()

    def _add_limits(self) -> None:
        """Add the rows of extra constraints, and their excess as the last variable."""
        s = self._scenario
        self.limits = limit_families(s, self._server)
        first = self._declared
        count = sum(family.count for family in self.limits)
        self._limit_entries: tuple[Index, Index] = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        if not self.limits:
            return
        rows, columns, start = [], [], first
        for family in self.limits:
            for variable in self._entering(family):
                rows.append(start + family.row_of)
                columns.append(variable * s.n_users + np.arange(s.n_users))
            start += family.count
        rows.append(np.arange(first, start))
        columns.append(np.full(count, len(self.lower)))
        self._limit_entries = np.concatenate(rows), np.concatenate(columns)
        self.lower, self.upper = np.append(self.lower, 0.0), np.append(self.upper, np.inf)
        self.start = np.append(self.start, 0.0)
        most = np.concatenate([family.most for family in self.limits])
        self.row_lower = np.full(first + count, -np.inf)
        self.row_upper = np.append(self.row_upper[:first], most - LIMIT_MARGIN)
        self.start[-1] = max(float(np.max(self.constraints(self.start)[first:] - most)), 0.0)
        self._latest = None

    def _entering(self, family: LimitFamily) -> list[int]:
        """Return the variables of a user that enter the rows of a limit."""
        return [variable for variable in family.taken.variables if variable < self._width]

    def solution(self) -> Allocation:
        """Read the allocation after the program was solved, cut back into budgets and caps."""
        if self._reference is None or self.point is None:
            raise RuntimeError("the program was not solved")
        at = self._at(self.point)
        return self._reference.with_shares(self._scenario, at.shares, at.phi)

    # -- values and derivatives ---------------------------------------------------------------

    def _at(self, x: Array) -> _Point:
        """Return the point of values of the variables; a solver asks for everything at the same ones."""
        if self._latest is None or not np.array_equal(self._latest[0], x):
            blocks = x[: self._last].reshape(self._width, -1)
            phi = blocks[PHI].copy() if self._free else self.offload
            shares = np.exp(blocks[:5])
            functions = Functions(shares, self.snr_up, self.snr_down)
            excess = float(x[-1]) if self.limits else 0.0
            deadline = float(x[self._last]) if self._timed else 0.0
            self._latest = x.copy(), _Point(shares, phi, deadline, excess, functions)
        return self._latest[1]

    def objective(self, x: Array) -> float:
        """Return the objective."""
        at = self._at(x)
        score = self.score_weight * self._scenario.score.of(at.shares[:3].sum(axis=0))
        value = self.cost.value(at.functions, at.phi) - score
        return float(self.time_price * at.deadline + np.sum(value)) + EXCESS_PRICE * at.excess

    def constraints(self, x: Array) -> Array:
        """Return the delay rows, the three budgets of every server, and the rows of extra constraints."""
        at = self._at(x)
        delay = [self.delay.value(at.functions, at.phi) - at.deadline] if self._timed else []
        loads = [np.bincount(self._server, share, minlength=self._scenario.n_servers) for share in at.shares[:3]]
        limits = [family.gather(family.taken.value(at.functions, at.phi)) - at.excess for family in self.limits]
        return np.concatenate([*delay, *loads, *limits])

    def gradient(self, x: Array) -> Array:
        """Return the gradient of the objective."""
        at = self._at(x)
        slopes = self._cost_slopes(at) * self._chain(at.shares)
        deadline = [self.time_price] if self._timed else []
        excess = [EXCESS_PRICE] if self.limits else []
        return np.concatenate([slopes.ravel(), deadline, excess])

    def _cost_slopes(self, at: _Point) -> Array:
        """Return the derivatives of the users' cost less score by shares and phi, (width, N)."""
        slopes = self.cost.slopes(at.functions, at.phi)[: self._width]
        slopes[:3] -= self.score_weight * self._scenario.score.slope(at.shares[:3].sum(axis=0))
        return slopes

    def _chain(self, shares: Array) -> Array:
        """Return d share / d variable: the share itself for a logarithm, one for phi."""
        return np.vstack([shares, np.ones((self._width - 5, shares.shape[1]))])

    def jacobianstructure(self) -> tuple[Index, Index]:
        """Return rows and columns of the entries of the Jacobian."""
        rows, columns = self._limit_entries
        return np.concatenate([self._jacobian_rows, rows]), np.concatenate([self._jacobian_columns, columns])

    def jacobian(self, x: Array) -> Array:
        """Return the entries of the Jacobian: each user's delay row, the budgets, then the limits."""
        at = self._at(x)
        chain = self._chain(at.shares)
        entries: list[Array] = []
        if self._timed:
            slopes = self.delay.slopes(at.functions, at.phi)[: self._width]
            entries = [*(slopes * chain), np.full(len(at.phi), -1.0)]
        entries += [*at.shares[:3]]
        for family in self.limits:
            taken = family.taken.slopes(at.functions, at.phi)
            entries += [taken[variable] * chain[variable] for variable in self._entering(family)]
        entries.append(np.full(sum(family.count for family in self.limits), -1.0))
        return np.concatenate(entries)

    def hessianstructure(self) -> tuple[Index, Index]:
        """Return rows and columns of the entries of the Hessian, lower triangle."""
        return self._hessian_rows, self._hessian_columns

    def hessian(self, x: Array, multipliers: Array, objective_factor: float) -> Array:
        """Return the entries of the Hessian of the Lagrangian, lower triangle."""
        at = self._at(x)
        width, budgets = self._width, slice(self._delay_rows, self._declared)
        curve = objective_factor * self.score_weight * self._scenario.score.bend(at.shares[:3].sum(axis=0))
        blocks: dict[tuple[int, int], Any] = dict.fromkeys(combinations_with_replacement((BETA, PI, PSI), 2), curve)
        # Slope of the Lagrangian by shares and phi: what bends where a share is the exponential of its variable.
        slopes = objective_factor * self._cost_slopes(at)
        if self._timed:
            price = multipliers[: self._delay_rows]
            slopes += price * self.delay.slopes(at.functions, at.phi)[:width]
        slopes[:3] += multipliers[budgets].reshape(3, -1)[:, self._server]
        self.cost.bends(at.functions, at.phi, objective_factor, blocks)
        if self._timed:
            self.delay.bends(at.functions, at.phi, price, blocks)
        start = self._declared
        for family in self.limits:
            price = multipliers[start : start + family.count][family.row_of]
            slopes += price * family.taken.slopes(at.functions, at.phi)[:width]
            family.taken.bends(at.functions, at.phi, price, blocks)
            start += family.count
        chain = self._chain(at.shares)
        bend = slopes * chain
        return np.concatenate(
            [blocks[i, j] * chain[i] * chain[j] + (bend[i] if i == j < PHI else 0.0) for i, j in self._blocks]
        )
