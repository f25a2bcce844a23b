"""Methods, one file each, and the steps they are made of."""

from .method import Method, OptionError, configure, describe_options, methods, run_method
from .run import Limits, Observer

__all__ = ["Limits", "Method", "Observer", "OptionError", "configure", "describe_options", "methods", "run_method"]
