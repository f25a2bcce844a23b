"""What is stated of a scenario: its objective in ball arithmetic, and what follows from a stated bound before prices.

Values count so that more is better: a cost is negative. With a_n what a unit of a user's scaled score counts, V = sum
a_n v_n, and the scaled cost K = omega T + sum c_n E_n (T the largest delay, or sum d_n D_n for their mean or sum)::

    scr      V / K          utility  V - y K        cost    - K

where y, what a unit of cost counts, is a claim's to choose for ``scr``, follows from the price for ``utility``, and is
1 for ``cost``, which has a = 0. Prices say V - y K <= D; for ``scr`` V / K <= y + D / K follows.

*What a bound excludes.* Let B be the stated bound and S one of V (see `scaled_pair.most_score`). An allocation that is
better than B has K < S / B, K < (S - B) / y, or K < -B. So where T is a sum, and the users but n have delays of at
least l_k (everything at its largest, alone),

    d_n D_n < K / omega - sum over the others of d_k l_k

With this a certificate proves that nothing is better than B, which is all that it states; no smaller number.

*Long deadlines.* Allocations with a user n whose delay is at least t cost omega t at least, or omega (d_n t + sum over
the others of d_k l_k).

*No allocation at all.* Nothing counts but rows and budgets: a = c = d = 0 and y = 0. D < 0 says that there is none.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations import Scenario
from formulations.objective import DelayKind, ObjectiveKind

from .balls import above, ball
from .nodes import CertificateError, Region
from .rows import RowGroup, row_count, rows_of
from .scaled_pair import ScaledPair, Units, least_delay, most_score
from .scores import MOST_SHARES, SCORES

if TYPE_CHECKING:
    from .format import Certificate

__all__ = ["StatedProblem"]

Ball = Any


class StatedProblem:
    """The problem of a scenario, and the bound that is stated, as balls; scaled by the units of the certificate.

    Parameters
    ----------
    scenario
        The scenario.
    certificate
        Says in which units, and what is stated; its tree is not looked at.

    Attributes
    ----------
    infeasible
        Whether it is stated that there is no allocation.
    score_weight, energy_weight, delay_weight
        a_n, c_n and d_n, shape (N,).
    fixed_price
        y, where the objective says it, else None.
    shares_deadline
        Whether the cost has the largest delay, so that users share it.
    offload
        Ranges of phi, shape (N, 2), floats.
    binary
        Whether phi is 0 or 1.
    rows
        The rows.

    Raises
    ------
    CertificateError
        If the certificate is of another objective, or the score is not known here.
    """

    def __init__(self, scenario: Scenario, certificate: Certificate) -> None:
        s, o, n = scenario, scenario.objective, scenario.n_users
        if certificate.objective != o.kind:
            raise CertificateError(f"objective = {certificate.objective!r}; expected {str(o.kind)!r}, the scenario's")
        if o.score not in SCORES:
            raise CertificateError(f"score {o.score!r} of the scenario; expected one of {', '.join(SCORES)}")
        self.scenario, self.infeasible = s, certificate.infeasible
        self.units = Units.of(s, certificate.time_unit, certificate.cost_unit)
        self._cost_unit, self._score_unit = ball(certificate.cost_unit), ball(s.score_scale)
        self._bound = ball(certificate.bound) * (-1 if o.kind is ObjectiveKind.COST else 1)
        one = [1.0] * n
        cost = o.kind is ObjectiveKind.COST
        counted = [0.0] * n if certificate.infeasible else list((o.user_weight if cost else o.cost_weight) or one)
        scored = [0.0] * n if cost or certificate.infeasible else list(o.user_weight or one)
        self.score_weight, self.energy_weight = [ball(w) for w in scored], [ball(w) for w in counted]
        self.fixed_price: Ball | None = None
        if certificate.infeasible:
            self.fixed_price = ball(0.0)
        elif cost:
            self.fixed_price = ball(1.0)
        elif o.kind is ObjectiveKind.UTILITY:
            assert o.price is not None
            self.fixed_price = ball(o.price) * self._cost_unit / self._score_unit
        largest = o.delay is DelayKind.LARGEST
        self.shares_deadline = largest and not certificate.infeasible and s.weight_time > 0.0
        divisor = n if o.delay is DelayKind.MEAN else 1
        self.delay_weight = [ball(0.0) if largest else w / divisor for w in self.energy_weight]
        extra = s.constraints
        self.offload = np.tile([0.0, 1.0], (n, 1)) if extra is None else np.asarray(extra.offload)
        self.binary = extra is not None and extra.binary_offload
        self.rows: list[RowGroup] = rows_of(s)
        self.row_count = row_count(self.rows)

    # -- users alone ---------------------------------------------------------------------------

    def pair(self, n: int, m: int) -> ScaledPair:
        """Return the coefficients of a pair, energies in J."""
        return ScaledPair.of(self.scenario, n, m, self.units)

    def ends(self, low: float, high: float) -> list[tuple[float, float]]:
        """Return the ranges of phi that a range comes to: where offloading is binary, the whole numbers in it."""
        if not self.binary:
            return [(low, high)]
        return [(end, end) for end in (0.0, 1.0) if low <= end <= high]

    @cached_property
    def least(self) -> list[Ball]:
        """Balls below or around the least delay of every user, alone at its best server."""
        allowed = np.argwhere(self.scenario.allowed).tolist()
        found: list[Ball | None] = [None] * self.scenario.n_users
        for n, m in allowed:
            pair = self.pair(n, m)
            for end in self.ends(*self.offload[n].tolist()):
                delay = least_delay(pair, ball(1.0), None, end)
                known = found[n]
                found[n] = delay if known is None else known.min(delay)
        return [ball(0.0) if delay is None else delay for delay in found]

    @cached_property
    def limit(self) -> list[Ball | None]:
        """Longest delay of every user by its own limit and by single rows, time units; None for any."""
        s, found = self.scenario, []
        for n in range(s.n_users):
            own = math.inf if s.constraints is None else float(s.constraints.delay_limit[n])
            limit = ball(own) if own < math.inf else None
            for group in self.rows:
                said = [group.longest_delay(n, m) for m in np.flatnonzero(s.allowed[n]).tolist()]
                known = [value for value in said if value is not None]
                if said and len(known) == len(said):
                    most = known[0]
                    for value in known[1:]:
                        most = most.max(value)
                    limit = most if limit is None else limit.min(most)
            found.append(limit if limit is None else limit / ball(self.units.time))
        return found

    @cached_property
    def longest(self) -> list[Ball | None]:
        """Longest delay of every user in an allocation that is better than stated; None for any."""
        if not self.excludes:
            return self.limit
        parts = [weight * least for weight, least in zip(self.delay_weight, self.least, strict=True)]
        most, found = self._most_cost() / self.units.time_weight, []
        for n, limit in enumerate(self.limit):
            if not self.delay_weight[n] > 0:
                found.append(limit)
                continue
            others = sum(parts[:n] + parts[n + 1 :], ball(0.0))
            own = (most - others) / self.delay_weight[n]
            found.append(own if limit is None else own.min(limit))
        return found

    @property
    def excludes(self) -> bool:
        """Whether delays that cost more than the stated bound allows are left out, of every user by itself."""
        summed = any(weight > 0 for weight in self.delay_weight)
        return summed and not self.infeasible and self.scenario.weight_time > 0.0

    # -- values --------------------------------------------------------------------------------

    @cached_property
    def most_score(self) -> Ball:
        """S."""
        most = ball(0.0)
        for weight in self.score_weight:
            most = most.max(weight)
        return most * most_score(self.scenario)

    @cached_property
    def score_of_all(self) -> Ball:
        """Score of a user with all of its server, without a weight."""
        return SCORES[self.scenario.objective.score].value(ball(self.scenario.score_norm), ball(MOST_SHARES))

    def _most_cost(self) -> Ball:
        """Return a ball above or around the cost of what is better than stated."""
        if self.scenario.objective.kind is ObjectiveKind.SCR:
            return self.most_score * self.units.scr / self._bound
        if self.scenario.objective.kind is ObjectiveKind.COST:
            return -self._bound / self._cost_unit
        return (self.most_score - self._bound / self._score_unit) / self.fixed_price

    def claimed(self, ratio: Ball, dual_value: Ball, least_cost: Ball) -> float:
        """Return what D says of values, SI; infinity where that is nothing.

        Parameters
        ----------
        ratio
            y.
        dual_value
            D.
        least_cost
            Of the allocations it is about.
        """
        if self.infeasible:
            return -math.inf if dual_value < 0 else math.inf
        if self.fixed_price is not None:
            return above(dual_value * self._unit)
        if dual_value <= 0:
            return above(ratio * self.units.scr)
        return above((ratio + dual_value / least_cost) * self.units.scr) if least_cost > 0 else math.inf

    @property
    def _unit(self) -> Ball:
        return self._cost_unit if self.scenario.objective.kind is ObjectiveKind.COST else self._score_unit

    def least_cost(self, box: Region) -> Ball:
        """Return a ball below or around the scaled cost of the allocations in a box."""
        if self.shares_deadline:
            return self.units.time_weight * ball(box.t0)
        parts = [weight * least for weight, least in zip(self.delay_weight, self.least, strict=True)]
        return self.units.time_weight * sum(parts, ball(0.0))

    def late(self, t0: float) -> float:
        """Return a bound on values where a user has a delay of at least t0; minus infinity if none can."""
        parts = [weight * least for weight, least in zip(self.delay_weight, self.least, strict=True)]
        at, worst = ball(t0), -math.inf
        for n, limit in enumerate(self.limit):
            if limit is not None and limit < at:
                continue
            if self.infeasible:
                return math.inf
            own = self.delay_weight[n] * at + sum(parts[:n] + parts[n + 1 :], ball(0.0))
            cost = self.units.time_weight * (at if self.shares_deadline else own)
            worst = max(worst, self._at_cost(cost))
        return worst

    def _at_cost(self, cost: Ball) -> float:
        if self.fixed_price is not None:
            return above((self.most_score - self.fixed_price * cost) * self._unit)
        return above(self.most_score / cost * self.units.scr) if cost > 0 else math.inf
