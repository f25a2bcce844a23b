"""Studies: many scenarios, many methods, one file that says which, and a store that a run can always go on from."""

from .study import Outlook, Study, Summary

__all__ = ["Outlook", "Study", "Summary"]
