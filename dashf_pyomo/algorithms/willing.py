"""Names of the methods that take a scenario, and of those that prove a bound of it, for advice in messages."""

from __future__ import annotations

import json
from collections.abc import Sequence

from formulations import Scenario
from formulations.constraints import relaxation_text

from .method import Method, configure, methods

__all__ = ["advice", "willing"]


def willing(name: str, scenario: Scenario) -> tuple[Method, str]:
    """Return a method that takes a scenario, bounding a relaxation of it if it must, and why it would refuse it still.

    Parameters
    ----------
    name
        Of the method; its options are the defaults but for those in `Method.relaxing`.
    scenario
        The scenario.
    """
    method = configure(name, {})
    refusal = method.refusal(scenario)
    if refusal and method.relaxing:
        relaxed = configure(name, method.relaxing)
        if not relaxed.refusal(scenario):
            return relaxed, ""
    return method, refusal


def advice(scenarios: Sequence[Scenario]) -> str:
    """Return which method proves a bound of all of some scenarios, or that none does, as the end of a sentence."""
    proving = [name for name, method in methods.items() if method.proves_bounds]
    for name in sorted(proving, key=lambda name: methods[name].advised):
        found = [willing(name, scenario) for scenario in scenarios]
        if any(refusal for _, refusal in found) or found[0][0].missing():
            continue
        left_out = {
            kind
            for scenario, (method, _) in zip(scenarios, found, strict=True)
            for kind in scenario.extra_kinds - method.bounded(scenario).extra_kinds
        }
        if not left_out:
            return f"{name} proves one"
        options = ", ".join(f"{key}={json.dumps(value)}" for key, value in methods[name].relaxing.items())
        return f"{name} with {options} proves one of {relaxation_text(left_out)}"
    return "no method here proves one" + (" of such a scenario" if scenarios else "")
