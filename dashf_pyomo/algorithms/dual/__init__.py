"""The certified bound: prices of the servers and of time separate the users.

The method imports the kernels when it runs.
"""

from .bnp import BranchAndPrice
from .method import Dual

__all__ = ["BranchAndPrice", "Dual"]
