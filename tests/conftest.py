"""Settings for all tests: no hypothesis deadline (machines differ) and a number of examples that stays fast.

``pytest --hypothesis-profile=sweep`` tries many more examples in the tests that name no number of their own.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

_CURRENT = settings.get_profile(settings.get_current_profile_name())  # hypothesis picks its own profile on CI
settings.register_profile("house", _CURRENT, deadline=None, max_examples=30)
settings.register_profile("sweep", _CURRENT, deadline=None, max_examples=1000)
settings.load_profile("house")

# Tests run on all cores already; threads of their own would only be in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# A test run in the background of a shell inherits that Ctrl-C is ignored; the tests of interruption need it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Loaded after the lines above, as it imports NumPy, which reads the number of threads once.
pytest_plugins = ["shared_fixtures"]
