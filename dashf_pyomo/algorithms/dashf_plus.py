"""`dashf-plus`: the best composition of parts found, and a search over moves of single users on top.

Chosen among nine compositions on seeds 100 to 149 at (10, 2) by ``benchmarks/composition.toml``: the hull with argmax
rounding, offloading and resources together by `joint-nlp`, and then users moved one at a time while that helps. The
other rounding, `milp` and `sdr-rlt` did as well; without the moves the mean SCR was 3 % lower, with `nlp` 12 %. Moves
that turn a user's training to the other side bring 6 % at two users, and next to nothing from three on. Where turns are
tried and there are few users, two are turned at once as well: with limits of rates, turning either alone may be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario
from formulations.allocation import merit
from formulations.association.pair_resources import PairResources, equal_split, where_allowed
from formulations.formulation import Subproblem

from ..objectives import improvement
from .dashf import Dashf, honoured_by
from .dinkelbach import ratio_at
from .method import methods, option
from .rounding import ROUNDINGS, most_users, within_counts
from .run import Run
from .steps import ResourceStep, formulation_names, middle_offload, resources_of

__all__ = ["DashfPlus", "move_users", "seek"]

#: Most users for turns of two at once: their number grows with the square.
_PAIRED_USERS = 3

#: Most users for exchanges of two between servers that serve as many as they may, likewise.
_EXCHANGED_USERS = 60

#: Returns an allocation with better resources at a price of cost, and facts for the trace, as a `ResourceStep` does.
Allocate = Callable[[Allocation, float], tuple[Allocation, dict[str, Any]]]

#: Parts for many users.
_MANY = {"association": "hull", "allocation": "nlp"}


@methods.register
@dataclass(frozen=True)
class DashfPlus(Dashf):
    """DASHF with the parts that did best, followed by a local search over the association."""

    name = "dashf-plus"
    swaps: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # its parts are the better ones already
    summary = "DASHF with offloading and resources optimised together, then moves of single users"

    association: str = option(
        "hull", "formulation of AO part 1", choices=partial(formulation_names, Subproblem.ASSOCIATION)
    )
    rounding: str = option("argmax", "from fractional to binary association", choices=ROUNDINGS)
    allocation: str = option(
        "joint-nlp", "formulation of AO part 2", choices=partial(formulation_names, Subproblem.RESOURCES)
    )
    inner_epsilon: float = option(1e-3, "stop AO part 2 when its objective grows by less", at_least=0.0)
    inner_iterations: int = option(2, "most solves of AO part 2 per start and iteration", at_least=1)
    moves: int = option(20, "most moves of single users that are tried", at_least=0)
    turn_users: int = option(
        2, "most users for moves that turn a user's training to the other side; with extra constraints, any", at_least=0
    )
    joint_users: int = option(
        300, "most users for joint-nlp and moves; beyond, hull and nlp are composed instead", at_least=1
    )

    def honours(self) -> frozenset[str]:
        """Return what the formulations support, those for many users too."""
        associations, resources = [self.association], [*resources_of(self.allocation)]
        if self.allocation == "joint-nlp":
            associations.append(_MANY["association"])
            resources.append(_MANY["allocation"])
        return honoured_by(self.supports, associations, resources)

    def improve(self, run: Run) -> str:
        """Run Algorithm 1 with these parts, then move users."""
        if self.allocation == "joint-nlp" and run.scenario.n_users > self.joint_users:
            options = {item.name: getattr(self, item.name) for item in fields(Dashf)} | _MANY
            said = Dashf(**options).improve(run)
            return f"{said}; hull and nlp for more than {self.joint_users} users"
        return super().improve(run)

    def refine(self, run: Run, said: str) -> str:
        """Look for an allocation where Algorithm 1 found none, then move users."""
        allocate = ResourceStep(
            run,
            self.allocation,
            self.allocation_backend,
            self.inner_epsilon,
            self.inner_iterations,
            two_starts=False,
            optional=True,
        )
        if not run.has_incumbent and not seek(run, allocate, self.moves):
            return f"{said}; no allocation found that meets the extra constraints"
        turns = run.scenario.constraints is not None or run.scenario.n_users <= self.turn_users
        tried, kept = move_users(run, allocate, self.moves, self.epsilon, turns)
        return f"{said}; {kept} of {tried} moves of users kept"


def seek(run: Run, allocate: ResourceStep, tries: int) -> bool:
    """Look for a first allocation that is feasible, from associations that are tried in turn; return whether there is.

    Parameters
    ----------
    run
        Takes what is found.
    allocate
        Optimises at an association.
    tries
        Most associations: strongest, in turn, then random ones.
    """
    s, rng = run.scenario, np.random.default_rng(0)
    first = [np.argmax(s.channel_gain, axis=1), np.arange(s.n_users) % s.n_servers]
    for number in range(tries):
        drawn = first[number] if number < len(first) else rng.integers(s.n_servers, size=s.n_users)
        server = within_counts(s, where_allowed(s, drawn))
        offload = middle_offload(s)
        if s.binary_offload and number:
            offload = np.where(rng.random(s.n_users) < 0.5, *s.offload_range)
        start = equal_split(s, server, offload)
        ratio = ratio_at(s.objective, run.record(start, phase="seek").value)
        reached, facts = allocate(start, ratio)
        run.record(reached, phase="seek", ratio=ratio, **facts)
        if run.has_incumbent:
            return True
    return False


def move_users(run: Run, allocate: Allocate, moves: int, epsilon: float, turns: bool = False) -> tuple[int, int]:
    """Move single users of the incumbent while that helps, the most promising moves first.

    Parameters
    ----------
    run
        Has the incumbent and takes what is found.
    allocate
        Optimises at the new association.
    moves
        Most moves that are tried.
    epsilon
        A move is kept if the value becomes better by more, relative.
    turns
        Whether, where no move to another server helps, users are tried with their training on the other side; then
        two of them at once, if there are few.

    Returns
    -------
    tried, kept
        Most moves.
    """
    tried = kept = 0
    objective = run.scenario.objective
    incumbent, value = run.incumbent
    proposals = _moves(run, incumbent, ratio_at(objective, value), turns)
    while tried < moves and not run.closed:
        move, turned = next(proposals, (None, False))
        if move is None:
            break
        tried += 1
        ratio = ratio_at(objective, value)
        candidate, facts = allocate(move, ratio)
        run.record(candidate, phase="turn" if turned else "move", ratio=ratio, **facts)
        if improvement(objective.kind, value, run.incumbent[1]) > epsilon:
            kept += 1
            incumbent, value = run.incumbent
            proposals = _moves(run, incumbent, ratio_at(objective, value), turns)
    return tried, kept


def _moves(run: Run, allocation: Allocation, ratio: float, turns: bool) -> Iterator[tuple[Allocation, bool]]:
    """Yield the allocation with one user moved, by what the move costs before re-optimising, and whether it is a turn.

    A user that changes its server brings an equal share of the new one, the others there shrink in proportion. Where
    servers serve as many users as they may, two of them change places. Turns come after: the user stays and trains on
    the other side, at the other end of its range of phi; its offloading is often a local optimum that re-optimising
    does not leave. Those of two users come last.
    """
    s = run.scenario
    pairs = PairResources.around(s, allocation, "equal-share")
    candidates: list[tuple[int, Allocation]] = []  # how many users are turned
    for user, server in np.argwhere(s.allowed).tolist():
        if server != allocation.server[user]:
            moved = allocation.server.copy()
            moved[user] = server
            candidates.append((0, pairs.at(s, moved, allocation.offload)))
    candidates += [(0, pairs.at(s, moved, allocation.offload)) for moved in _exchanges(s, allocation.server)]
    if turns:
        low, high = s.offload_range
        turning = np.flatnonzero(low < high).tolist()
        most = 2 if s.n_users <= _PAIRED_USERS else 1
        for count in range(1, most + 1):
            for users in combinations(turning, count):
                candidates.append((count, _turned(s, pairs, allocation, users)))
    values = [merit(s, candidate, ratio) for _, candidate in candidates]
    order = [i for i in range(len(candidates)) if np.isfinite(values[i])]
    for i in sorted(order, key=lambda i: (candidates[i][0], -values[i])):
        yield candidates[i][1], candidates[i][0] > 0


def _exchanges(s: Scenario, server: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the associations with two users exchanged where neither could move alone, as both servers are full."""
    if s.n_users > _EXCHANGED_USERS:
        return
    full = np.bincount(server, minlength=s.n_servers) >= most_users(s)
    for one, other in combinations(range(s.n_users), 2):
        here, there = server[one], server[other]
        if here != there and full[here] and full[there] and s.allowed[one, there] and s.allowed[other, here]:
            moved = server.copy()
            moved[one], moved[other] = there, here
            yield moved


def _turned(s: Scenario, pairs: PairResources, allocation: Allocation, users: Sequence[int]) -> Allocation:
    """Return the allocation with the training of users on the other side, each with an equal share of its server."""
    held = {
        name: np.array(getattr(pairs, name)) for name in ("bandwidth", "server_power", "server_speed", "user_power")
    }
    speed, offload = np.array(pairs.user_speed), np.array(allocation.offload)
    low, high = s.offload_range
    for user in users:
        server = int(allocation.server[user])
        share = 1.0 / np.count_nonzero(allocation.server == server)
        for name in ("bandwidth", "server_power", "server_speed"):
            held[name][user, server] = share * getattr(s, f"{name}_max")[server]
        held["user_power"][user] = s.user_power_max[user]
        speed[user] = s.user_speed_max[user]
        offload[user] = low[user] if offload[user] > 0.5 * (low[user] + high[user]) else high[user]
    return PairResources(**held, user_speed=speed).at(s, allocation.server, offload)
