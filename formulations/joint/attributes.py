"""Physical expressions of a joint model, in SI units and under the same names in every formulation.

``model.attributes.energy[n]`` is what user n's training costs in J, ``.delay[n]`` its delay in s, and so on for every
attribute that is declared (`formulations.attributes.ATTRIBUTES`) and for the user's own ``user_power`` and
``user_speed``; ``[n, m]`` is what it has at server m. So a row or an objective needs no units and no scaling::

    model.green = pyo.Constraint(expr=sum(model.attributes.energy[n] for n in model.users) <= 800.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..attributes import ATTRIBUTES
from ..documents import InputError
from ..formulation import Subproblem, formulations
from ..scaled import whole_parts
from .pair_parts import PairParts

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["Attributes"]

Array = NDArray[np.float64]

#: What a user has of its own: variables that are fractions of a cap.
_OWN = {"user_power": "user_power_max", "user_speed": "user_speed_max"}


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attributes of a joint model by name, as ``model.attributes``.

    In a relaxation, and where an energy or a time is a variable, the expression is at least the attribute: bound it
    from above.

    Parameters
    ----------
    model
        A joint model.
    """

    model: pyo.ConcreteModel

    def __getattr__(self, name: str) -> _OfUsers:
        """Return an attribute, to be indexed by a user, or by a user and a server.

        Raises
        ------
        AttributeError
            If there is none of that name.
        """
        if name.startswith("_") or (name not in ATTRIBUTES and name not in _OWN):
            raise AttributeError(f"no attribute {name!r}; expected one of {', '.join((*ATTRIBUTES, *_OWN))}")
        return _OfUsers(self.model, name)

    def __dir__(self) -> list[str]:
        return [*ATTRIBUTES, *_OWN]


@dataclass(frozen=True, eq=False)
class _OfUsers:
    model: pyo.ConcreteModel
    name: str

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """Return what a user has, or has at a server, as an expression in SI units.

        Raises
        ------
        InputError
            If the formulation states no such expression.
        KeyError
            If there is no such user or server.
        """
        model = self.model
        if isinstance(index, tuple):
            user, servers = index[0], [index[1]]
        else:
            user, servers = index, list(model.servers)
        if user not in model.users or any(server not in model.servers for server in servers):
            raise KeyError(index)
        scenario = model.dashf.scenario
        if self.name in _OWN:
            if isinstance(index, tuple):
                raise KeyError(index)
            return float(getattr(scenario, _OWN[self.name])[user]) * getattr(model, self.name)[user]
        formulation = model.dashf.formulation
        state = formulations[f"{Subproblem.JOINT}/{formulation}"].parts
        parts = None if state is None else state(model)
        weights = ATTRIBUTES[self.name].weights(scenario)
        if not isinstance(parts, PairParts) or not weights.keys() <= parts.stated:
            raise InputError(f"joint/{formulation} states no expression of {self.name}; expected one that does")
        units = whole_parts(scenario, time_unit=model.dashf.data.pairs.time_unit)
        pairs = [(user, server) for server in servers if model.dashf.data.usable[user, server]]
        return sum(parts.total(part, weight * units[part], pairs) for part, weight in weights.items())
