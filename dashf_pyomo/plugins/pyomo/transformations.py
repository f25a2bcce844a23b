"""Transformations of a model of Problem (3): to another joint formulation, or to a relaxation of AO part 1.

Each makes a new model (`create_using`); `load_source` takes its solution back into the model that it came from. What
was changed in that model is carried over where the new one can state it, and is an error where it cannot.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.transformation import Transformation

from formulations import Allocation, InputError, Scenario, evaluate, joint
from formulations.association.coefficients import DELAY_ROWS
from formulations.association.pair_resources import PairResources
from formulations.constraints import require_support
from formulations.formulation import Language, Subproblem, formulations

from ...algorithms.dinkelbach import ratio_at
from ...algorithms.rounding import ROUNDINGS, RoundingTask, offloaded
from .association import hull, sdr
from .carrying import carry
from .extension import restricted, split
from .model_values import Checked, best_point
from .recognition import Difference, Recognised, UnsupportedModelError, names_of, recognise

__all__ = ["Origin", "load_source", "source", "transformations"]

#: Decisions, which mean the same in every joint formulation.
_SHARED = ("x", "offload", "delay", "bandwidth", "server_power", "server_speed", "user_power", "user_speed")

#: Arguments of a joint formulation that one made from it has too: from them follow units and bounds.
_KEPT = ("known", "assume_scr", "longest_delay")

#: Where AO part 1 takes its resources from.
RESOURCES = ("start", "values")


@dataclass(frozen=True, eq=False)
class Origin:
    """Origin of a model, attached to it as ``model.dashf_origin``; copies of the model share it.

    Parameters
    ----------
    model
        The model that was transformed; None in another process.
    pairs, ratio, scenario
        Resources, y and data of AO part 1; None where the new model is a joint one.
    """

    model: Any
    pairs: PairResources | None = None
    ratio: float | None = None
    scenario: Scenario | None = None

    def __deepcopy__(self, memory: dict[int, Any]) -> Origin:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, (None, self.pairs, self.ratio, self.scenario)


def source(model: Any) -> Any:
    """Return the model that a transformed model was made from.

    Raises
    ------
    InputError
        If it was not made by one of our transformations, or in another process.
    """
    origin = getattr(model, "dashf_origin", None)
    if not isinstance(origin, Origin) or origin.model is None:
        raise InputError(f"model {model.name!r} was not made by a dashf transformation here; expected one that was")
    return origin.model


def load_source(model: Any, rounding: str = "hungarian") -> tuple[Allocation, Checked]:
    """Load the solution of a transformed model into the model that it was made from.

    Parameters
    ----------
    model
        A transformed model whose variables have values.
    rounding
        For ``dashf.hull`` and ``dashf.sdr``: how a fractional association is rounded, one of
        `dashf_pyomo.algorithms.rounding.ROUNDINGS`; offloading is then optimal for (6).

    Returns
    -------
    tuple
        The allocation, and what it is worth and breaks in the source.

    Raises
    ------
    InputError
        If the model was not made by a transformation, a decision has no value, or there is no such rounding.
    """
    target = source(model)
    recognised = recognise(target)
    found = _rounded(model, rounding) if model.dashf_origin.pairs else joint.read(model)
    allocation, point, checked = best_point(recognised, found)
    names = names_of(target)
    for variable in target.component_data_objects(pyo.Var):
        value = point.get(names[id(variable)])
        if value is not None and not variable.fixed:
            variable.set_value(value, skip_validation=True)
    return allocation, checked


def _rounded(model: Any, rounding: str) -> Allocation:
    from formulations.association.model import AssociationSolution, clean

    if rounding not in ROUNDINGS:
        raise InputError(f"rounding = {rounding!r}; expected one of {', '.join(ROUNDINGS)}")
    values = [[model.x[n, k].value for k in model.servers] for n in model.users]
    offload = [model.offload[n].value for n in model.users]
    if any(value is None for value in [*offload, *(value for row in values for value in row)]):
        raise InputError(f"model {model.name!r} has no solution; expected values of x and offload")
    origin: Origin = model.dashf_origin
    scenario = origin.scenario
    assert origin.pairs is not None and origin.ratio is not None and scenario is not None
    x, phi = clean(np.array(values, dtype=float), np.array(offload, dtype=float))
    value = pyo.value(model.objective) * pyo.value(model.objective_unit)
    task = RoundingTask(AssociationSolution(x, phi, value), origin.pairs, scenario, origin.ratio)
    return offloaded(scenario, origin.pairs.at(scenario, ROUNDINGS[rounding](task), phi), origin.ratio)


class _DashfTransformation(Transformation):
    """Base class of transformations: they make new models, and know the way back."""

    label: ClassVar[str]

    def _apply_to(self, model: Any, **kwds: Any) -> None:
        raise InputError(f"{self.label} makes a new model; expected create_using(model) instead of apply_to(model)")

    @staticmethod
    def source(model: Any) -> Any:
        """Return the model that a transformed one was made from, see `source`."""
        return source(model)

    @staticmethod
    def load_source(model: Any, **kwds: Any) -> tuple[Allocation, Checked]:
        """Load a solution into the model that the transformed one was made from, see `load_source`."""
        return load_source(model, **kwds)

    def _options(self, given: dict[str, Any], **defaults: Any) -> dict[str, Any]:
        for key in given:
            if key not in defaults:
                raise InputError(f"{self.label}: unknown option {key!r}; expected one of {', '.join(defaults)}")
        return defaults | given

    def _refuse(self, recognised: Recognised, what: list[Difference]) -> None:
        if what:
            raise UnsupportedModelError(
                f"{self.label} cannot carry over what was changed in model {recognised.model.name!r}: "
                f"{'; '.join(map(str, what[:5]))}"
            )


class _Reformulation(_DashfTransformation):
    """Problem (3) in another joint formulation, from the same known allocation."""

    key: ClassVar[str]

    def _create_using(self, model: Any, **kwds: Any) -> Any:
        recognised = recognise(model)
        found = recognised.info
        options = self._options(kwds, ratio=found.ratio)
        formulation = formulations[self.key]
        kept = {key: found.arguments[key] for key in _KEPT if key in found.arguments and key in formulation.options}
        new = formulation.faces[Language.PYOMO](found.scenario, ratio=options["ratio"], **kept)
        new.dashf_origin = Origin(model)
        self._refuse(recognised, carry(recognised, new, _SHARED))
        return new


class _Relaxation(_DashfTransformation):
    """AO part 1 at given resources and y, relaxed; its value bounds that subproblem, never the SCR."""

    #: The formulation whose rows and costs it states, and so what it honours.
    key: ClassVar[str]

    def _create_using(self, model: Any, **kwds: Any) -> Any:
        recognised = recognise(model)
        fixed, others = split(recognised)
        self._refuse(recognised, others)
        scenario = restricted(recognised, fixed)
        require_support(self.label, formulations[self.key].supports, scenario.demands)
        options = self._options(kwds, resources="start", ratio=None, delay_rows="aggregated", **self._more())
        for key, choices in (("resources", RESOURCES), ("delay_rows", DELAY_ROWS)):
            if options[key] not in choices:
                raise InputError(f"{self.label}: {key} = {options[key]!r}; expected one of {', '.join(choices)}")
        if options.pop("resources") == "start":
            pairs, ratio = PairResources.equal(scenario), recognised.info.data.ratio
        else:
            allocation = joint.read(model)
            pairs = PairResources.around(scenario, allocation)
            ratio = ratio_at(scenario.objective, evaluate(scenario, allocation).value)
        asked = options.pop("ratio")
        if asked is not None and scenario.objective.cost_price is not None:
            raise InputError(f"{self.label}: ratio = {asked!r}; expected none, the objective has a price of its own")
        ratio = ratio if asked is None else float(asked)
        new = self._build(scenario, pairs, ratio, **options)
        new.dashf_origin = Origin(model, pairs, ratio, scenario)
        for n, k in np.argwhere(~scenario.allowed).tolist():
            new.x[n, k].fix(0)
        return new

    def _more(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    def _build(self, scenario: Scenario, pairs: PairResources, ratio: float, **options: Any) -> Any:
        """Return the new model at given resources and ratio."""


class Hull(_Relaxation):
    """AO part 1 over the convex hull of every user, an LP; options: resources, ratio, delay_rows."""

    label, key = "dashf.hull", "association/hull"

    def _build(self, scenario: Scenario, pairs: PairResources, ratio: float, **options: Any) -> Any:
        return hull(scenario, pairs, ratio, **options)


class Sdr(_Relaxation):
    """AO part 1 by the 2 x 2 minors of the semidefinite relaxation; options: resources, ratio, delay_rows, minors.

    Pyomo has no semidefinite cone, so this is weaker than (8); `add_semidefinite_cuts` closes the difference.
    """

    label, key = "dashf.sdr", "association/sdr"

    def _more(self) -> dict[str, Any]:
        return {"minors": True}

    def _build(self, scenario: Scenario, pairs: PairResources, ratio: float, **options: Any) -> Any:
        return sdr(scenario, pairs, ratio, **options)


def transformations() -> dict[str, type[Transformation]]:
    """Return every transformation by its name in Pyomo's factory.

    There is one for each joint formulation in Pyomo that takes a known allocation and a ratio, so that it can state
    the objective of any other. Those of extensions count once they were discovered, which this does not wait for.
    """
    found: dict[str, type[Transformation]] = {entry.label: entry for entry in (Hull, Sdr)}
    for key, entry in formulations.registered.items():
        if (
            entry.subproblem is Subproblem.JOINT
            and Language.PYOMO in entry.faces
            and {"known", "ratio"} <= {*entry.options}
        ):
            label = f"dashf.{entry.name}"
            about = f"Problem (3): {entry.summary}; option: ratio (y of the objective score - y cost, SI)."
            fields = {"label": label, "key": key, "__doc__": about, "__module__": __name__}
            found.setdefault(label, type(entry.name.capitalize(), (_Reformulation,), fields))
    return found
