"""Small scenarios for every objective, and for every kind of limit and row one in which it binds, with references.

A case is an objective on one of a few base scenarios, and what is declared on top. Thresholds are no numbers of this
file: they follow from the best allocation known without what is declared, so that it breaks them. The references
(`reference_optimum`) of `declared_cases` are stored in ``declared.json`` as allocations, judged by the evaluator
whenever they are read, and searched for anew where that disagrees::

    python -c "from dashf_pyomo.conformance import declared; declared.main()"

finds them all again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from formulations import Allocation, Extra, Scenario, evaluate
from formulations.association.pair_resources import start_allocation
from formulations.attributes import ATTRIBUTES
from formulations.constraints import LIMITS
from formulations.linear_rows import ROW_ATTRIBUTES
from formulations.terms import Rows, Sites

from .reference import STRICT, Reference, reference_optimum

__all__ = ["DeclaredCase", "binding_names", "crossed_cases", "declared_cases", "relative_loss"]

_FILE = Path(__file__).with_name("declared.json")

#: What is declared, from a scenario without it and its best allocation known.
Declare = Callable[[Scenario, Allocation], dict[str, Any]]

#: What is declared costs at least this much of the value, relative.
LEAST_LOSS = 1e-3


def _bases() -> dict[str, Scenario]:
    """Return the base scenarios: what limits are about is not idle at their best allocations."""
    weak: dict[str, Any] = {"user_speed_max": [1e13, 1e12]}  # the second user shares its training with the server
    # The first server serves both users best.
    gathering: dict[str, Any] = {"server_speed_max": [1e15, 1e12], "user_speed_max": 1e12}
    return {
        "one": Scenario.random(1, 1, 0),
        "shared": Scenario.random(2, 1, 1),
        "weak": Scenario.random(2, 1, 1, **weak),
        "spread": Scenario.random(2, 2, 1),
        "gathered": Scenario.random(2, 2, 2, **gathering),
        "three": Scenario.random(3, 2, 1),
    }


_BASES = _bases()

#: Objectives by name; user weights are of as many users as the base has.
_OBJECTIVES: dict[str, dict[str, Any]] = {
    **{f"scr-{delay}": {"delay": delay} for delay in ("largest", "mean", "sum")},
    **{f"utility-{delay}": {"kind": "utility", "price": 100.0, "delay": delay} for delay in ("largest", "mean", "sum")},
    **{f"cost-{delay}": {"kind": "cost", "delay": delay} for delay in ("largest", "mean", "sum")},
    "sum-of-ratios": {"kind": "sum-of-ratios"},
    "max-min": {"kind": "max-min"},
    "scr-weights": {"user_weight": [1.0, 4.0, 2.0]},
    "utility-weights": {"kind": "utility", "price": 100.0, "delay": "mean", "user_weight": [3.0, 1.0, 2.0]},
    "cost-weights": {"kind": "cost", "delay": "mean", "user_weight": [1.0, 4.0, 2.0]},
    "sum-of-ratios-weights": {"kind": "sum-of-ratios", "user_weight": [1.0, 4.0, 2.0]},
    "max-min-weights": {"kind": "max-min", "user_weight": [1.0, 4.0, 2.0]},
    "scr-sqrt": {"score": "sqrt"},
    "scr-linear": {"score": "linear", "delay": "mean"},
    "utility-sqrt": {"kind": "utility", "price": 100.0, "score": "sqrt"},
}


def _objective(name: str, users: int) -> dict[str, Any]:
    found = dict(_OBJECTIVES[name])
    if "user_weight" in found:
        found["user_weight"] = found["user_weight"][:users]
    return found


@dataclass(frozen=True)
class DeclaredCase:
    """A scenario with an objective, and with something declared on top.

    Parameters
    ----------
    base
        Name of the base scenario.
    objective
        Name of the objective.
    declared
        Name of what is declared, or an empty text for nothing.
    """

    base: str
    objective: str
    declared: str = ""

    def __str__(self) -> str:
        return "-".join(part for part in (self.base, self.objective, self.declared) if part)

    @property
    def free(self) -> DeclaredCase:
        """The case without what is declared."""
        return DeclaredCase(self.base, self.objective)

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario; where something is declared, the reference of `free` is found first."""
        if not self.declared:
            base = _BASES[self.base]
            return base.replace(objective=_objective(self.objective, base.n_users), name=str(self))
        without, allocation = self.free.scenario, self.free.reference.allocation
        if allocation is None:
            raise ValueError(f"{self.free}: no allocation found; expected one, as nothing is declared")
        return self._limited(without, allocation)

    @cached_property
    def demands(self) -> frozenset[Extra]:
        """What the scenario demands, known without any search: thresholds differ, their signs do not."""
        without = self.free.scenario
        return self._limited(without, start_allocation(without)).demands if self.declared else without.demands

    def _limited(self, without: Scenario, allocation: Allocation) -> Scenario:
        return without.limited_by(_DECLARED[self.declared][1](without, allocation)).replace(name=str(self))

    @property
    def reference(self) -> Reference:
        """The best value known, stored or found now."""
        return _reference(self)

    @property
    def loss(self) -> float:
        """What is declared costs this much of the value, relative."""
        return relative_loss(self.scenario, self.free.reference.value, self.reference.value)


