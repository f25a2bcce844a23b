"""The classic interface (``pyo.SolverFactory``): its keywords, its results, and options that do not stick."""

from __future__ import annotations

import inspect
import logging
from typing import Any

from pyomo.contrib.solver.common.base import LegacySolverWrapper
from pyomo.contrib.solver.common.config import TextIO_or_Logger
from pyomo.contrib.solver.common.results import Results, SolutionStatus, TerminationCondition
from pyomo.core import Constraint, Var
from pyomo.opt.results.solution import SolutionStatus as LegacySolutionStatus
from pyomo.opt.results.solver import SolverStatus as LegacySolverStatus
from pyomo.opt.results.solver import TerminationCondition as LegacyTerminationCondition

from .config import set_entries

__all__ = ["DashfLegacySolver"]

logger = logging.getLogger("dashf_pyomo.plugins.pyomo")

_CLASSIC_KEYWORDS = frozenset(inspect.signature(LegacySolverWrapper.solve).parameters) - {"self", "model"}


class DashfLegacySolver(LegacySolverWrapper):
    """Classic behaviour around a `DashfSolver`.

    Differs from Pyomo's generated wrapper in what that gets wrong: every entry of the configuration and option of the
    method is a keyword, what one call is given is gone with the next, and a feasible point is not called optimal.
    """

    def __init__(self, **kwargs: Any) -> None:
        solver_io = kwargs.pop("solver_io", None)
        options = kwargs.pop("options", None)
        kwargs = type(self)._sorted(kwargs)
        if options is not None:
            kwargs["solver_options"] = {**kwargs.get("solver_options", {}), **options}
        super().__init__(solver_io=solver_io, **kwargs)

    def solve(self, model: Any, **kwds: Any) -> Any:
        """Solve a model and return classic results.

        Parameters
        ----------
        model
            A model that `formulations.joint` built.
        **kwds
            Classic keywords (``tee``, ``load_solutions``, ``timelimit``, ``options``, ...), entries of `DashfConfig`,
            or options of the method; for this call only. ``suffixes`` load nothing, ``logfile`` is written.
        """
        classic = {key: kwds.pop(key) for key in list(kwds) if key in _CLASSIC_KEYWORDS}
        suffixes, logfile = classic.pop("suffixes", None), classic.pop("logfile", None)
        if suffixes:
            logger.info("no suffixes are loaded (%s): Problem (3) has no duals", ", ".join(suffixes))
        kept = self.config, self.options
        call = self.config(preserve_implicit=True)
        set_entries(call, self._sorted(kwds))
        call.solver_options.__class__ = type(self.options)
        # Plain attributes: assigning them the usual way would copy values into the objects that are to be kept.
        self.__dict__["config"], self.__dict__["options"] = call, call.solver_options
        try:
            if logfile is None:
                return super().solve(model, **classic)
            with open(logfile, "w", encoding="utf-8") as file:
                return super().solve(model, **{**classic, "tee": [*TextIO_or_Logger(classic.get("tee", False)), file]})
        finally:
            self.__dict__["config"], self.__dict__["options"] = kept

    def _map_results(self, model: Any, results: Results) -> tuple[Any, Any]:
        legacy, solution = super()._map_results(model, results)
        status = results.solution_status
        converged = results.termination_condition == TerminationCondition.convergenceCriteriaSatisfied
        if converged and status != SolutionStatus.optimal:
            conditions = LegacyTerminationCondition
            feasible = status == SolutionStatus.feasible
            legacy.solver.termination_condition = {
                SolutionStatus.feasible: conditions.feasible,
                SolutionStatus.infeasible: conditions.other,
            }.get(status, conditions.unknown)
            legacy.solver.status = LegacySolverStatus.ok if feasible else LegacySolverStatus.warning
            kinds = LegacySolutionStatus
            solution.status = {
                SolutionStatus.infeasible: kinds.infeasible,
                SolutionStatus.feasible: kinds.feasible,
            }.get(status, kinds.unknown)
        legacy.solver.name = self.name
        legacy.solver.message = results.extra_info.message
        legacy.solver.wallclock_time = results.timing_info.wall_time
        legacy.problem.name = model.name
        for kind, count in ((Var, "number_of_variables"), (Constraint, "number_of_constraints")):
            setattr(legacy.problem, count, sum(1 for _ in model.component_data_objects(kind, active=True)))
        legacy.extra_info = results.extra_info.value()
        return legacy, solution
