"""Independent re-evaluation of a result file: what can be verified is, and what cannot is named.

Times, solver versions, the message and the SCR of iterates that were not kept cannot be found again from the file;
the findings say so instead of calling them verified.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from formulations import FEASIBILITY_TOLERANCE, Scenario, evaluate
from formulations.arrays import shown
from formulations.constraints import relaxation_text
from formulations.documents import InputError, digest
from formulations.reach import unreachable

from .algorithms import configure, methods
from .certificate import Certificate, CertificateError, UnprovenError, verify
from .result import Result, Status, is_number, relative_gap, source_text

__all__ = ["CLAIM_TOLERANCE", "Finding", "check"]

#: How far a claimed number may be from the evaluator's, relative: other machines round the last bits of
#: logarithms differently, nothing else.
CLAIM_TOLERANCE = 1e-9

#: By how much, relative, an allocation may lie above a bound: it may break budgets by `FEASIBILITY_TOLERANCE`.
ALLOCATION_TOLERANCE = 2e-6

#: The gap that is asked for by default; only what was asked for may be called certified.
USUAL_GAP = 1e-3

_NEEDS_ALLOCATION = {Status.CERTIFIED, Status.FEASIBLE}
_NO_ALLOCATION = {Status.INFEASIBLE, Status.UNKNOWN}


@dataclass(frozen=True)
class Finding:
    """One claim: what it is about, whether it holds, and what was found.

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
        Proof of an upper bound, of the scenario or of the scenario without some of its limits; without one, a bound is
        not checked.
    progress, workers
        See `certificate.verify`.

    Returns
    -------
    list of Finding
        In the order digest, scenario, allocation and its numbers, certificate, bound, status, method, trace, and what
        could not be checked. The claims hold if all findings do.

    Raises
    ------
    InputError
        If the document does not have the form of a result at all.
    BackendError
        If a certificate is to be verified and python-flint is not installed.
    """
    result = Result.from_dict(document, where)
    proof = None
    if certificate is not None:
        proof = _prove(scenario, certificate, progress, workers)
    return list(_findings(scenario, document, result, proof))


@dataclass(frozen=True)
class _Proof:
    """What a certificate proves: the bound and how its problem is called, or None and why not."""

    bound: float | None
    said: str


def _prove(
    scenario: Scenario, certificate: Certificate, progress: Callable[[int, int], None] | None, workers: int
) -> _Proof:
    """Return what a certificate proves of a scenario: it may be one of the scenario without some of its limits."""
    bounded, name = scenario, ""
    for left_out, relaxation in scenario.relaxations():
        if relaxation.sha256 == certificate.scenario_sha256:
            bounded, name = relaxation, relaxation_text(left_out)
            break
    try:
        return _Proof(verify(bounded, certificate, progress, workers).bound, name or "the scenario")
    except (CertificateError, UnprovenError) as error:
        return _Proof(None, str(error))


def _findings(
    scenario: Scenario, document: Mapping[str, Any], result: Result, proof: _Proof | None
) -> Iterator[Finding]:
    computed = digest(dict(document))
    yield Finding("digest", computed == document["digest"], f"{computed[:16]}... computed")
    same = result.matches(scenario)
    yield Finding("scenario", same, f"{scenario.sha256[:16]}... is the scenario's hash")
    yield from _evaluation(scenario, document, result)
    if proof is not None:
        yield _certificate(scenario, result, proof)
    yield from _bound(scenario, document, result, proof)
    yield from _status(scenario, result)
    yield from _method(scenario, result)
    yield from _trace(result)


def _evaluation(scenario: Scenario, document: Mapping[str, Any], result: Result) -> Iterator[Finding]:
    names = ("scr", "score", "delay", "energy", "max_violation")
    if result.allocation is None:
        claimed = [name for name in names if document[name] is not None]
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
    for name in names:
        found, claimed = getattr(evaluation, name), document[name]
        # Violations are relative numbers already.
        scale = 1.0 if name == "max_violation" else abs(found)
        holds = claimed is not None and math.isfinite(found) and abs(claimed - found) <= CLAIM_TOLERANCE * scale
        yield Finding(
            name, holds, f"{found:.9g} evaluated, {'nothing' if claimed is None else f'{claimed:.9g}'} claimed"
        )


def _certificate(scenario: Scenario, result: Result, proof: _Proof) -> Finding:
    """Say what a certificate proves, whether or not the result claims it, and whether the allocation refutes it."""
    if proof.bound is None:
        return Finding("certificate", False, f"proves nothing of this scenario: {proof.said}")
    said = f"proves SCR <= {proof.bound:.9g} for {proof.said}"
    try:
        reached = None if result.allocation is None else evaluate(scenario, result.allocation)
    except InputError:
        reached = None
    if reached is not None and reached.feasible and reached.scr > proof.bound * (1.0 + ALLOCATION_TOLERANCE):
        return Finding("certificate", False, f"{said}, but the allocation has SCR {reached.scr:.9g}")
    return Finding("certificate", True, said)


def _bound(scenario: Scenario, document: Mapping[str, Any], result: Result, proof: _Proof | None) -> Iterator[Finding]:
    claimed = document["gap"]
    expected = relative_gap(result.scr, result.upper_bound)
    if expected is None or claimed is None:
        holds = claimed is None and expected is None
    else:
        holds = abs(claimed - expected) <= CLAIM_TOLERANCE
    yield Finding("gap", holds, f"{expected!r} computed, {claimed!r} claimed")
    if result.upper_bound is None:
        yield Finding("upper bound", result.bound_source is None, "none claimed")
        return
    said = f"{result.upper_bound:.9g} by {result.bound_source!r}"
    wrong = _wrong_with_bound(scenario, result)
    if wrong:
        yield Finding("upper bound", False, f"{said}{wrong}")
    elif proof is None:
        yield Finding("upper bound", True, f"{said} rests on that solver's word", checked=False)
    elif proof.bound is None:
        yield Finding("upper bound", False, f"{said}, but the certificate does not prove it: {proof.said}")
    else:
        holds = proof.bound <= result.upper_bound
        yield Finding("upper bound", holds, f"{said}, the certificate proves {proof.bound:.9g} for {proof.said}")


def _wrong_with_bound(scenario: Scenario, result: Result) -> str:
    """Return what speaks against a bound before any proof, or an empty text."""
    if result.scr is not None and result.upper_bound is not None and result.upper_bound < result.scr:
        return " lies below the SCR of the allocation"
    if not (result.method in methods and methods[result.method].proves_bounds):
        return f", but method {result.method} proves no bounds"
    if not result.bound_source:
        return ": it has no source"
    if result.restriction:
        return f", but method {result.method} solves a stricter problem, {result.restriction}"
    if result.options.get("rigour") == "heuristic":
        return ", but with rigour = heuristic nothing is proven"
    try:
        left_out = scenario.extra_kinds - configure(result.method, result.options).bounded(scenario).extra_kinds
    except InputError:
        return ""  # the options are wrong, which is a finding of its own
    proven_by = getattr(methods[result.method], "source", None)
    relaxation = relaxation_text(left_out)
    if proven_by is not None and result.bound_source != source_text(proven_by, relaxation):
        return f", but the source of method {result.method} is {source_text(proven_by, relaxation)!r}"
    if result.bound_of != relaxation:
        return f", but with these options it is a bound of {relaxation or 'the scenario itself'}"
    return ""


def _status(scenario: Scenario, result: Result) -> Iterator[Finding]:
    has = result.allocation is not None
    holds, checked, detail = True, True, f"{result.status} {'with' if has else 'without'} an allocation"
    if (result.status in _NEEDS_ALLOCATION and not has) or (result.status in _NO_ALLOCATION and has):
        holds = False
    elif result.status is Status.CERTIFIED and result.gap is None:
        holds, detail = False, "certified without a bound"
    elif result.status is Status.CERTIFIED and any(e.get("refuted") == result.bound_source for e in result.trace):
        holds, detail = False, "certified by a source that the trace refutes"
    elif result.status is Status.CERTIFIED and result.gap is not None and result.gap > USUAL_GAP:
        checked = False
        detail += f", at a gap of {result.gap:.3%}: whether so large a gap was asked for is not in the file"
    elif result.status is Status.INFEASIBLE:
        # Without extra constraints any association with equal shares and phi = 0.5 is feasible.
        why = unreachable(scenario)
        holds, detail = bool(why), why or "infeasible, but the data do not say so"
    yield Finding("status", holds, detail, checked)


def _method(scenario: Scenario, result: Result) -> Iterator[Finding]:
    # The options must be the method's, and the readings those of scenario and options.
    try:
        method = configure(result.method, result.options)
    except InputError as error:
        yield Finding("method", False, str(error))
        return
    complete = set(result.options) == set(dataclasses.asdict(method))
    yield Finding("method", complete, "options are the method's" if complete else "options are missing")
    expected = method.all_readings(scenario)
    wrong = sorted(
        key for key in expected.keys() | result.readings.keys() if expected.get(key) != result.readings.get(key)
    )
    detail = f"not those of scenario and options: {', '.join(wrong)}" if wrong else "those of scenario and options"
    yield Finding("readings", not wrong, detail)


def _trace(result: Result) -> Iterator[Finding]:
    wrong = _contradiction(result)
    yield Finding("trace", not wrong, wrong or f"{len(result.trace)} entries, consistent with the result")
    rest = "message, times, solvers, and iterates that were not kept: not in the file"
    yield Finding("not checked", True, rest, checked=False)


def _contradiction(result: Result) -> str:
    """Return what is wrong with the trace, or an empty text."""
    if len(result.trace) != result.iterations + 1 and (result.trace or result.iterations or result.allocation):
        return f"{len(result.trace)} entries for {result.iterations} iterations"
    before, kept, bound = 0.0, None, None
    for number, entry in enumerate(result.trace):
        time, scr = entry.get("time"), entry.get("scr")
        if type(entry.get("iteration")) is not int or entry["iteration"] != number:
            return f"entry {number} says iteration {shown(entry.get('iteration'))}"
        judged = scr is not None or entry.get("accepted") is not False
        if not (is_number(time) and (is_number(scr) or not judged) and isinstance(entry.get("accepted"), bool)):
            return f"entry {number} lacks time, scr or accepted"
        if time < before:
            return f"the time of entry {number} goes back"
        before = time
        if not entry["accepted"] and judged and entry.get("delay") is not None and (kept is None or scr > kept["scr"]):
            return f"entry {number} is feasible, has the best SCR and is not accepted"
        if entry["accepted"]:
            kept = entry
        if entry.get("best") != (None if kept is None else kept["scr"]):
            return f"entry {number} says best {shown(entry.get('best'))}, the entries say otherwise"
        told = entry.get("upper_bound")
        if told is not None and (not is_number(told) or told < (entry["best"] or 0.0)):
            return f"the upper bound of entry {number} is {shown(told)}"
        # Only a bound that the incumbent refutes is given up.
        # (or lifted to the incumbent, within the tolerances of its source).
        rises = bound is not None and (told is None or (told > bound and told != entry["best"]))
        if rises and "contradiction" not in entry:
            return f"the upper bound of entry {number} rises"
        bound = told
    if before > result.wall_time:
        return "it is longer than the wall time"
    if bound != result.upper_bound:
        return f"it ends with the upper bound {shown(bound)}"
    if (kept is None) != (result.allocation is None):
        return "it and the result differ on whether there is an allocation"
    for name in ("scr", "delay", "energy"):
        if kept is None:
            break
        told, claimed = kept.get(name), getattr(result, name)
        if not is_number(told) or claimed is None or abs(told - claimed) > CLAIM_TOLERANCE * abs(claimed):
            return f"the kept entry has {name} {shown(told)}, the result says {shown(claimed)}"
    return ""
