"""Termination of a run and claim on its solution: two fields, and the one word that format 1 has for both."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Claim", "Status", "Termination", "in_one_word", "in_two_words"]


class Termination(StrEnum):
    """Reason why a run ended."""

    CONVERGED = "converged"  # the method came to its end
    TIME_LIMIT = "time_limit"  # best so far kept
    INTERRUPTED = "interrupted"  # likewise
    REFUSED = "refused"  # the method does not take the problem; nothing was run
    ERROR = "error"  # a step failed; best so far kept if there is one


class Claim(StrEnum):
    """Claim on the solution. A heuristic that converged claims `FEASIBLE`, never more."""

    CERTIFIED = "certified"  # gap within the asked tolerance, bound rigorous
    FEASIBLE = "feasible"  # an allocation, no such bound
    INFEASIBLE = "infeasible"  # proven
    UNKNOWN = "unknown"  # nothing found, nothing proven


class Status(StrEnum):
    """Termination and claim in one word, for readers of format 1."""

    CERTIFIED = "certified"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    TIME_LIMIT = "time_limit"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"
    ERROR = "error"


def in_one_word(termination: Termination, claim: Claim) -> Status:
    """Return the status of format 1: an error before all, then a certificate, then what ended the run early."""
    if termination is Termination.ERROR:
        return Status.ERROR
    early = termination in (Termination.TIME_LIMIT, Termination.INTERRUPTED)
    return Status(termination.value) if early and claim is not Claim.CERTIFIED else Status(claim.value)


def in_two_words(status: Status, has_allocation: bool) -> tuple[Termination, Claim]:
    """Return what a status of format 1 says of termination and claim.

    Parameters
    ----------
    status
        The status.
    has_allocation
        Whether there is an allocation, which the status of a run that ended early does not say.
    """
    if status in (Status.TIME_LIMIT, Status.INTERRUPTED, Status.ERROR):
        return Termination(status.value), Claim.FEASIBLE if has_allocation else Claim.UNKNOWN
    return Termination.CONVERGED, Claim(status.value)
