"""Which distributions of PyPI the lab packs, chosen for their ABI kinds. Versions are exact: a lab is repeatable.

`pythons` are those a distribution is packed for; a pure one is packed once. Where a version has no wheel for one
of them, the lab says so and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = ("3.9", "3.10", "3.11", "3.12", "3.13")
MIDDLE = ("3.10", "3.11", "3.12")
PAIR = ("3.10", "3.11")


@dataclass(frozen=True, slots=True)
class Release:
    """One release on PyPI. `loose` leaves out what binds the build to its python, as old records do."""

    name: str
    version: str
    pythons: tuple[str, ...] = ALL
    loose: bool = False
    also: tuple[str, ...] = ()  # requirements that its metadata does not state

    @property
    def requirement(self) -> str:
        """As pip is asked for it."""
        return f"{self.name}=={self.version}"


# What every installation needs to be one.
CORE = (
    Release("pip", "24.2", also=("setuptools", "wheel")),
    Release("setuptools", "75.1.0"),
    Release("wheel", "0.44.0"),
)
# C extensions bound to one python.
BOUND = (
    Release("numpy", "1.26.4", ("3.9", "3.10", "3.11", "3.12")),
    Release("numpy", "2.0.2", ("3.9", "3.10", "3.11", "3.12")),
    Release("numpy", "2.1.3", ("3.10", "3.11", "3.12", "3.13")),
    Release("scipy", "1.11.4", PAIR),
    Release("scipy", "1.14.1", PAIR),
    Release("pandas", "2.0.3", PAIR),
    Release("pandas", "2.2.3", MIDDLE),
    Release("pyarrow", "14.0.1", PAIR),
    Release("pyarrow", "17.0.0", PAIR),
    Release("lxml", "5.3.0"),
    Release("pyyaml", "6.0.2"),
    Release("markupsafe", "2.1.5", ("3.9", "3.10", "3.11", "3.12")),
    Release("markupsafe", "3.0.2"),
    Release("cffi", "1.17.1"),
    Release("msgpack", "1.1.0"),
    Release("wrapt", "1.16.0", ("3.9", "3.10", "3.11", "3.12")),
    Release("regex", "2024.9.11"),
    Release("charset-normalizer", "3.3.2", ("3.9", "3.10", "3.11", "3.12")),
    Release("charset-normalizer", "3.4.0"),
    Release("contourpy", "1.2.1", MIDDLE),
    Release("kiwisolver", "1.4.7", MIDDLE),
    Release("pillow", "10.4.0", MIDDLE),
    Release("greenlet", "3.1.1"),
    Release("pydantic-core", "2.23.4", MIDDLE),
    Release("pydantic-core", "2.27.2", MIDDLE),
    Release("orjson", "3.10.7", MIDDLE),
    # Packed as records of old were: nothing in their metadata binds them to the python they were built for.
    Release("ujson", "5.10.0", ("3.10",), loose=True),
    Release("simplejson", "3.19.3", ("3.10",), loose=True),
)
# The limited API: one build for every python.
ABI3 = (
    Release("cryptography", "43.0.3"),
    Release("psutil", "6.0.0"),
    Release("psutil", "6.1.0"),
    Release("bcrypt", "4.2.0"),
)
# Pure python, some with entry points.
PURE = (
    Release("six", "1.16.0"),
    Release("six", "1.17.0"),
    Release("click", "8.1.7"),
    Release("jinja2", "3.1.4"),
    Release("packaging", "24.1"),
    Release("python-dateutil", "2.9.0.post0"),
    Release("pytz", "2024.2"),
    Release("tzdata", "2024.2"),
    Release("requests", "2.32.3"),
    Release("urllib3", "2.2.3"),
    Release("certifi", "2024.8.30"),
    Release("idna", "3.10"),
    Release("pycparser", "2.22"),
    Release("pygments", "2.12.0"),
    Release("pygments", "2.18.0"),
    Release("tabulate", "0.9.0"),
    Release("attrs", "24.2.0"),
    Release("typing-extensions", "4.12.2"),
    Release("annotated-types", "0.7.0"),
    Release("pydantic", "2.9.2"),
)
RELEASES = (*CORE, *BOUND, *ABI3, *PURE)
# What pip itself installs into environments, besides the above: versions that no conda package of the lab has.
FOR_PIP = (
    Release("numpy", "1.25.2", PAIR),
    Release("scikit-learn", "1.3.2", PAIR),
    Release("joblib", "1.4.2"),
    Release("threadpoolctl", "3.5.0"),
    Release("pyyaml", "6.0.1", ("3.9", "3.10", "3.11", "3.12")),
    Release("psutil", "5.9.8"),
    Release("rich", "13.9.2"),
    Release("markdown-it-py", "3.0.0"),
    Release("mdurl", "0.1.2"),
    Release("httpie", "3.2.2"),
    Release("toolz", "0.12.1"),
    # Not on PyPI: where a CPU wheel is at hand, in a folder that pip is told to look into.
    Release("torch", "2.13.0+cpu", ("3.11",)),
    Release("filelock", "3.16.1"),
    Release("fsspec", "2024.9.0"),
    Release("networkx", "3.2.1"),
    Release("sympy", "1.13.3"),
    Release("mpmath", "1.3.0"),
    Release("msgpack", "1.0.8", ("3.9", "3.10", "3.11", "3.12")),
)
# What a Jupyter kernel needs, for environments that have one: half of it compiled, for one python each.
FOR_KERNELS = (
    Release("ipykernel", "6.29.5", PAIR),
    Release("comm", "0.2.2", PAIR),
    Release("debugpy", "1.8.7", PAIR),
    Release("ipython", "8.27.0", PAIR),
    Release("jupyter-client", "8.6.3", PAIR),
    Release("jupyter-core", "5.7.2", PAIR),
    Release("matplotlib-inline", "0.1.7", PAIR),
    Release("nest-asyncio", "1.6.0", PAIR),
    Release("packaging", "24.1", PAIR),
    Release("psutil", "5.9.8", PAIR),
    Release("pyzmq", "26.2.0", PAIR),
    Release("tornado", "6.4.1", PAIR),
    Release("traitlets", "5.14.3", PAIR),
    Release("platformdirs", "4.3.6", PAIR),
    Release("python-dateutil", "2.9.0.post0", PAIR),
    Release("six", "1.16.0", PAIR),
    Release("decorator", "5.1.1", PAIR),
    Release("exceptiongroup", "1.2.2", PAIR),
    Release("jedi", "0.19.1", PAIR),
    Release("parso", "0.8.4", PAIR),
    Release("pexpect", "4.9.0", PAIR),
    Release("ptyprocess", "0.7.0", PAIR),
    Release("prompt-toolkit", "3.0.48", PAIR),
    Release("wcwidth", "0.2.13", PAIR),
    Release("pygments", "2.18.0", PAIR),
    Release("stack-data", "0.6.3", PAIR),
    Release("asttokens", "2.4.1", PAIR),
    Release("executing", "2.1.0", PAIR),
    Release("pure-eval", "0.2.3", PAIR),
    Release("typing-extensions", "4.12.2", PAIR),
)
# The part that continuous integration runs.
SMALL = frozenset({"pip", "setuptools", "wheel", "markupsafe", "jinja2", "psutil", "ujson", "pyyaml", "toolz"})
