"""Data, physics and declared models of Problem (3): what is solved. No solver is named here.

Light names are here at once; the model builders load their modelling language when they are first used.
"""

from __future__ import annotations

from .allocation import FEASIBILITY_TOLERANCE, Allocation, AllocationError, Evaluation, Violation, evaluate
from .constraints import ALL_EXTRAS, Constraints, Extra
from .documents import InputError, ScenarioError
from .scenario import PRESETS, READINGS, Scenario

__all__ = [
    "ALL_EXTRAS",
    "FEASIBILITY_TOLERANCE",
    "PRESETS",
    "READINGS",
    "Allocation",
    "AllocationError",
    "Constraints",
    "Evaluation",
    "Extra",
    "InputError",
    "Scenario",
    "ScenarioError",
    "Violation",
    "evaluate",
]
