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
from formulations.documents import InputError, digest
from formulations.reach import unreachable

from .algorithms import configure, methods
from .certificate import Certificate, CertificateError, UnprovenError, verify
from .result import Result, Status, is_number, relative_gap

__all__ = ["CLAIM_TOLERANCE", "Finding", "check"]

#: How far a claimed number may be from the evaluator's, relative: other machines round the last bits of
#: logarithms differently, nothing else.
CLAIM_TOLERANCE = 1e-9

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
        Proof of the upper bound; without one, a bound is not checked.
    progress, workers
        See `certificate.verify`.

    Returns
    -------
    list of Finding
        In the order digest, scenario, allocation and its numbers, bound, status, method, trace, and what
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


def _prove(
    scenario: Scenario, certificate: Certificate, progress: Callable[[int, int], None] | None, workers: int
) -> float | str:
    """Return the bound that a certificate proves, or the reason why it proves none."""
    try:
        return verify(scenario, certificate, progress, workers).bound
    except (CertificateError, UnprovenError) as error:
        return str(error)


def _findings(
    scenario: Scenario, document: Mapping[str, Any], result: Result, proof: float | str | None
) -> Iterator[Finding]:
    computed = digest(dict(document))
    yield Finding("digest", computed == document["digest"], f"{computed[:16]}... computed")
    same = result.matches(scenario)
    yield Finding("scenario", same, f"{scenario.sha256[:16]}... is the scenario's hash")
    yield from _evaluation(scenario, document, result)
    yield from _bound(document, result, proof)
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


def _bound(document: Mapping[str, Any], result: Result, proof: float | str | None) -> Iterator[Finding]:
    claimed = document["gap"]
    expected = relative_gap(result.scr, result.upper_bound)
    if expected is None or claimed is None:
        holds = claimed is None and expected is None
    else:
        holds = abs(claimed - expected) <= CLAIM_TOLERANCE
    yield Finding("gap", holds, f"{expected!r} computed, {claimed!r} claimed")
    if result.upper_bound is None:
        detail = "none claimed" + (f", the certificate proves {proof:.9g}" if isinstance(proof, float) else "")
        yield Finding("upper bound", result.bound_source is None, detail)
        return
    said = f"{result.upper_bound:.9g} by {result.bound_source!r}"
    if result.scr is not None and result.upper_bound < result.scr:
        yield Finding("upper bound", False, f"{said} lies below the SCR of the allocation")
    elif not (result.method in methods and methods[result.method].proves_bounds):
        yield Finding("upper bound", False, f"{said}, but method {result.method} proves no bounds")
    elif not result.bound_source:
        yield Finding("upper bound", False, "has no source")
    elif result.bound_source != (source := getattr(methods[result.method], "source", result.bound_source)):
        yield Finding("upper bound", False, f"{said}, but the source of method {result.method} is {source!r}")
    elif result.options.get("rigour") == "heuristic":
        yield Finding("upper bound", False, f"{said}, but with rigour = heuristic nothing is proven")
    elif proof is None:
        yield Finding("upper bound", True, f"{said} rests on that solver's word", checked=False)
    elif isinstance(proof, str):
        yield Finding("upper bound", False, f"{said}, but the certificate does not prove it: {proof}")
    else:
        yield Finding("upper bound", proof <= result.upper_bound, f"{said}, the certificate proves {proof:.9g}")


def _status(scenario: Scenario, result: Result) -> Iterator[Finding]:
    has = result.allocation is not None
    holds, detail = True, f"{result.status} {'with' if has else 'without'} an allocation"
    if (result.status in _NEEDS_ALLOCATION and not has) or (result.status in _NO_ALLOCATION and has):
        holds = False
    elif result.status is Status.CERTIFIED and result.gap is None:
        holds, detail = False, "certified without a bound"
    elif result.status is Status.CERTIFIED and any(e.get("refuted") == result.bound_source for e in result.trace):
        holds, detail = False, "certified by a source that the trace refutes"
    elif result.status is Status.INFEASIBLE:
        # Without extra constraints any association with equal shares and phi = 0.5 is feasible.
        why = unreachable(scenario)
        holds, detail = bool(why), why or "infeasible, but the data do not say so"
    yield Finding("status", holds, detail)


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
