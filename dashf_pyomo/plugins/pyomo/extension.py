"""Sorting of the changes of an extended model: those that a method honours, and those that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from formulations import Constraints, InputError, Scenario

from ...algorithms import Method, methods
from ..solver_names import solver_name
from .recognition import Change, Difference, Recognised, UnsupportedModelError, meant

__all__ = ["refusal", "restricted", "split"]


def split(recognised: Recognised) -> tuple[list[Difference], list[Difference]]:
    """Return the differences that the data of a scenario can express (fixed associations), and those it cannot.

    Rows that only keep identical users or servers in order are in neither: they are not needed.
    """
    inside = [difference for difference in recognised.of(Change.FIXED) if _pair(difference) and difference.restricts]
    honoured = [*inside, *recognised.of(Change.SYMMETRY)]
    return inside, [difference for difference in recognised.differences if difference not in honoured]


def _pair(difference: Difference) -> bool:
    return difference.component.startswith("x[")


def restricted(recognised: Recognised, fixed: Sequence[Difference]) -> Scenario:
    """Return the scenario with fixed associations declared as forced and forbidden pairs, besides what it declares.

    Its allocations are those of the scenario that the fixings leave, at the same SCR; so a bound on it is one on the
    model.

    Parameters
    ----------
    recognised
        The model.
    fixed
        What `split` returned first.

    Raises
    ------
    UnsupportedModelError
        If a fixed association is neither 0 nor 1, or leaves a user without a server.
    """
    scenario = recognised.info.scenario
    if not fixed:
        return scenario
    declared = {} if scenario.constraints is None else scenario.constraints.to_dict()
    pairs: dict[int, list[list[int]]] = {0: list(declared.get("forbidden", [])), 1: list(declared.get("forced", []))}
    for difference in fixed:
        value = meant(difference.data)
        if value not in (0, 1):
            raise UnsupportedModelError(f"variable {difference.component} is fixed at {value:g}; expected 0 or 1")
        pairs[int(value)].append(list(difference.data.index()))
    document = {**declared, "forbidden": pairs[0], "forced": pairs[1]}
    try:
        constraints = Constraints.read(document, scenario.n_users, scenario.n_servers)
    except InputError as error:
        raise UnsupportedModelError(f"fixed associations of model {recognised.model.name!r}: {error}") from None
    return replace(scenario, constraints=constraints)


def refusal(method: Method, recognised: Recognised, what: Sequence[Difference]) -> UnsupportedModelError:
    """Return the error that says what a method cannot honour, and what can be done."""
    shown = [str(difference) for difference in what[:5]]
    if len(what) > 5:
        shown.append(f"{len(what) - 5} more")
    able = [solver_name(name) for name, entry in methods.items() if entry.solves_models]
    refused = method.solves_models or recognised.of(Change.OTHER) or not able
    way = "" if refused else f"{' or '.join(able)} hands the model to a global solver as it is, and "
    return UnsupportedModelError(
        f"method {method.name} cannot honour what was changed in model {recognised.model.name!r}: {'; '.join(shown)}; "
        f"{way}on_extension='report' solves Problem (3) and reports what the solution violates"
    )
