"""Independent re-evaluation of a result file: what can be verified is, and what cannot is named.

Times, solver versions, the message, what ended the run and the value of iterates that were not kept cannot be found
again from the file; the findings say so instead of calling them verified.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from formulations import FEASIBILITY_TOLERANCE, Scenario, evaluate
from formulations.arrays import shown
from formulations.constraints import relaxation_text
from formulations.documents import InputError, digest
from formulations.objective import ObjectiveKind, Sense
from formulations.reach import unreachable

from .algorithms import configure, methods
from .certificate import Certificate, CertificateError, UnprovenError, verify
from .objectives import SCR, bound_claim, is_better, is_refuted, name_of, sense_of, side_of, size_of, worst_of
from .result import Result
from .result_data import source_text
from .status import Claim, Termination
from .trace import TraceEntry

__all__ = ["CLAIM_TOLERANCE", "Finding", "check"]

#: Most relaxations that are looked at for that of a certificate: their number doubles with each kind of limits.
_MOST_RELAXATIONS = 1024

#: How far a claimed number may be from the evaluator's, relative: other machines round the last bits of
#: logarithms differently, nothing else.
CLAIM_TOLERANCE = 1e-9

#: By how much, relative, an allocation may lie above a bound: it may break budgets by `FEASIBILITY_TOLERANCE`.
ALLOCATION_TOLERANCE = 2e-6

#: The gap that is asked for by default; only what was asked for may be called certified.
USUAL_GAP = 1e-3

_NEEDS_ALLOCATION = {Claim.CERTIFIED, Claim.FEASIBLE}


@dataclass(frozen=True)
class Finding:
    """Finding on one claim of a result.

    Where `checked` is false, nothing speaks against the claim, and nothing here can verify it.
    """

    claim: str
    holds: bool
    detail: str
    checked: bool = True


def check(
    scenario: Scenario,
    document: Mapping[str, Any],
    where: str = "result",
    certificate: Certificate | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> list[Finding]:
    """Verify the claims of a result document against a scenario.

    Parameters
    ----------
    scenario
        The scenario that the result is said to be for.
    document
        The result as read from JSON.
    where
        Starts the message of an error.
    certificate
        Proof of a bound, or that there is no allocation, of the scenario or of the scenario without some of its limits;
        without one, a bound is not checked.
    progress, workers
        See `certificate.verify`.

    Returns
    -------
    list of Finding
        In the order digest, scenario, objective, allocation and its numbers, certificate, bound, claim, method, trace,
        and what could not be checked. The claims hold if all findings do.

    Raises
    ------
    InputError
        If the document does not have the form of a result at all.
    MissingPackageError
        If a certificate is to be verified and python-flint is not installed.
    """
    result = Result.from_dict(document, where)
    proof = None
    if certificate is not None:
        proof = _prove(scenario, _problem_of(certificate, scenario, result), certificate, progress, workers)
    return list(_findings(scenario, document, result, proof))


@dataclass(frozen=True)
class _Proof:
    """Proof of a certificate: the bound and the name of its problem, or None and the reason."""

    bound: float | None
    said: str
    infeasible: bool = False


def _problem_of(certificate: Certificate, scenario: Scenario, result: Result) -> Scenario:
    """Return the problem that a certificate is of: the scenario, or it without some of its limits.

    What the method bounds comes first; of other relaxations only `_MOST_RELAXATIONS` are looked at, those that leave
    out the fewest kinds. Where it is none of them it is taken for one of the scenario, and refused by its verifier.
    """
    try:
        bounded = configure(result.method, result.options).bounded(scenario)
    except InputError:
        bounded = scenario  # a finding of its own
    others = islice((relaxation for _, relaxation in scenario.relaxations()), _MOST_RELAXATIONS)
    found = (one for one in chain([bounded], others) if one.sha256 == certificate.scenario_sha256)
    return next(found, scenario)


def _prove(
    scenario: Scenario,
    bounded: Scenario,
    certificate: Certificate,
    progress: Callable[[int, int], None] | None,
    workers: int,
) -> _Proof:
    """Return what a certificate of a problem proves, which may be the scenario without some of its limits."""
    kinds = sorted(scenario.extra_kinds)
    whole = f"the scenario with its {' and '.join(kinds)}" if kinds else "the scenario"
    name = relaxation_text(scenario.extra_kinds - bounded.extra_kinds) or whole
    try:
        verified = verify(bounded, certificate, progress, workers)
        return _Proof(verified.bound, name, verified.infeasible)
    except (CertificateError, UnprovenError) as error:
        return _Proof(None, str(error))


def _findings(
    scenario: Scenario, document: Mapping[str, Any], result: Result, proof: _Proof | None
) -> Iterator[Finding]:
    computed = digest(dict(document))
    yield Finding("digest", computed == document["digest"], f"{computed[:16]}... computed")
    same = result.matches(scenario)
    yield Finding("scenario", same, f"{scenario.sha256[:16]}... is the scenario's hash")
    kind = str(scenario.objective.kind)  # the sense follows from it
    yield Finding("objective", result.objective == kind, f"{kind} is the scenario's, {result.objective} claimed")
    yield from _evaluation(scenario, document, result)
    if proof is not None:
        yield _certificate(scenario, result, proof)
    yield from _bound(scenario, document, result, proof)
    yield _claim(scenario, document, result, proof)
    yield from _method(scenario, result)
    yield from _trace(result)


def _evaluation(scenario: Scenario, document: Mapping[str, Any], result: Result) -> Iterator[Finding]:
    names = ("scr", "score", "delay", "energy", "max_violation")
    if result.allocation is None:
        claimed = [name for name in ("value", *names) if getattr(result, name) is not None]
        yield Finding("allocation", not claimed, f"none, but {', '.join(claimed)} claimed" if claimed else "none")
        return
    try:
        evaluation = evaluate(scenario, result.allocation)
    except InputError as error:
        yield Finding("allocation", False, str(error))
        return
    worst = f", worst: {evaluation.violations[0]}" if evaluation.violations else ""
    yield Finding(
        "feasible",
        evaluation.feasible,
        f"max violation {evaluation.max_violation:.1e} against {FEASIBILITY_TOLERANCE:.0e}{worst}",
    )
    truth = Result.claims(evaluation)
    for name in names if "value" not in document else ("value", *names):
        found, claimed = truth[name], getattr(result, name)
        # Violations are relative numbers already.
        scale = 1.0 if name == "max_violation" else abs(found)
        if name == "value":
            scale = size_of(scenario.objective.kind, found, evaluation.score)
        holds = claimed is not None and math.isfinite(found) and abs(claimed - found) <= CLAIM_TOLERANCE * scale
        yield Finding(
            name, holds, f"{found:.9g} evaluated, {'nothing' if claimed is None else f'{claimed:.9g}'} claimed"
        )


def _certificate(scenario: Scenario, result: Result, proof: _Proof) -> Finding:
    """Return what a certificate proves, even if the result claims less, and whether the allocation refutes it."""
    if proof.bound is None:
        return Finding("certificate", False, f"proves nothing of this scenario: {proof.said}")
    kind = scenario.objective.kind
    said = f"proves {'no allocation' if proof.infeasible else bound_claim(kind, proof.bound)} for {proof.said}"
    try:
        reached = None if result.allocation is None else evaluate(scenario, result.allocation)
    except InputError:
        reached = None
    truth = reached if reached is not None and reached.feasible else None
    if proof.infeasible:
        # One that breaks something by less than the tolerance may be there all the same.
        broken = truth is None or truth.max_violation > 0.0
        return Finding("certificate", broken, said if broken else f"{said}, but the allocation breaks nothing")
    if truth is not None and is_refuted(kind, proof.bound, truth.value, ALLOCATION_TOLERANCE, truth.score):
        return Finding("certificate", False, f"{said}, but the allocation has {name_of(kind)} {truth.value:.9g}")
    return Finding("certificate", True, said)


def _bound(scenario: Scenario, document: Mapping[str, Any], result: Result, proof: _Proof | None) -> Iterator[Finding]:
    claimed, expected = document["gap"], result.gap
    if expected is None or claimed is None:
        holds = claimed is None and expected is None
    else:
        holds = abs(claimed - expected) <= CLAIM_TOLERANCE
    yield Finding("gap", holds, f"{expected!r} computed, {claimed!r} claimed")
    if document["upper_bound"] != result.upper_bound:
        said = f"upper_bound = {shown(document['upper_bound'])}, bound = {shown(result.bound)}"
        yield Finding("upper bound", False, f"{said}: expected the same where the objective is the SCR, else null")
        return
    kind, claim = result.objective, side_of(result.objective)
    if result.bound is None:
        yield Finding(claim, result.bound_source is None, "none claimed")
        return
    said = f"{result.bound:.9g} by {result.bound_source!r}"
    wrong = _wrong_with_bound(scenario, result)
    if wrong:
        yield Finding(claim, False, f"{said}{wrong}")
    elif proof is None:
        yield Finding(claim, True, f"{said} rests on that solver's word", checked=False)
    elif proof.bound is None:
        yield Finding(claim, False, f"{said}, but the certificate does not prove it: {proof.said}")
    else:
        holds = not is_better(kind, proof.bound, result.bound)
        proven = "no allocation" if proof.infeasible else f"{proof.bound:.9g}"
        yield Finding(claim, holds, f"{said}, the certificate proves {proven} for {proof.said}")


def _wrong_with_bound(scenario: Scenario, result: Result) -> str:
    """Return what speaks against a bound before any proof, or an empty text."""
    kind = result.objective
    if result.value is not None and result.bound is not None and is_better(kind, result.value, result.bound):
        beyond = "above" if sense_of(kind) is Sense.MIN else "below"
        return f" lies {beyond} the {name_of(kind)} of the allocation"
    if not (result.method in methods and methods[result.method].proves_bounds):
        return f", but method {result.method} proves no bounds"
    if not (result.bound_source or "").strip():
        return ": it has no source"
    if result.restriction:
        return f", but method {result.method} solves a stricter problem, {result.restriction}"
    try:
        method = configure(result.method, result.options)
    except InputError:
        return ""  # the options are wrong, which is a finding of its own
    if method.proves_nothing():
        return f", but with {method.proves_nothing()} nothing is proven"
    relaxation = relaxation_text(scenario.extra_kinds - method.bounded(scenario).extra_kinds)
    proven_by = method.bound_source
    if proven_by and result.bound_source != source_text(proven_by, relaxation):
        return f", but the source of method {result.method} is {source_text(proven_by, relaxation)!r}"
    if result.bound_of != relaxation:
        return f", but with these options it is a bound of {relaxation or 'the scenario itself'}"
    return ""


def _claim(scenario: Scenario, document: Mapping[str, Any], result: Result, proof: _Proof | None) -> Finding:
    """Judge what is claimed of the solution; its name in findings is that of format 1."""
    has = result.allocation is not None
    wrong, checked = "", True
    detail = f"{result.status} {'with' if has else 'without'} an allocation"
    if document["status"] != result.status:
        wrong = f"{document['status']}, but {result.termination} and {result.claim} are {result.status}"
    elif has != (result.claim in _NEEDS_ALLOCATION):
        wrong = detail
    elif result.termination is Termination.REFUSED and result.claim is not Claim.UNKNOWN:
        wrong = f"refused, but {result.claim}"
    elif result.termination is Termination.REFUSED and (result.bound is not None or result.trace):
        wrong = "refused, but with a bound or a trace"
    elif result.claim is Claim.CERTIFIED and result.termination is Termination.ERROR:
        wrong = "certified by a run that ended in an error"
    elif result.claim is Claim.CERTIFIED and result.gap is None:
        wrong = "certified without a bound"
    elif result.claim is Claim.CERTIFIED and any(entry.refuted == result.bound_source for entry in result.trace):
        wrong = "certified by a source that the trace refutes"
    elif result.claim is Claim.CERTIFIED and result.gap is not None and result.gap > USUAL_GAP:
        checked = False
        detail += f", at a gap of {result.gap:.3%}: whether so large a gap was asked for is not in the file"
    elif result.claim is Claim.INFEASIBLE:
        # Without extra constraints any association with equal shares and phi = 0.5 is feasible.
        proven = proof is not None and proof.infeasible
        detail = "infeasible, as the certificate proves" if proven else unreachable(scenario)
        wrong = "" if detail else "infeasible, but the data do not say so"
    return Finding("status", not wrong, wrong or detail, checked)


def _method(scenario: Scenario, result: Result) -> Iterator[Finding]:
    # The options must be the method's, and the readings those of scenario and options.
    try:
        method = configure(result.method, result.options)
    except InputError as error:
        yield Finding("method", False, str(error))
        return
    missing = sorted(set(dataclasses.asdict(method)) - set(result.options))
    defaults = f"; not in the file, so the default: {', '.join(missing)}" if missing else ""
    yield Finding("method", True, f"options are the method's{defaults}")
    expected = method.all_readings(scenario)
    wrong = sorted(
        key for key in expected.keys() | result.readings.keys() if expected.get(key) != result.readings.get(key)
    )
    detail = f"not those of scenario and options: {', '.join(wrong)}" if wrong else "those of scenario and options"
    yield Finding("readings", not wrong, detail)


def _trace(result: Result) -> Iterator[Finding]:
    wrong = _contradiction(result)
    yield Finding("trace", not wrong, wrong or f"{len(result.trace)} entries, consistent with the result")
    rest = "message, termination, times, solvers, and iterates that were not kept: not in the file"
    yield Finding("not checked", True, rest, checked=False)


def _contradiction(result: Result) -> str:
    """Return what is wrong with the trace, or an empty text."""
    if len(result.trace) != result.iterations + 1 and (result.trace or result.iterations or result.allocation):
        return f"{len(result.trace)} entries for {result.iterations} iterations"
    before, kind = 0.0, result.objective
    kept: TraceEntry | None = None
    bound: float | None = None
    for number, entry in enumerate(result.trace):
        if entry.iteration != number:
            return f"entry {number} says iteration {entry.iteration}"
        if entry.accepted and entry.value is None:
            return f"entry {number} lacks {'scr' if kind == SCR else 'value'}"
        if entry.time < before:
            return f"the time of entry {number} goes back"
        before = entry.time
        best = None if kept is None else kept.value
        better = entry.value is not None and (best is None or is_better(kind, entry.value, best))
        if better and not entry.accepted and entry.delay is not None:
            return f"entry {number} is feasible, has the best {name_of(kind)} and is not accepted"
        if entry.accepted:
            kept, best = entry, entry.value
        if entry.best != best:
            return f"entry {number} says best {shown(entry.best)}, the entries say otherwise"
        told = entry.bound
        if told is not None and is_better(kind, worst_of(kind) if best is None else best, told):
            return f"the {side_of(kind)} of entry {number} is {shown(told)}"
        # Only a bound that the incumbent refutes is given up (or moved to the incumbent, within the tolerances of its
        # source; those of a utility are relative to its parts, and it may be moved beyond).
        moved = told == best or (kind == ObjectiveKind.UTILITY and entry.accepted)
        loosened = bound is not None and (told is None or (is_better(kind, told, bound) and not moved))
        if loosened and not entry.contradiction:
            return f"the {side_of(kind)} of entry {number} {'falls' if sense_of(kind) is Sense.MIN else 'rises'}"
        bound = told
    if before > result.wall_time:
        return "it is longer than the wall time"
    if bound != result.bound:
        return f"it ends with the {side_of(kind)} {shown(bound)}"
    if kept is None or result.allocation is None:
        same = kept is None and result.allocation is None
        return "" if same else "it and the result differ on whether there is an allocation"
    for name in ("scr", "delay", "energy", *(() if kind == SCR else ("value",))):
        reached, claimed = getattr(kept, name), getattr(result, name)
        if reached is None or claimed is None or abs(reached - claimed) > CLAIM_TOLERANCE * abs(claimed):
            return f"the kept entry has {name} {shown(reached)}, the result says {shown(claimed)}"
    return ""