def relative_loss(scenario: Scenario, value: float, other: float) -> float:
    """Return by how much another value is worse, relative to the larger; negative where it is better."""
    gone = other - value if scenario.objective.better(0.0, 1.0) else value - other
    return gone / max(abs(value), abs(other))


@cache
def _stored() -> Mapping[str, Any]:
    if not _FILE.exists():
        return {}
    found: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))["allocations"]
    return found


@cache
def _reference(case: DeclaredCase) -> Reference:
    stored = _stored().get(str(case))
    if stored is not None:
        allocation = Allocation.from_dict(stored["allocation"])
        e = evaluate(case.scenario, allocation)
        if e.max_violation <= STRICT and np.isclose(e.value, stored["value"], rtol=1e-9):
            return Reference(e.value, allocation)
    return reference_optimum(case.scenario)


# -- what is declared -----------------------------------------------------------------------------


def _values(scenario: Scenario, a: Allocation, attribute: str) -> Any:
    """Return an attribute of every user at its server, shape (N,), SI."""
    terms = Sites(scenario, a.server).terms(
        a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
    )
    weights = ATTRIBUTES[attribute].weights(scenario)
    at = np.arange(scenario.n_users), a.server
    return np.broadcast_to(terms.weighted({part: weight[at] for part, weight in weights.items()}), a.server.shape)


def _limit(key: str, share: float) -> Declare:
    """Return a limit at a share of what is there, row by row; of least values only where there is least.

    Rows of which nothing is there have none.
    """
    limit = LIMITS[key]

    def declare(scenario: Scenario, a: Allocation) -> dict[str, Any]:
        count = limit.rows(scenario.n_users, scenario.n_servers)
        rows = Rows(limit, np.ones(count), {}, np.ones(count))
        found = rows.gather(_values(scenario, a, limit.attribute), a.server)
        bounded = found == found.min() if limit.at_least else found > 0.0
        bounds = found / share if limit.at_least else found * share
        return {key: [float(bound) if there else None for bound, there in zip(bounds, bounded, strict=True)]}

    return declare


def _row(attribute: str, share: float) -> Declare:
    """Return a row that allows a share of what all users have of an attribute."""

    def declare(scenario: Scenario, a: Allocation) -> dict[str, Any]:
        total = float(_values(scenario, a, attribute).sum())
        return {"rows": [{"name": attribute, "at_most": share * total, "terms": [{"attribute": attribute}]}]}

    return declare


def _floor(attribute: str, whole: Callable[[Scenario], float]) -> Declare:
    """Return a row that asks for more of an attribute of the user that has least: half of what it lacks of `whole`."""

    def declare(scenario: Scenario, a: Allocation) -> dict[str, Any]:
        values = _values(scenario, a, attribute)
        user = int(np.argmin(values))
        least = 0.5 * (float(values[user]) + whole(scenario))
        term = {"attribute": attribute, "users": [user], "coefficient": -1.0}
        return {"rows": [{"name": f"{attribute} floor", "at_most": -least, "terms": [term]}]}

    return declare


