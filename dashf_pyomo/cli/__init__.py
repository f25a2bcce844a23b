"""Command line ``dashf``: parse, call, print."""

from .main import main

__all__ = ["main"]
