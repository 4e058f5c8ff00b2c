"""Which installations the lab has."""

from __future__ import annotations

from tests.truth.installations import Environment, Installation, Reference, Source, Virtualenv

_PIP_ZIP = Source("pipzip", "labzip_open", "labzip")
_PIP_ZIP_RUNPATH = Source("piprun", "labzip_open", "labzip", "runpath")
_PIP_GPU = Source("pipgpu", "labcudaMalloc", "cudart")
_PIP_TEXT = Source("piptext", "lab_series", "icuuc")
_PIP_NONE = Source("pipnone", "labcudaMalloc", "cudart", "none")

_OF_TORCH = (
    Source("oflinked", torch="linked"),
    Source("ofloose", torch="linked", run_path="none", says_torch=False),
    Source("ofstable", torch="stable"),
    Source("ofnone"),
)
_WITH_TORCH = ("filelock==3.16.1", "fsspec==2024.9.0", "networkx==3.2.1", "sympy==1.13.3", "mpmath==1.3.0")

FULL = (
    Installation(
        "workstation",
        (
            Environment(
                "base",
                ("python=3.10", "pip", "numpy=1.26", "pyyaml", "psutil", "requests", "pygments"),
                pip=("msgpack==1.0.8", "toolz==0.12.1", "rich==13.9.2", "markdown-it-py==3.0.0", "mdurl==0.1.2"),
            ),
            Environment(
                "ml",
                ("python=3.10", "pip", "numpy=1.26", "pandas=2.0", "scipy=1.11"),
                pip=("scikit-learn==1.3.2", "joblib==1.4.2", "threadpoolctl==3.5.0"),
            ),
            Environment(
                "web",
                ("python=3.11", "pip", "jinja2", "markupsafe=2.1", "cryptography", "click"),
                pip=("psutil==5.9.8", "tabulate==0.9.0"),
            ),
        ),
        (Virtualenv("tools", "base", ("toolz==0.12.1", "msgpack==1.0.8")), Virtualenv("site", "web", system_site=True)),
        (
            Reference("kernel", "by-minor", "base", "python3.10", "pygments"),
            Reference("kernel", "by-name", "ml", "python", "threadpoolctl"),
            Reference("unit", "nightly", "base", "python3.10", "json.tool"),
            Reference("script", "report", "base", "python", "requests"),
            Reference("script", "exact", "web", "python3.11", "jinja2"),
        ),
    ),
    Installation(
        "gpu",
        (
            Environment(
                "base",
                ("python=3.11", "pip", "requests", "charset-normalizer=3.3", "conda", "labzip=1.5"),
                pip=("toolz==0.12.1",),
            ),
            Environment(
                "train",
                (
                    "python=3.10",
                    "pip",
                    "setuptools",
                    "wheel",
                    "cuda-cudart=11",
                    "labgpu=1",
                    "numpy=1.26",
                    "labopen",
                    "labmoves=3.1",
                ),
                pip=("numpy==1.25.2", "psutil==5.9.8"),
                sources=(_PIP_GPU, _PIP_NONE),
                own_objects=(("libmine.so", "labcudaMalloc", "cudart"),),
            ),
        ),
        (Virtualenv("experiment", "train", ("toolz==0.12.1",)),),
        (Reference("kernel", "train", "train", "python3.10", "pip"),),
    ),
    Installation(
        "libraries",
        (
            Environment("base", ("python=3.11", "pip", "labzip=1.5", "labtool", "labsafe"), pip=("toolz==0.12.1",)),
            Environment(
                "calc",
                (
                    *("python=3.11", "pip", "setuptools", "wheel", "labstdcxx=13", "labcalc", "labold", "labmoves=3.1"),
                    *("labplug", "labopen", "labzip=1.6", "labtool", "labstream", "labvariant==1.0.0=full_0", "labvar"),
                    *("labnone", "labsafe=1.0", "labgemm=0.9", "labsolve"),
                ),
                sources=(_PIP_ZIP, _PIP_ZIP_RUNPATH),
                own_objects=(("libmine.so", "labzip_stream", "labzip"),),
            ),
            Environment(
                "known",
                (
                    *("python=3.11", "pip", "setuptools", "wheel", "icu=73", "libprotobuf=4.25.3", "libarrow=14"),
                    *("openssl=1.1.1w", "labtext", "labwire", "labtable", "labtls=1.0"),
                ),
                sources=(_PIP_TEXT,),
            ),
            Environment("later", ("python=3.11", "openssl=3.0.15", "labtls=2.0", "cuda-cudart=12.4", "labgpu=2.0")),
        ),
        references=(
            Reference("script", "both-runtimes", "calc", "python", "labsolve, labgemm", calls=True),
            Reference("script", "both-imported", "calc", "python", "labsolve, labgemm"),
            Reference("pth", "borrowed", "calc", "python", "labsafe", holder="base"),
        ),
    ),
    Installation(
        "data",
        (
            Environment("base", ("python=3.11", "pip", "pydantic", "orjson", "lxml"), pip=("joblib==1.4.2",)),
            Environment(
                "lake",
                (
                    "python=3.10",
                    "pip",
                    "numpy=1.26",
                    "pyarrow=14",
                    "lxml",
                    "cryptography",
                    "pillow",
                    "contourpy",
                    "kiwisolver",
                ),
                pip=("bcrypt==4.2.0", "regex==2024.9.11"),
            ),
            Environment("loose", ("python=3.10", "pip", "ujson", "simplejson", "wrapt", "attrs", "tabulate", "psutil")),
        ),
        (Virtualenv("etl", "lake"),),
        (Reference("script", "load", "lake", "python3.10", "pyarrow"),),
    ),
    Installation(
        "mixed",
        (
            Environment("base", ("python=3.11", "pip", "click", "pyyaml"), pip=("httpie==3.2.2", "six==1.16.0")),
            Environment(
                "both",
                (
                    "python=3.11",
                    "pip",
                    "setuptools",
                    "wheel",
                    "labzip=1.5",
                    "numpy=1.26",
                    "pyyaml=6.0.2",
                    "msgpack=1.1.0",
                    "pandas=2.0",
                ),
                pip=("pyyaml==6.0.1",),
                twice=("numpy==1.25.2", "msgpack==1.0.8"),
                sources=(Source("edited", "labzip_open", "labzip", how="editable"),),
            ),
            Environment("fresh", ("python=3.10", "pip", "wrapt", "greenlet"), pip=("attrs==24.2.0",)),
        ),
        user_site=("wrapt==1.16.0", "attrs==24.2.0"),
    ),
    Installation(
        "edges",
        (
            Environment(
                "base",
                ("python=3.9", "pip", "lxml", "markupsafe=2.1", "jinja2", "conda"),
                pip=("regex==2024.9.11", "psutil==5.9.8"),
            ),
            Environment(
                "new", ("python=3.13", "pip", "numpy=2.1", "greenlet", "cffi", "markupsafe"), pip=("msgpack==1.1.0",)
            ),
        ),
        (Virtualenv("old", "base", ("regex==2024.9.11",)),),
    ),
    # Every class of distribution that pip can leave behind, beside what conda has of the same name or is needed for.
    Installation(
        "layers",
        (
            Environment("base", ("python=3.10", "pip", "six=1.16"), pip=("toolz==0.12.1",)),
            Environment(
                "kinds",
                ("python=3.10", "pip", "setuptools", "wheel", "labzip=1.5", "numpy=1.26", "six=1.16"),
                pip=("toolz==0.12.1", "regex==2024.9.11", "bcrypt==4.2.0"),
                sources=(
                    _PIP_ZIP,
                    Source("edited", "labzip_open", "labzip", how="editable"),
                    Source("linkedpure", how="editable"),
                    Source("unpacked", "labzip_open", "labzip", how="archive"),
                    Source("refusing", requires_python="<3.11"),
                ),
            ),
            Environment(
                "returns",
                ("python=3.10", "pip"),
                pip=("toolz==0.12.1", "six==1.16.0"),
                left_over=(("3.11", "toolz==0.12.1"),),
            ),
            Environment(
                "doubled",
                ("python=3.10", "pip", "labzip=1.5"),
                pip=(
                    *("pyyaml==6.0.1", "markupsafe==2.1.5", "msgpack==1.0.8", "tabulate==0.9.0"),
                    *("psutil==5.9.8", "toolz==0.12.1"),
                ),
            ),
            Environment(
                "needy",
                (
                    *("python=3.11", "pip", "numpy=1.26", "markupsafe=2.1", "urllib3", "idna", "certifi", "tabulate"),
                    *("charset-normalizer=3.3", "cffi", "six=1.16", "pydantic-core=2.23", "annotated-types"),
                    *("typing-extensions", "pygments=2.18"),
                ),
                pip=(
                    *("jinja2==3.1.4", "requests==2.32.3", "cryptography==43.0.3", "python-dateutil==2.9.0.post0"),
                    *("pydantic==2.9.2", "rich==13.9.2", "markdown-it-py==3.0.0", "mdurl==0.1.2"),
                ),
            ),
            Environment(
                "overwritten",
                ("python=3.11", "pip", "numpy=1.26", "pyyaml=6.0.2", "psutil=6.0", "msgpack=1.1.0", "six=1.16"),
                twice=("psutil==5.9.8", "pyyaml==6.0.1", "msgpack==1.0.8"),
            ),
        ),
    ),
    # What is made of a torch, beside one of conda's, one of pip's, and both.
    Installation(
        "vision",
        (
            Environment("base", ("python=3.11", "pip", "click")),
            Environment(
                "conda",
                ("python=3.10", "pip", "setuptools", "wheel", "pytorch=2.5.1", "torchvision"),
                pip=("toolz==0.12.1",),
                sources=_OF_TORCH,
            ),
            Environment(
                "paired",
                ("python=3.10", "pip", "setuptools", "wheel", "pytorch=2.5.1", "six=1.16"),
                pip=("torchvision==0.20.1",),
            ),
            Environment(
                "cuda",
                ("python=3.11", "pip", "setuptools", "wheel", "pytorch==2.5.1=py3.11_cuda12.4_cudnn9.1.0_0"),
                sources=(Source("ofcuda", torch="cuda"), Source("ofstable", torch="stable")),
            ),
            Environment(
                "pip",
                ("python=3.11", "pip", "setuptools", "wheel", "six=1.16"),
                pip=("torch==2.5.1", "torchvision==0.20.1"),
                sources=(Source("oflinked", torch="linked"), Source("ofstable", torch="stable")),
            ),
            Environment(
                "twice",
                ("python=3.11", "pip", "setuptools", "wheel", "pytorch=2.5.1", "six=1.16"),
                twice=("torch==2.6.0",),
                sources=(Source("ofstable", torch="stable"),),
            ),
        ),
    ),
    # torch's CPU build, where its wheel is at hand; once alone and once over a torch of conda's.
    Installation(
        "torch",
        (
            Environment("base", ("python=3.11", "pip", "click")),
            Environment(
                "net",
                (
                    *("python=3.11", "pip", "setuptools", "wheel", "numpy=1.26", "jinja2", "markupsafe=2.1"),
                    *("typing-extensions",),
                ),
                pip=("torch==2.13.0+cpu", *_WITH_TORCH),
                sources=(
                    Source("oflinked", torch="linked"),
                    Source("ofloose", torch="linked", run_path="none", says_torch=False),
                    Source("ofstable", torch="stable"),
                ),
            ),
            Environment(
                "both",
                ("python=3.11", "pip", "pytorch=2.5.1", "jinja2", "markupsafe=2.1", "typing-extensions", "six=1.16"),
                pip=_WITH_TORCH,
                twice=("torch==2.13.0+cpu",),
            ),
        ),
    ),
    # What lies around environments: user sites of several pythons, virtual environments by several names, kernels.
    Installation(
        "around",
        (
            Environment(
                "base",
                ("python=3.11", "pip", "six=1.17", "tabulate", "markupsafe=3", "requests", "pygments=2.18"),
                pip=("toolz==0.12.1", "markdown-it-py==3.0.0", "mdurl==0.1.2"),
            ),
            Environment("clean", ("python=3.11", "pip", "six=1.17", "pygments=2.18"), pip=("toolz==0.12.1",)),
            Environment("next", ("python=3.12", "pip", "click")),
            Environment("apart", ("python=3.11", "pip", "six=1.17"), variables=(("PYTHONNOUSERSITE", "1"),)),
        ),
        (
            Virtualenv("exact", "base", ("toolz==0.12.1",), called="python3.11"),
            Virtualenv("named", "base", ("toolz==0.12.1",)),
            Virtualenv("empty", "base"),
            Virtualenv("exact-twin", "clean", ("toolz==0.12.1",), called="python3.11"),
            Virtualenv("twin", "clean", ("toolz==0.12.1",)),
        ),
        (
            Reference("kernel", "exact", "base", "python3.11", "pygments"),
            Reference("kernel", "by-pip", "base", "python", "markdown_it.cli.parse"),
            Reference("kernel", "moves", "base", "python", "pygments"),
            Reference("kernel", "exact-twin", "clean", "python3.11", "pygments"),
            Reference("kernel", "twin", "clean", "python", "pygments"),
            Reference("unit", "nightly", "base", "python3.11", "json.tool"),
            Reference("unit", "nightly-twin", "clean", "python3.11", "json.tool"),
            Reference("script", "report", "base", "python", "toolz"),
            Reference("script", "report-twin", "clean", "python", "toolz"),
            Reference("pth", "borrowed", "base", "python", "toolz", holder="next"),
        ),
        user_site=("attrs==24.2.0",),
        other_sites=(("3.12", "six==1.16.0"), ("3.12", "annotated-types==0.7.0"), ("3.10", "tabulate==0.9.0")),
    ),
)


def small(old: str) -> Installation:
    """The installation of the part for continuous integration."""
    return Installation(
        "small",
        (
            Environment(
                "base",
                (f"python={old}", "pip", "setuptools", "wheel", "labzip=1.5", "labtool", "cuda-cudart=11", "labgpu=1"),
                pip=("toolz==0.12.1",),
                sources=(_PIP_ZIP,),
            ),
            Environment(
                "work",
                (f"python={old}", "pip", "markupsafe=2.1", "jinja2", "ujson"),
                pip=("psutil==5.9.8", "pyyaml==6.0.1"),
            ),
            Environment(
                "made", (f"python={old}", "pip", "setuptools", "wheel", "pytorch=2.5.1"), sources=_OF_TORCH[1:3]
            ),
            Environment("both", (f"python={old}", "pip", "pytorch=2.5.1"), twice=("torch==2.6.0",)),
        ),
        (
            Virtualenv("tools", "base", ("toolz==0.12.1",)),
            Virtualenv("exact", "base", ("toolz==0.12.1",), called=f"python{old}"),
            Virtualenv("exact-twin", "work", called=f"python{old}"),
        ),
        (Reference("kernel", "by-minor", "base", f"python{old}", "pip"),),
    )
