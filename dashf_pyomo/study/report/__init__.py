"""The report of a study: one page, its figures and tables as files."""

from .write import write_report

__all__ = ["write_report"]
