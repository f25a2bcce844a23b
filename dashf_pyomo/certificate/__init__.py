"""Certificates: files that prove an upper bound on the SCR, and a verifier that trusts no solver.

A certificate is a tree of boxes. The root holds every allocation; splits cut a box in two; each leaf of the tree says
why no allocation in its box has an SCR above the stated bound. `verify` evaluates all of it in ball arithmetic, from
the numbers of the scenario, and shares no code with the methods that write certificates. What is proven is derived in
`tree`, `claims` and `cellbound`.
"""

from .format import Certificate
from .nodes import ByDeadline, ByOffload, ByServers, CertificateError, Empty, Late, LeafClaim, Node, Terms, by_deadlines
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
    "Terms",
    "UnprovenError",
    "Verified",
    "by_deadlines",
    "verify",
]
