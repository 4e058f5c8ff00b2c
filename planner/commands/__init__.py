"""The commands, a family a module: parse, call the core, render, choose the exit code. Nothing is decided here.

Each command imports what it needs when it runs, so that `planner --help` starts fast. What a report is made of goes to
stdout, progress and errors to stderr.
"""
