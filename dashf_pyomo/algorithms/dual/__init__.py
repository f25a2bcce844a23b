"""The certified bound: prices of the servers and of time separate the users.

The kernels are compiled by numba, which takes its time, so the method imports them when it runs.
"""

from .bnp import BranchAndPrice
from .method import Dual

__all__ = ["BranchAndPrice", "Dual"]
