"""AO part 2 as a smooth program with exact sparse derivatives, offloading fixed or free.

Source: (10), with phi fixed (`nlp`) or a variable (`joint-nlp`). Per user n on its server, with shares beta, pi,
psi of bandwidth, power and speed, fractions p, f of the user's caps and the rates R = beta ln(1 + c p/beta)::

    min  price_T T + sum_n [ phi (e1 f^2 + e2 p/R_up) + (1 - phi)(e3 psi^2 + e4 pi/R_down)
                             - ln(1 + norm (beta + pi + psi)) ]
    s.t. phi (a1/f + a2/R_up) + (1 - phi)(a3/psi + a4/R_down) - T <= 0         for every user
         sum of beta, of pi and of psi over a server's users <= 1

Users meet only in T and the budgets, so the Hessian of the Lagrangian is one small block per user. The
variables are the *logarithms* of shares and fractions: times go like 1/share over many magnitudes, where Newton
steps in the shares themselves overshoot. T is relative to the reference point's delay, the objective to
`score_scale`. Extra constraints of a scenario add rows and one variable, see `limits`.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, evaluate
from ..constraints import EXCESS_PRICE
from ..scaled import ScaledPairs
from ..scenario import Scenario
from .limits import LIMIT_MARGIN, LimitRows, ResourceLimits

__all__ = ["ResourceProgram"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Least share and least fraction of a cap, relative to min(1, M/N) and to 1: logarithms need a bound. A user
#: that transmits or trains is kept away from it by its delay.
LEAST_SHARE = 1e-7

BETA, PI, PSI, P, F, PHI = range(6)


class ResourceProgram:
    """(10) for an association, as a `formulations.nonlinear.NonlinearProgram`.

    Parameters
    ----------
    scenario
        The data.
    free_offloading
        Whether phi is a variable.
    """

    def __init__(self, scenario: Scenario, free_offloading: bool) -> None:
        self._scenario = scenario
        self._free = free_offloading
        self._width = 6 if free_offloading else 5
        self._reference: Allocation | None = None
        self._server: Index = np.full(scenario.n_users, -1)
        self.point: Array | None = None
        self.value: float | None = None
        self.multipliers: tuple[Array, Array, Array] | None = None
        self.limits: LimitRows | None = None
        n, m, width = scenario.n_users, scenario.n_servers, self._width
        users = np.arange(n)
        self._last = width * n
        # Entries of a user's Hessian block, rows below columns; R_up couples (beta, p), R_down (beta, pi), the
        # score (beta, pi, psi), phi everything.
        coupled = {(BETA, BETA), (BETA, PI), (BETA, PSI), (PI, PI), (PI, PSI), (PSI, PSI), (BETA, P), (P, P), (F, F)}
        if free_offloading:
            coupled |= {(j, PHI) for j in range(5)}
        self._blocks = [pair for pair in combinations_with_replacement(range(width), 2) if pair in coupled]
        self._hessian_rows = np.concatenate([j * n + users for _, j in self._blocks])
        self._hessian_columns = np.concatenate([i * n + users for i, _ in self._blocks])
        columns = [j * n + users for j in range(width)]
        self._jacobian_columns = np.concatenate([*columns, np.full(n, self._last), *columns[:3]])
        self.row_lower = np.full(n + 3 * m, -np.inf)
        self.row_upper = np.concatenate([np.zeros(n), np.ones(3 * m)])

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
        delay = evaluate(s, a).delay
        if not np.isfinite(delay):
            raise ValueError("the reference allocation has an infinite delay")
        if not np.array_equal(self._server, m):
            self.multipliers = None
        self._reference, self._server = a, m
        budgets = (s.bandwidth_max[m], s.server_power_max[m], s.server_speed_max[m], s.user_power_max, s.user_speed_max)
        held = (a.bandwidth, a.server_power, a.server_speed, a.user_power, a.user_speed)
        shares = [value / budget for value, budget in zip(held, budgets, strict=True)]
        # Times in units of the reference's delay, energies priced in units of the score.
        scaled = ScaledPairs.of(s, delay, s.score_scale / ratio if ratio > 0.0 else np.inf)
        here = np.arange(s.n_users), m
        self.snr_up, self.snr_down = scaled.snr_up[here], scaled.snr_down[here]
        self.time_price = scaled.time_weight
        link = scaled.link_time[here]
        self.time_coefficients = (scaled.local_time, link, scaled.server_time[here], link)
        self.energy_coefficients = (
            scaled.local_energy,
            scaled.uplink_energy[here],
            scaled.server_energy[here],
            scaled.downlink_energy[here],
        )
        common = min(1.0, s.n_servers / s.n_users)
        least = [np.full(s.n_users, np.log(LEAST_SHARE * scale)) for scale in (common, common, common, 1.0, 1.0)]
        with np.errstate(divide="ignore"):
            start = [np.log(share) for share in shares]
        most = [np.zeros(s.n_users)] * 5
        if self._free:
            least, most = [*least, np.zeros(s.n_users)], [*most, np.ones(s.n_users)]
            start = [*start, a.offload]
        self.lower = np.concatenate([*least, [0.0]])
        self.upper = np.concatenate([*most, [np.inf]])
        self.start = np.clip(np.concatenate([*start, [1.0]]), self.lower, self.upper)
        self._jacobian_rows = np.concatenate(
            [
                *[np.arange(s.n_users)] * (self._width + 1),
                *[s.n_users + resource * s.n_servers + m for resource in range(3)],
            ]
        )
        self._add_limits(reference, delay)

    def _add_limits(self, reference: Allocation, time_unit: float) -> None:
        """Add the rows of extra constraints, and their excess as the last variable."""
        s, m = self._scenario, reference.server
        limits = ResourceLimits.of(s, m, time_unit)
        if limits is None:
            return
        first = s.n_users + 3 * s.n_servers
        rows = self.limits = LimitRows(limits, m, s.n_servers, self._width, first)
        self.lower, self.upper = np.append(self.lower, 0.0), np.append(self.upper, np.inf)
        self.start = np.append(self.start, 0.0)
        self.start[-1] = max(float(np.max(self.constraints(self.start)[first:])) - 1.0, 0.0)
        self.row_lower = np.full(first + rows.count, -np.inf)
        self.row_upper = np.append(self.row_upper[:first], np.full(rows.count, 1.0 - LIMIT_MARGIN))

    def solution(self) -> Allocation:
        """Read the allocation after the program was solved, cut back into budgets and caps."""
        if self._reference is None or self.point is None:
            raise RuntimeError("the program was not solved")
        shares, phi, _ = self._split(self.point)
        return self._reference.with_shares(self._scenario, shares, phi)

    # -- values and derivatives ---------------------------------------------------------------

    def _split(self, x: Array) -> tuple[Array, Array, float]:
        """Return resources as shares (5, N), phi (N,) and T."""
        blocks = x[: self._last].reshape(self._width, -1)
        assert self._reference is not None
        phi = blocks[PHI] if self._free else self._reference.offload
        return np.exp(blocks[:5]), phi, float(x[self._last])

    def objective(self, x: Array) -> float:
        """Return the objective."""
        (beta, pi, psi, p, f), phi, deadline = self._split(x)
        e1, e2, e3, e4 = self.energy_coefficients
        up, down = _inverse_rate(beta, p, self.snr_up), _inverse_rate(beta, pi, self.snr_down)
        cost = phi * (e1 * f**2 + e2 * p * up) + (1 - phi) * (e3 * psi**2 + e4 * pi * down)
        excess = 0.0 if self.limits is None else EXCESS_PRICE * float(x[-1])
        return float(self.time_price * deadline + np.sum(cost - np.log1p(self._norm * (beta + pi + psi)))) + excess

    @property
    def _norm(self) -> float:
        return self._scenario.score_norm

    def constraints(self, x: Array) -> Array:
        """Return the delay rows, the three budgets of every server, and the rows of extra constraints."""
        (beta, pi, psi, p, f), phi, deadline = self._split(x)
        a1, a2, a3, a4 = self.time_coefficients
        up, down = _inverse_rate(beta, p, self.snr_up), _inverse_rate(beta, pi, self.snr_down)
        delay = phi * (a1 / f + a2 * up) + (1 - phi) * (a3 / psi + a4 * down)
        loads = [np.bincount(self._server, share, minlength=self._scenario.n_servers) for share in (beta, pi, psi)]
        rows = [delay - deadline, *loads]
        if self.limits is not None:
            rows.append(self.limits.values(delay, up, down, np.array([beta, pi, psi]), phi, float(x[-1])))
        return np.concatenate(rows)

    def gradient(self, x: Array) -> Array:
        """Return the gradient of the objective."""
        shares, phi, _ = self._split(x)
        ends = [self.time_price] if self.limits is None else [self.time_price, EXCESS_PRICE]
        return np.concatenate([*self._cost_slopes(shares, phi) * self._chain(shares), ends])

    def _cost_slopes(self, shares: Array, phi: Array) -> Array:
        """Return the derivatives of each user's part of the objective by its shares and phi, (width, N)."""
        beta, pi, psi, p, f = shares
        e1, e2, e3, e4 = self.energy_coefficients
        up, up_b, up_p, *_ = _power_over_rate(beta, p, self.snr_up)
        down, down_b, down_p, *_ = _power_over_rate(beta, pi, self.snr_down)
        gain = self._norm / (1.0 + self._norm * (beta + pi + psi))
        slopes = [
            phi * e2 * up_b + (1 - phi) * e4 * down_b - gain,
            (1 - phi) * e4 * down_p - gain,
            (1 - phi) * 2 * e3 * psi - gain,
            phi * e2 * up_p,
            phi * 2 * e1 * f,
            e1 * f**2 + e2 * up - e3 * psi**2 - e4 * down,
        ]
        return np.array(slopes[: self._width])

    def _delay_slopes(self, shares: Array, phi: Array) -> Array:
        """Return the derivatives of each user's delay by its shares and phi, (width, N)."""
        beta, pi, psi, p, f = shares
        a1, a2, a3, a4 = self.time_coefficients
        up, up_b, up_p, *_ = _inverse_rate_derivatives(beta, p, self.snr_up)
        down, down_b, down_p, *_ = _inverse_rate_derivatives(beta, pi, self.snr_down)
        slopes = [
            phi * a2 * up_b + (1 - phi) * a4 * down_b,
            (1 - phi) * a4 * down_p,
            -(1 - phi) * a3 / psi**2,
            phi * a2 * up_p,
            -phi * a1 / f**2,
            a1 / f + a2 * up - a3 / psi - a4 * down,
        ]
        return np.array(slopes[: self._width])

    def _chain(self, shares: Array) -> Array:
        """Return d share / d variable: the share itself for a logarithm, one for phi."""
        return np.vstack([shares, np.ones((self._width - 5, shares.shape[1]))])

    def jacobianstructure(self) -> tuple[Index, Index]:
        """Return rows and columns of the entries of the Jacobian."""
        if self.limits is None:
            return self._jacobian_rows, self._jacobian_columns
        return (
            np.concatenate([self._jacobian_rows, self.limits.rows]),
            np.concatenate([self._jacobian_columns, self.limits.columns]),
        )

    def jacobian(self, x: Array) -> Array:
        """Return the entries of the Jacobian: each user's delay row, then the budgets."""
        shares, phi, _ = self._split(x)
        slopes, chain = self._delay_slopes(shares, phi), self._chain(shares)
        entries = [*(slopes * chain), np.full(len(phi), -1.0), *shares[:3]]
        if self.limits is not None:
            beta, pi, _, p, _ = shares
            up = _inverse_rate_derivatives(beta, p, self.snr_up)
            down = _inverse_rate_derivatives(beta, pi, self.snr_down)
            energy = self.limits.energy_slopes(shares, phi, _power_over_rate(beta, pi, self.snr_down))
            entries.append(self.limits.jacobian(slopes, up, down, energy, chain))
        return np.concatenate(entries)

    def hessianstructure(self) -> tuple[Index, Index]:
        """Return rows and columns of the entries of the Hessian, lower triangle."""
        return self._hessian_rows, self._hessian_columns

    def hessian(self, x: Array, multipliers: Array, objective_factor: float) -> Array:
        """Return the entries of the Hessian of the Lagrangian, lower triangle."""
        shares, phi, _ = self._split(x)
        beta, pi, psi, p, f = shares
        price = multipliers[: len(beta)]
        a1, a2, a3, a4 = self.time_coefficients
        e1, e2, e3, e4 = (objective_factor * energy for energy in self.energy_coefficients)
        rest = 1.0 - phi
        more_up = more_down = taken = np.zeros_like(phi)
        if self.limits is not None:
            late, more_up, more_down, taken = self.limits.prices(multipliers[len(self.row_upper) - self.limits.count :])
            price = price + late
            e3, e4 = e3 + taken * self.limits.limits.train, e4 + taken * self.limits.limits.send
        _, ub, up, ubb, ubp, upp = _inverse_rate_derivatives(beta, p, self.snr_up)
        _, db, dp, dbb, dbp, dpp = _inverse_rate_derivatives(beta, pi, self.snr_down)
        _, vb, vp, vbb, vbp, vpp = _power_over_rate(beta, p, self.snr_up)
        _, wb, wp, wbb, wbp, wpp = _power_over_rate(beta, pi, self.snr_down)
        curve = objective_factor * (self._norm / (1.0 + self._norm * (beta + pi + psi))) ** 2
        entries = {
            (BETA, BETA): phi * (e2 * vbb + price * a2 * ubb)
            + rest * (e4 * wbb + price * a4 * dbb)
            + (more_up * ubb + more_down * dbb + curve),
            (BETA, PI): rest * (e4 * wbp + price * a4 * dbp) + more_down * dbp + curve,
            (BETA, PSI): curve,
            (PI, PI): rest * (e4 * wpp + price * a4 * dpp) + more_down * dpp + curve,
            (PI, PSI): curve,
            (PSI, PSI): rest * 2 * (e3 + price * a3 / psi**3) + curve,
            (BETA, P): phi * (e2 * vbp + price * a2 * ubp) + more_up * ubp,
            (P, P): phi * (e2 * vpp + price * a2 * upp) + more_up * upp,
            (F, F): phi * 2 * (e1 + price * a1 / f**3),
        }
        if self._free:
            entries |= {
                (BETA, PHI): e2 * vb + price * a2 * ub - e4 * wb - price * a4 * db,
                (PI, PHI): -e4 * wp - price * a4 * dp,
                (PSI, PHI): -2 * e3 * psi + price * a3 / psi**2,
                (P, PHI): e2 * vp + price * a2 * up,
                (F, PHI): 2 * e1 * f - price * a1 / f**2,
            }
        chain = self._chain(shares)
        # Second derivative of a share by its logarithm, times the slope of the Lagrangian.
        slopes = objective_factor * self._cost_slopes(shares, phi) + price * self._delay_slopes(shares, phi)
        n, m = len(beta), self._scenario.n_servers
        slopes[:3] += multipliers[n : n + 3 * m].reshape(3, -1)[:, self._server]
        if self.limits is not None:
            energy = self.limits.energy_slopes(shares, phi, _power_over_rate(beta, pi, self.snr_down))
            slopes += taken * energy[: self._width]
            slopes[BETA] += more_up * ub + more_down * db
            slopes[PI] += more_down * dp
            slopes[P] += more_up * up
        bend = slopes * chain
        return np.concatenate(
            [entries[i, j] * chain[i] * chain[j] + (bend[i] if i == j < PHI else 0.0) for i, j in self._blocks]
        )


