"""Methods that solve Problem (3), and what measures and shows them.

>>> from formulations import Scenario
>>> import dashf_pyomo
>>> result = dashf_pyomo.solve(Scenario.random(users=4, servers=2, seed=1), method="nearest")
>>> result.status
<Status.FEASIBLE: 'feasible'>
>>> result.termination, result.claim
(<Termination.CONVERGED: 'converged'>, <Claim.FEASIBLE: 'feasible'>)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .cores import limit_native_threads

limit_native_threads()  # before the first library that starts threads is loaded

from formulations import Scenario  # noqa: E402

from .comparison import Comparison, compare  # noqa: E402
from .result import Result  # noqa: E402
from .result_data import relative_gap  # noqa: E402
from .status import Claim, Status, Termination  # noqa: E402
from .version import __version__  # noqa: E402

if TYPE_CHECKING:
    from .algorithms import Observer

__all__ = [
    "Claim",
    "Comparison",
    "Result",
    "Status",
    "Termination",
    "__version__",
    "compare",
    "relative_gap",
    "solve",
]


def solve(
    scenario: Scenario,
    method: str = "dashf",
    *,
    time_limit: float | None = None,
    gap: float = 1e-3,
    threads: int | None = None,
    certificate: str | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Result:
    """Solve a scenario by a method.

    Parameters
    ----------
    scenario
        The problem.
    method
        Name of a method, see ``dashf methods``.
    time_limit
        Wall time, s; the best allocation found by then is returned.
    gap
        Relative gap at which a method that proves bounds may stop.
    threads
        Threads for solvers.
    certificate
        File to which a method that proves its bound (`dual`) writes the proof, for ``dashf check --certificate``.
    observer
        Called with every trace entry as it is made.
    **options
        Options of the method.

    Returns
    -------
    Result
        Always judged by `formulations.evaluate`.

    Raises
    ------
    InputError
        If the method, an option or a limit does not exist or cannot have its value.
    BackendError
        If a backend is missing or fails before any allocation was found.
    """
    from .algorithms import Limits, configure, run_method

    limits = Limits(time_limit, gap, threads, certificate)
    return run_method(configure(method, options), scenario, limits, observer)


if "pyomo.environ" in sys.modules:  # which is not imported for it: that takes longer than everything of ours
    from .plugins import pyomo as _registered  # noqa: F401
