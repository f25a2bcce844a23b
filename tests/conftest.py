"""Settings for all tests: no hypothesis deadline (machines differ) and a number of examples that stays fast."""

import signal

from hypothesis import settings

_CURRENT = settings.get_profile(settings.get_current_profile_name())  # hypothesis picks its own profile on CI
settings.register_profile("house", _CURRENT, deadline=None, max_examples=60)
settings.load_profile("house")

# A test run in the background of a shell inherits that Ctrl-C is ignored; the tests of interruption need it.
signal.signal(signal.SIGINT, signal.default_int_handler)