def _more_served(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    """Ask for one user more at the server that has fewest."""
    served = np.bincount(a.server, minlength=scenario.n_servers)
    server = int(np.argmin(served))
    term = {"attribute": "served", "servers": [server], "coefficient": -1.0}
    return {"rows": [{"name": "served floor", "at_most": -float(served[server] + 1), "terms": [term]}]}


def _fewer_served(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    """Allow one user fewer at the server that has most, but one."""
    served = np.bincount(a.server, minlength=scenario.n_servers)
    server = int(np.argmax(served))
    term = {"attribute": "served", "servers": [server]}
    return {"rows": [{"name": "served", "at_most": float(max(1, served[server] - 1)), "terms": [term]}]}


def _one_a_server(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    return {"users_per_server": float(max(1, np.bincount(a.server).max() - 1))}


def _difference(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    """Let the user that trains less itself train at least as much as the other."""
    less, more = int(np.argmin(a.offload)), int(np.argmax(a.offload))
    if less == more:
        less, more = 0, 1
    terms = [
        {"attribute": "offload", "users": [more], "coefficient": 1.0},
        {"attribute": "offload", "users": [less], "coefficient": -1.0},
    ]
    return {"rows": [{"name": "difference", "at_most": 0.0, "terms": terms}]}


def _mixed(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    """Limit a sum of two attributes, in shares of what there is of each."""
    energy, delay = (float(_values(scenario, a, name).sum()) for name in ("energy", "delay"))
    terms = [
        {"attribute": "energy", "coefficient": 1.0 / energy},
        {"attribute": "delay", "coefficient": 1.0 / delay},
    ]
    return {"rows": [{"name": "mixed", "at_most": 1.8, "terms": terms}]}


def _other_half(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    """Let ranges of phi end half way."""
    return {"offload": [[0.5, 1.0] if phi < 0.5 else [0.0, 0.5] for phi in a.offload.tolist()]}


def _binary(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    return {"binary_offload": True}


def _forbidden(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    return {"forbidden": [[0, int(a.server[0])]]}


def _forced(scenario: Scenario, a: Allocation) -> dict[str, Any]:
    return {"forced": [[n, (int(m) + 1) % scenario.n_servers] for n, m in enumerate(a.server)]}


#: What may be declared: the base in which it binds, and how.
_DECLARED: dict[str, tuple[str, Declare]] = {
    "delay_limit": ("shared", _limit("delay_limit", 0.7)),
    "uplink_rate": ("weak", _limit("uplink_rate", 0.5)),
    "downlink_rate": ("shared", _limit("downlink_rate", 0.5)),
    "user_energy": ("shared", _limit("user_energy", 0.5)),
    "server_energy": ("shared", _limit("server_energy", 0.5)),
    "total_energy": ("shared", _limit("total_energy", 0.5)),
    "users_per_server": ("gathered", _one_a_server),
    "mean_delay": ("shared", _limit("mean_delay", 0.7)),
    "offload": ("shared", _other_half),
    "binary_offload": ("weak", _binary),
    "forbidden": ("spread", _forbidden),
    "forced": ("spread", _forced),
    "row-served": ("gathered", _fewer_served),
    "row-offload": ("shared", _row("offload", 0.5)),
    **{f"row-{name}": ("shared", _row(name, 0.7)) for name in ("bandwidth", "server_power", "server_speed")},
    **{f"row-{name}": ("shared", _row(name, 0.5)) for name in ("user_energy", "server_energy", "energy")},
    "row-delay": ("shared", _row("delay", 0.7)),
    "row-mixed": ("shared", _mixed),
    "floor-served": ("gathered", _more_served),
    "floor-offload": ("shared", _floor("offload", lambda s: 1.0)),
    "floor-bandwidth": ("shared", _floor("bandwidth", lambda s: float(s.bandwidth_max[0]))),
    "floor-server_power": ("shared", _floor("server_power", lambda s: float(s.server_power_max[0]))),
    "floor-server_speed": ("shared", _floor("server_speed", lambda s: float(s.server_speed_max[0]))),
    "floor-difference": ("shared", _difference),
}

#: Objectives under which what is declared binds too, beside the printed one.
_ALSO: dict[str, tuple[str, ...]] = {
    "delay_limit": ("cost-mean", "sum-of-ratios"),
    "uplink_rate": ("max-min",),
    "downlink_rate": ("cost-largest",),
    "user_energy": ("utility-mean",),
    "server_energy": ("cost-largest",),
    "total_energy": ("cost-mean",),
    "users_per_server": ("cost-largest",),
    "mean_delay": ("cost-largest",),
    "offload": ("max-min",),
    "forbidden": ("cost-mean",),
    "forced": ("sum-of-ratios",),
    "row-served": ("cost-mean",),
    "row-offload": ("max-min",),
    "row-bandwidth": ("cost-largest",),
    "row-server_power": ("cost-mean",),
    "row-server_speed": ("cost-largest",),
    "row-user_energy": ("utility-mean",),
    "row-server_energy": ("cost-mean",),
    "row-energy": ("cost-largest",),
    "row-delay": ("cost-mean",),
    "row-mixed": ("utility-mean",),
    "floor-served": ("max-min",),
    "floor-offload": ("cost-mean",),
    "floor-bandwidth": ("utility-mean",),
    "floor-server_power": ("max-min",),
    "floor-server_speed": ("max-min",),
    "floor-difference": ("max-min",),
}


def binding_names() -> list[str]:
    """Return the names of all that may be declared; every key of `constraints`, and rows on every attribute."""
    rows = {name.removeprefix("row-") for name in _DECLARED if name.startswith("row-")}
    missing = [*(key for key in LIMITS if key not in _DECLARED), *(name for name in ROW_ATTRIBUTES if name not in rows)]
    if missing:
        raise ValueError(f"no case declares {', '.join(missing)}; expected one of each kind")
    return list(_DECLARED)


def declared_cases() -> tuple[DeclaredCase, ...]:
    """Return a case of every objective, and for all that may be declared one or more in which it binds."""
    return tuple(_cases())


def _cases() -> Iterator[DeclaredCase]:
    for objective in _OBJECTIVES:
        # At one server the sum of the ratios is largest where a user is starved: a limit that is not attained.
        yield DeclaredCase("spread" if objective.startswith("sum-of-ratios") else "shared", objective)
    yield from (DeclaredCase("one", name) for name in ("scr-largest", "cost-mean"))
    yield from (DeclaredCase("spread", name) for name in ("scr-largest", "cost-largest", "max-min"))
    yield from (DeclaredCase("three", name) for name in ("scr-largest", "cost-mean"))
    for declared in _DECLARED:
        for objective in ("scr-largest", *_ALSO.get(declared, ())):
            yield _case(objective, declared)


def crossed_cases() -> Iterator[DeclaredCase]:
    """Yield every objective with everything that may be declared; some of it may not bind (`DeclaredCase.loss`)."""
    for objective in _OBJECTIVES:
        for declared in _DECLARED:
            yield _case(objective, declared)


def _case(objective: str, declared: str) -> DeclaredCase:
    base = _DECLARED[declared][0]
    return DeclaredCase("spread" if base == "shared" and objective.startswith("sum-of-") else base, objective, declared)


def main() -> None:
    """Find all references again and store them."""
    _FILE.unlink(missing_ok=True)  # or what is stored would be found
    _stored.cache_clear()
    found = {}
    for case in dict.fromkeys(one for pair in declared_cases() for one in (pair.free, pair)):
        reference = _reference(case)
        if reference.allocation is None:
            raise ValueError(f"{case}: no allocation found; expected one")
        found[str(case)] = {"value": reference.value, "allocation": reference.allocation.to_dict()}
        print(case, reference.value, flush=True)
    document = {
        "found_by": "dashf_pyomo.conformance.declared.main(): the best of enumeration with starts of SLSQP, "
        "see dashf_pyomo.conformance.reference",
        "allocations": found,
    }
    _FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
