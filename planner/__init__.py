"""planner: what a change to a conda environment would break, what stays untouched, and the safe way to get it."""

from planner.version import __version__

__all__ = ["__version__"]
