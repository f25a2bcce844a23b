"""Certificates: files that prove a bound on the objective, or that nothing is feasible; and a verifier of its own.

A certificate is a tree of boxes. The root holds every allocation; splits cut a box in two; each leaf of the tree says
why no allocation in its box is better than the stated bound. `verify` evaluates all of it in ball arithmetic, from
the numbers of the scenario, and shares no code with the methods that write certificates. What is proven is derived in
`stated`, `rows`, `claims` and `cellbound`.
"""

from .format import Certificate
from .nodes import ByDeadline, ByOffload, ByServers, CertificateError, Empty, Late, LeafClaim, Node, by_deadlines
from .verifier import UnprovenError, Verified, verify

__all__ = [
    "ByDeadline",
    "ByOffload",
    "ByServers",
    "Certificate",
    "CertificateError",
    "Empty",
    "Late",
    "LeafClaim",
    "Node",
    "UnprovenError",
    "Verified",
    "by_deadlines",
    "verify",
]