def _inverse_rate(beta: Array, power: Array, snr: Array) -> Array:
    """Return 1 / (beta ln(1 + c p/beta))."""
    return 1.0 / (beta * np.log1p(snr * power / beta))


def _inverse_rate_derivatives(beta: Array, power: Array, snr: Array) -> tuple[Array, ...]:
    """Return U = 1/R and its derivatives U_b, U_p, U_bb, U_bp, U_pp."""
    s = snr * power / beta
    log = np.log1p(s)
    rate = beta * log
    # The difference cancels for a vanishing SNR; its series does not.
    rate_b = np.where(s < 1e-5, s**2 * (0.5 - s * (2.0 / 3.0)), log - s / (1.0 + s))
    rate_p = snr / (1.0 + s)
    bend = 1.0 / (beta * (1.0 + s) ** 2)
    u = 1.0 / rate
    return (
        u,
        -rate_b * u**2,
        -rate_p * u**2,
        (2 * rate_b**2 * u + s**2 * bend) * u**2,
        (2 * rate_b * rate_p * u - snr * s * bend) * u**2,
        (2 * rate_p**2 * u + snr**2 * bend) * u**2,
    )


def _power_over_rate(beta: Array, power: Array, snr: Array) -> tuple[Array, ...]:
    """Return V = p/R and its derivatives V_b, V_p, V_bb, V_bp, V_pp."""
    u, ub, up, ubb, ubp, upp = _inverse_rate_derivatives(beta, power, snr)
    return power * u, power * ub, u + power * up, power * ubb, ub + power * ubp, 2 * up + power * upp
