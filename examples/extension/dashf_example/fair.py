"""`fair`: DASHF for the association and offloading, then resources that are max-min fair."""

from __future__ import annotations

from dataclasses import dataclass

from dashf_pyomo.algorithms import Method, methods
from dashf_pyomo.algorithms.dashf import Dashf
from dashf_pyomo.algorithms.method import option
from dashf_pyomo.backends import BackendError, capable_backends
from formulations.formulation import formulations


@methods.register
@dataclass(frozen=True)
class Fair(Method):
    """DASHF, then the allocation whose worst-off user has the best score for its cost; the SCR may fall for it."""

    name = "fair"
    summary = "DASHF, then resources that are max-min fair (example of an extension)"

    rounds: int = option(5, "solves of the fair program around its own solution", at_least=1)

    def search(self, run):
        """Run DASHF, then solve the fair program again and again; the last feasible allocation is kept."""
        Dashf(association="hull").search(run)
        allocation, ratio = run.incumbent
        language, backend = capable_backends(formulations["resources/max-min"])[0]
        model = formulations["resources/max-min"].faces[language](run.scenario)
        for _ in range(self.rounds):
            model.update(allocation, ratio)
            outcome = backend.solve(model.problem, run.backend_limits())
            if not outcome.status.has_solution:
                raise BackendError(outcome.message)
            allocation = model.solution()
            run.record(allocation, keep="always", phase="fair", backend=backend.name)
        return f"{self.rounds} rounds of max-min fair resources"
