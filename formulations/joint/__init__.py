"""Problem (2), (3) as Pyomo models: ``joint.literal(scenario)`` and its reformulations, each a `ConcreteModel`."""

from .activity import build as activity
from .convexified import build as convexified
from .literal import build as literal
from .model import JointInfo, info, read, set_values
from .parametric import build as parametric

__all__ = ["JointInfo", "activity", "convexified", "info", "literal", "parametric", "read", "set_values"]
