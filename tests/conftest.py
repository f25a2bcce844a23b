"""Settings for all tests: no hypothesis deadline (machines differ) and a number of examples that stays fast."""

from hypothesis import settings

_CURRENT = settings.get_profile(settings.get_current_profile_name())  # hypothesis picks its own profile on CI
settings.register_profile("house", _CURRENT, deadline=None, max_examples=60)
settings.load_profile("house")
