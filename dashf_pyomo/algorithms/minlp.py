"""`minlp`: Problem (3) by general global solvers; exact for two or three users, a bound beyond.

A start from DASHF bounds everything in the model. Each incumbent that a solver reports is read, judged and, where it is
worse than claimed, repaired by `joint-nlp`; each bound is translated to the objective of the scenario and carries its
source. Nothing is taken on
trust: an incumbent is worth what the evaluator says, and a bound below a verified incumbent is a contradiction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from formulations import Allocation, Evaluation, InputError, Scenario
from formulations.association.pair_resources import equal_split, where_allowed
from formulations.constraints import unsupported
from formulations.formulation import Formulation, Language, Subproblem, formulations
from formulations.joint import JointInfo, info, read, set_values
from formulations.joint.convexified import CUTS
from formulations.joint.data import JointData, known_allocation
from formulations.joint.pair_parts import JOINT_EXTRAS, permitted_offload

from ..backends import BackendError, BackendLimits, OutcomeStatus, backends
from ..backends.exact import BOUND_TOLERANCE, ExactBackend, ExactOutcome
from ..backends.model_search import SolverProgress
from ..deadline import OutOfTimeError
from ..errors import described
from ..objectives import is_better, name_of, size_of
from .dashf import Dashf
from .dashf_plus import DashfPlus
from .dinkelbach import ratio_at
from .method import Method, OptionError, methods, option
from .run import Run
from .steps import ResourceStep, formulation_names, resources_of
from .user_ratios import SurrogateRun, linear_form

__all__ = ["CLAIM_TOLERANCE", "Minlp", "exact_backend_names"]

#: An incumbent whose value is worse than its solver's claim by more than this, relative, is repaired. Solvers keep
#: constraints to about 1e-6, which moves the value by more than that.
CLAIM_TOLERANCE = 1e-6


#: Share of the time limit that the start may take.
_START_SHARE = 0.4

#: Most models that are built for one solver.
_MOST_ROUNDS = 3

STARTS = ("dashf", "dashf-plus")

#: The formulation of AO part 2 by which points are repaired.
_REPAIR = "joint-nlp"


def exact_backend_names() -> list[str]:
    """Return the names of the registered backends that solve Pyomo models to global optimality."""
    return list(_exact_backends())


def _exact_backends() -> dict[str, ExactBackend]:
    """Return the global solvers in the order in which ``auto`` tries them."""
    found = {name: backend for name, backend in backends.items() if isinstance(backend, ExactBackend)}
    return dict(sorted(found.items(), key=lambda item: item[1].preferred))


@methods.register
@dataclass(frozen=True)
class Minlp(Method):
    """A joint model handed to one or more global solvers, one after the other."""

    name = "minlp"
    summary = "joint model solved by global MINLP solvers (SCIP, Gurobi, MAiNGO); exact for two or three users"
    proves_bounds = True
    advised = 3
    solves_models = True
    supports = JOINT_EXTRAS

    formulation: str = option("convexified", "joint formulation", choices=partial(formulation_names, Subproblem.JOINT))
    backend: str = option("auto", "global solver, several separated by +, or auto for the first that works")
    start: str = option("dashf-plus", "method that finds the start", choices=STARTS)
    cuts: str = option("default", "valid inequalities of convexified: default, all, none, or names separated by +")
    tangent_error: float = option(1e-3, "largest relative error of tangent planes in convexified", at_least=1e-6)
    memory: int = option(8000, "most memory of a solver, MB", at_least=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = exact_backend_names()
        for name in () if self.backend == "auto" else self.backend.split("+"):
            if name not in known:
                raise OptionError(f"method minlp: backend = {name!r}; expected auto or some of {', '.join(known)}")
        if self.cuts not in ("default", "all", "none"):
            self._model_options(formulations["joint/convexified"])

    def honours(self) -> frozenset[str]:
        """Return what the joint formulation supports."""
        return self.supports & formulations[f"{Subproblem.JOINT}/{self.formulation}"].supports

    def solver_memory(self) -> int:
        """Return what the option says, in bytes."""
        return self.memory * 10**6

    def missing(self) -> str:
        """Return why no global solver that it asks for works here, or an empty text."""
        try:
            self.global_solvers()
        except BackendError as error:
            return str(error)
        return ""

    def search(self, run: Run) -> str:
        """Find a start, then let each solver improve it and prove a bound."""
        chosen = self.global_solvers()
        start = self._start(run)
        if run.has_incumbent:
            data = JointData.of(run.scenario, run.incumbent[0])
            run.record_bound(data.best() * data.objective_unit, "data: most score at the least cost")
        said: list[str] = [] if run.has_incumbent or not start else [start]
        ends: list[ExactOutcome] = []
        for place, backend in enumerate(chosen):
            if run.closed and place:
                break
            run.used(backend.name, backend.availability().version)
            for outcome, text in self._solve(run, backend, len(chosen) - place):
                ends.append(outcome)
                said.append(text)
        if not run.closed and any(outcome.status is OutcomeStatus.TIME_LIMIT for outcome in ends):
            raise OutOfTimeError("; ".join(said))
        if all(outcome.status is OutcomeStatus.FAILED for outcome in ends):
            raise BackendError("; ".join(said))
        return "; ".join(said)

    def _start(self, run: Run) -> str:
        """Look for an allocation that bounds the model; return why there is none, where a method says so."""
        method = Dashf() if self.start == "dashf" else DashfPlus()
        refused, said = method.refusal(run.scenario), ""
        if refused:
            run.note(f"{refused}; the start is a simple allocation")
        else:
            try:
                with run.part(_START_SHARE):
                    method.search(run)
            except BackendError as error:
                if not run.has_incumbent and not run.scenario.demands:
                    raise
                said = str(error)
        if not run.has_incumbent:
            try:
                run.record(known_allocation(run.scenario), phase="start")
            except InputError as error:
                said = "; ".join(part for part in (said, str(error)) if part)
        return said

    def global_solvers(self) -> list[ExactBackend]:
        """Return the solvers asked for.

        Raises
        ------
        BackendError
            If one asked for by name does not work here, or none does.
        """
        there = _exact_backends()
        if self.backend != "auto":
            asked = [there[name] for name in self.backend.split("+")]
            for backend in asked:
                if not backend.availability().available:
                    raise BackendError(f"backend {backend.name}: {backend.availability().reason}")
            return asked
        for backend in there.values():
            if backend.availability().available:
                return [backend]
        reasons = "; ".join(f"{name}: {backend.availability().reason}" for name, backend in there.items())
        raise BackendError(f"no global solver works here ({reasons})")

    def _model_options(self, formulation: Formulation) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if "tangent_error" in formulation.options:
            options["tangent_error"] = self.tangent_error
        if "cuts" in formulation.options and self.cuts != "default":
            sets = {"all": tuple(CUTS), "none": ()}
            options["cuts"] = sets.get(self.cuts, tuple(self.cuts.split("+")))
            for cut in options["cuts"]:
                if cut not in CUTS:
                    expected = f"default, all, none or some of {', '.join(CUTS)}"
                    raise OptionError(f"method minlp: cuts: {cut!r}; expected {expected}")
        return options

    def _solve(self, run: Run, backend: ExactBackend, shares: int) -> Iterator[tuple[ExactOutcome, str]]:
        """Let one solver work with its share of the time that is left; yield how each round ended.

        There is another round where a model was solved and yet the gap is open: with finer tangents, or, for a
        parametric objective, with the ratio that was found.
        """
        formulation = formulations[f"{Subproblem.JOINT}/{self.formulation}"]
        options = self._model_options(formulation)
        end = run.deadline.share(1.0 / shares)
        for _ in range(_MOST_ROUNDS):
            before = run.incumbent if run.has_incumbent else None
            known = _for_units(run.scenario) if before is None else before[0]
            if before is None:  # nothing is known that could leave anything out
                options |= {"assume_scr": False}
            else:
                options.pop("assume_scr", None)
            try:
                model = formulation.faces[Language.PYOMO](run.scenario, known=known, **options)
            except InputError as error:
                if before is None:
                    raise
                raise BackendError(f"joint model {self.formulation} cannot be built ({described(error)})") from error
            except (ValueError, ArithmeticError, MemoryError) as error:
                raise BackendError(f"joint model {self.formulation} cannot be built ({described(error)})") from error
            set_values(model, known)
            run.deadline.check()  # building took its time
            left = end.left()
            joint = info(model)
            listener = _Listener(run, backend.name, joint, model)
            outcome = backend.solve(
                model,
                BackendLimits(
                    time_limit=None if left is None else max(left, 1e-3),
                    threads=run.limits.solver_threads,
                    # The rest of the gap is for what the evaluator finds below the claims; around D(y) = 0 a relative
                    # gap means nothing.
                    gap=0.5 * run.limits.gap if joint.ratio is None else 0.0,
                    memory=self.solver_memory(),
                ),
                watch=listener,
            )
            yield outcome, listener.finish(outcome)
            if outcome.status is not OutcomeStatus.SOLVED or run.closed or run.contradictions:
                return
            if before is None and not run.has_incumbent:
                return
            if before is None:
                continue
            if "tangent_error" in options:
                options["tangent_error"] *= 0.1
            elif joint.ratio is None or not run.scenario.objective.better(run.incumbent[1], before[1]):
                return


def _for_units(scenario: Scenario) -> Allocation:
    """Return an allocation that gives a model its units: within the budgets and ranges, whatever limits it breaks."""
    users = np.arange(scenario.n_users, dtype=np.int64)
    server = where_allowed(scenario, users % scenario.n_servers)
    return equal_split(scenario, server, permitted_offload(scenario, np.full(scenario.n_users, 0.5)))


class _Listener:
    """Takes in what a solver reports: judges its points and translates its bounds."""

    def __init__(self, run: Run, solver: str, joint: JointInfo, model: Any) -> None:
        self._run = run
        self._solver = solver
        self._joint = joint
        self._model = model
        self._source = f"{solver} on the joint model {joint.formulation}, in floating point"
        self._step = None if run.scenario.objective.kind.by_user else _repair_step(run)

    def __call__(self, progress: SolverProgress) -> None:
        """Take in one report."""
        facts: dict[str, Any] = {"backend": self._solver}
        if progress.nodes is not None:
            facts["nodes"] = progress.nodes
        if progress.point:
            self._judge(progress.point, progress.objective, facts)
        if progress.bound is not None:
            self._bound(progress.bound, facts)

    def _judge(self, point: dict[str, float], objective: float | None, facts: dict[str, Any]) -> None:
        """Record a point; where it is worth less than claimed, repair it and record what comes out."""
        run, declared = self._run, self._run.scenario.objective
        try:
            allocation = read(self._model, point)
        except InputError as error:
            run.note(f"point of {self._solver} rejected: {error}")
            return
        claimed = None
        if objective is not None and self._joint.ratio is None:
            claimed = self._joint.value_bound(objective)
        before = run.incumbent[1] if run.has_incumbent else declared.worst
        found = run.record(allocation, phase="incumbent", claimed=claimed, **facts)
        if claimed is not None and found.feasible and not _short(declared.kind, claimed, found, CLAIM_TOLERANCE):
            return
        best = found.value if claimed is None or declared.better(found.value, claimed) else claimed
        if not declared.better(best, before):
            return
        ratio = ratio_at(declared, found.value if declared.better(found.value, before) else before)
        repaired, more = self._repaired(allocation, found, ratio)
        after = run.record(repaired, phase="repair", claimed=claimed, **facts, **more)
        if claimed is not None and _short(declared.kind, claimed, after, run.limits.gap):
            name = name_of(declared.kind)
            run.note(f"claim of {self._solver} rejected: {name} {claimed:.9g} claimed, {after.value:.9g} after repair")

    def _repaired(self, allocation: Allocation, judged: Evaluation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        """Return what a local solve makes of an allocation, with facts for the trace; itself where there is none."""
        step, scenario = self._step, self._run.scenario
        if scenario.objective.kind.by_user:
            form = linear_form(scenario, judged, np.ones(scenario.n_users))
            step, ratio = None if form is None else _repair_step(SurrogateRun(self._run, form)), 1.0
        return (allocation, {}) if step is None else step(allocation, ratio)

    def _bound(self, objective_bound: float, facts: dict[str, Any]) -> None:
        joint = self._joint
        if not joint.data.assumes_scr:
            objective_bound = joint.data.weaker(objective_bound, joint.left_out)
        self._run.record_bound(joint.value_bound(objective_bound), self._source, tolerance=BOUND_TOLERANCE, **facts)

    def finish(self, outcome: ExactOutcome) -> str:
        """Take in the end of the run, and say in a line how it ended."""
        run, name = self._run, self._solver
        if outcome.bound is not None and outcome.status is not OutcomeStatus.INFEASIBLE:
            self._bound(outcome.bound, {"backend": name, "nodes": outcome.nodes})
        nodes = "" if outcome.nodes is None else f", {outcome.nodes} nodes"
        trouble = f" ({outcome.message})" if outcome.message else ""
        said = f"{name} on {self._joint.formulation}: {outcome.status}{trouble}{nodes}"
        if outcome.status is OutcomeStatus.INFEASIBLE:
            return self._no_point(said)
        if outcome.status is OutcomeStatus.UNBOUNDED:
            claim = f"that the {name_of(run.scenario.objective.kind)} is unbounded"
            if run.has_incumbent:
                run.refute(self._source, claim)
            else:
                run.withdraw(self._source, f"{self._source} says {claim}, which it is not")
        return said

    def _no_point(self, said: str) -> str:
        """Take in that the model has no point."""
        run, data = self._run, self._joint.data
        if run.has_incumbent:
            known = "that no allocation is as good as the known one" if data.assumes_scr else "that there is none"
            run.refute(self._source, known)
            return said
        if data.leaves_nothing_out and self._source not in " ".join(run.contradictions):
            return run.conclude_infeasible(f"{self._source} finds that no allocation meets the extra constraints")
        longest = data.most_delay * data.pairs.time_unit
        return f"{said}; no allocation with delays up to {longest:.6g} s, a limit of every delay would settle it"


def _repair_step(run: Run) -> ResourceStep | None:
    """Return the step that repairs points by the objective of a run; None where it is not of that kind."""
    names = [f"{Subproblem.RESOURCES}/{name}" for name in resources_of(_REPAIR)]
    if any(unsupported(formulations[name].supports, run.scenario.demands) for name in names):
        return None
    return ResourceStep(run, _REPAIR, "auto", 1e-4, 2, two_starts=False)


def _short(kind: str, claimed: float, found: Evaluation, tolerance: float) -> bool:
    """Return whether what was found is worse than claimed by more than a tolerance, relative to its numbers."""
    short = is_better(kind, claimed, found.value)
    return short and abs(claimed - found.value) > tolerance * size_of(kind, claimed, found.score)
