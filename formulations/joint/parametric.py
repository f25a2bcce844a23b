"""`parametric`: the problem as printed with the objective score - y cost, as in Dinkelbach's method.

Source: (4); target: as `literal`. The optimal value D(y) is zero at the optimal SCR and positive below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..allocation import Allocation
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..objective import Aspect, ObjectiveKind
from ..scenario import Scenario
from .data import JointData
from .literal import complete, pair_parts, state
from .model import decisions, objective
from .pair_parts import JOINT_EXTRAS

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["build"]

#: Users' ratios have no common y.
SUPPORTS = JOINT_EXTRAS - {Aspect.SUM_OF_RATIOS, Aspect.MAX_MIN}


def build(
    scenario: Scenario,
    known: Allocation | None = None,
    ratio: float | None = None,
    assume_scr: bool = True,
    longest_delay: float | None = None,
) -> pyo.ConcreteModel:
    """Return the model for a scenario.

    Parameters
    ----------
    scenario
        The data.
    known
        An allocation whose SCR bounds times and resources; a simple one is made where none is given.
    ratio
        y, SI; the known allocation's SCR by default. None for another objective: utility and cost are stated
        themselves, at their own price.
    assume_scr, longest_delay
        Whether what is worse than it may be left out; if not, the longest delay, see `JointData.of`.

    Raises
    ------
    InputError
        If the joint models cannot be scaled, see `JointData`, or users have ratios of their own.
    """
    data = JointData.of(scenario, known, assume_scr, longest_delay)
    arguments = {"known": known, "ratio": ratio, "assume_scr": assume_scr, "longest_delay": longest_delay}
    if ratio is None and data.kind is ObjectiveKind.SCR:
        ratio = data.ratio
    model = decisions("parametric", data, ratio, arguments, SUPPORTS)
    objective(model, state(model, data))
    return model


formulations.register(
    Formulation(
        name="parametric",
        subproblem=Subproblem.JOINT,
        kind=Kind.EXACT,
        needs=frozenset({Feature.MINLP}),
        source="(4)",
        summary="the problem as printed with the objective score - y cost",
        faces={Language.PYOMO: build},
        parts=pair_parts,
        complete=complete,
        supports=SUPPORTS,
        options=("known", "ratio", "assume_scr", "longest_delay"),
    ),
    origin=__name__,
)
