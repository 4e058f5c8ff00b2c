"""The planner's own version: one place, read by the build, the CLI and the plan document."""

__version__ = "0.1.0"
