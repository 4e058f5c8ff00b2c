"""The GPU verification: a self-contained probe, run by the interpreter of the environment being verified."""
