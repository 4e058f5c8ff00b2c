"""A change to one environment of one installation, as someone would type it; and the changes written by hand.

The rest is drawn (`generator`). Cases that the present rules get wrong belong here like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.solve import ChannelPriority, Operation, Tool


@dataclass(frozen=True, slots=True)
class Case:
    """`channels` are "lab" and "other", in order; `drawn` says that the generator made it.

    `fires` and `silent` are what the plan is to say and not to say of this change, whether or not it predicts anything
    that one could see: a rule, or a rule and its subject (`ABI007 pip:linked`).
    """

    installation: str
    environment: str
    specs: tuple[str, ...] = ()
    operation: Operation = "install"
    tool: Tool = "conda"
    channels: tuple[str, ...] = ("lab",)
    priority: ChannelPriority | None = None
    drawn: bool = False
    fires: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The command, with the environment it is about."""
        verb = {"install": "install", "update": "update", "remove": "remove", "update-all": "update --all"}
        channels = "" if self.channels == ("lab",) else "".join(f" -c {name}" for name in self.channels)
        priority = f" --channel-priority {self.priority}" if self.priority else ""
        words = [self.tool, verb[self.operation], "-n", self.environment, *self.specs]
        return f"{self.installation}: {' '.join(words)}{channels}{priority}"


def _install(installation: str, environment: str, *requests: str, fires: str = "", silent: str = "") -> list[Case]:
    return _cases("install", installation, environment, requests, fires, silent)


def _remove(installation: str, environment: str, *requests: str, fires: str = "", silent: str = "") -> list[Case]:
    return _cases("remove", installation, environment, requests, fires, silent)


def _update(installation: str, environment: str, *requests: str, fires: str = "", silent: str = "") -> list[Case]:
    return _cases("update", installation, environment, requests, fires, silent)


def _mamba(installation: str, environment: str, *requests: str, fires: str = "", silent: str = "") -> list[Case]:
    return _cases("install", installation, environment, requests, fires, silent, "mamba")


def _cases(
    operation: Operation,
    installation: str,
    environment: str,
    requests: Sequence[str],
    fires: str,
    silent: str,
    tool: Tool = "conda",
) -> list[Case]:
    """A case for each request; `fires` and `silent` are of all of them, with commas between."""
    said, unsaid = (tuple(part.strip() for part in text.split(",") if part.strip()) for text in (fires, silent))
    return [
        Case(installation, environment, tuple(request.split()), operation, tool, fires=said, silent=unsaid)
        for request in requests
    ]


BY_HAND = (
    # A base that people work in, with what pip, virtualenvs, kernels and units add to it.
    *_install("workstation", "base", "python=3.11", "python=3.9", "numpy=2.0"),
    *_mamba("workstation", "base", "python=3.11", "python=3.13"),
    *_remove("workstation", "base", "psutil"),
    Case("workstation", "base", (), "update-all"),
    *_install("workstation", "ml", "python=3.11", "numpy=2.0", "pandas=2.2 numpy=2"),
    *_update("workstation", "ml", "numpy"),
    *_remove("workstation", "ml", "scipy", "numpy"),
    *_mamba("workstation", "ml", "python=3.12"),
    *_install("workstation", "web", "python=3.12", "markupsafe=3"),
    *_update("workstation", "web", "jinja2 markupsafe"),
    # CUDA look-alikes: a major version of the runtime moves under extensions of conda's, pip's and a user's.
    *_install("gpu", "train", "cuda-cudart=12", "labgpu=2", "python=3.11"),
    *_update("gpu", "train", "cuda-cudart"),
    *_remove("gpu", "train", "labgpu", "cuda-cudart"),
    *_mamba("gpu", "train", "cuda-cudart=12", "python=3.11"),
    Case("gpu", "train", ("cuda-cudart",), "update", channels=("other", "lab")),
    *_install("gpu", "base", "python=3.12", "python=3.10", "labzip=2"),
    *_mamba("gpu", "base", "python=3.12", "python=3.10"),
    Case("gpu", "train", (), "update-all"),
    # Libraries that change within their SONAME, and records that say more or less than they need.
    *_install(
        "libraries", "calc", "labstdcxx=12", "labmoves=3.2", "labzip=1.6", "labzip=2", "labvariant==1.0.0=lite_0"
    ),
    *_install("libraries", "calc", "python=3.12", "labsafe=1.1", "labzip=1.5"),
    *_update("libraries", "calc", "labzip", "labmoves", "labstdcxx", "labgemm"),
    *_remove("libraries", "calc", "labzip", "labvariant", "labsafe"),
    Case("libraries", "calc", ("labstdcxx",), channels=("other", "lab"), priority="strict"),
    Case("libraries", "calc", ("labzip",), "update", channels=("other", "lab"), priority="strict"),
    Case("libraries", "calc", (), "update-all"),
    *_mamba("libraries", "calc", "labzip=2", "python=3.12"),
    # Libraries that the table of ABI series knows, under requirements that name no upper bound.
    *_install("libraries", "known", "icu=75", "libprotobuf=5", "libarrow=18", "openssl=3", "icu=75 openssl=3.4"),
    *_update("libraries", "known", "icu", "openssl libarrow"),
    *_mamba("libraries", "known", "libprotobuf=5 libarrow=18", "python=3.12"),
    Case("libraries", "known", (), "update-all"),
    *_install("libraries", "later", "openssl=3.4", "cuda-cudart=12.6", silent="ABI003, ABI004, ABI005"),
    *_update("libraries", "later", "openssl cuda-cudart", silent="ABI003, ABI004, ABI005"),
    *_install("libraries", "base", "python=3.12", "labzip=2"),
    # Binary distributions of size: arrow, lxml, cryptography; those tied to python by nothing in their records.
    *_install("data", "lake", "python=3.11", "numpy=2", "pyarrow=17", "pyarrow=17 numpy=2"),
    *_update("data", "lake", "numpy"),
    *_remove("data", "lake", "numpy", "pyarrow"),
    *_install("data", "loose", "python=3.11", "python=3.9"),
    *_mamba("data", "loose", "python=3.11"),
    Case("data", "loose", (), "update-all"),
    *_install("data", "base", "python=3.12", "pydantic-core"),
    # The same distribution from conda and from pip, editable installs, a user site.
    *_install("mixed", "base", "python=3.10", "python=3.12", "six"),
    *_install("mixed", "both", "numpy=2.0", "python=3.12", "pyyaml=6.0.2"),
    *_update("mixed", "both", "numpy", "pyyaml"),
    *_remove("mixed", "both", "numpy", "msgpack"),
    Case("mixed", "both", (), "update-all"),
    *_mamba("mixed", "both", "python=3.12", "numpy=2.1"),
    *_install("mixed", "fresh", "python=3.11", "click"),
    # The oldest and the newest python that there is.
    *_install("edges", "base", "python=3.10", "python=3.13"),
    *_mamba("edges", "base", "python=3.10", "python=3.11"),
    *_install("edges", "new", "python=3.12", "python=3.9", "markupsafe=3.0.2"),
    *_mamba("edges", "new", "python=3.12"),
    *_update("edges", "new", "greenlet"),
    # Every rule on pip's side, each with what must not fire it.
    *_install(
        *("layers", "kinds", "python=3.11", "python=3.12"),
        fires="PIP001 pip:toolz, PIP001 pip:regex, PIP001 pip:bcrypt, PIP001 pip:pipzip, PIP001 pip:edited, "
        "PIP001 pip:linkedpure, PIP001 pip:unpacked, PIP001 pip:refusing",
    ),
    *_mamba("layers", "kinds", "python=3.13", fires="PIP001 pip:regex, PIP001 pip:bcrypt"),
    *_install("layers", "kinds", "labzip=1.6", "numpy=2.0", "six=1.17", silent="PIP001, PIP002, PIP003, PIP004"),
    *_remove("layers", "kinds", "numpy", silent="PIP001, PIP002, PIP003"),
    *_install("layers", "base", "python=3.11", silent="PIP001 pip:regex, PIP001 pip:bcrypt"),
    *_install("layers", "returns", "python=3.11", fires="PIP001 pip:six", silent="PIP001 pip:toolz"),
    *_install("layers", "returns", "python=3.12", fires="PIP001 pip:six, PIP001 pip:toolz"),
    *_install("layers", "doubled", "pyyaml", "jinja2", "psutil", "msgpack", "tabulate", fires="PIP002"),
    *_install("layers", "doubled", "six", "labzip=1.6", "simplejson", silent="PIP001, PIP002, PIP003, PIP004"),
    *_remove("layers", "needy", "markupsafe", fires="PIP003 pip:jinja2"),
    *_remove("layers", "needy", "idna", "certifi", fires="PIP003 pip:requests"),
    *_remove("layers", "needy", "cffi", fires="PIP003 pip:cryptography"),
    *_remove("layers", "needy", "six", fires="PIP003 pip:python-dateutil"),
    *_remove("layers", "needy", "annotated-types", fires="PIP003 pip:pydantic"),
    *_install("layers", "needy", "pydantic-core=2.27", fires="PIP003 pip:pydantic"),
    *_install("layers", "needy", "pygments=2.12", fires="PIP003 pip:rich"),
    *_install("layers", "needy", "markupsafe=3", "six=1.17", "charset-normalizer=3.4", silent="PIP001, PIP003"),
    *_remove("layers", "needy", "numpy", silent="PIP001, PIP003"),
    *_update("layers", "needy", "urllib3 tabulate", silent="PIP001, PIP003"),
    *_remove("layers", "overwritten", "psutil", "pyyaml", "msgpack", fires="PIP004"),
    *_update("layers", "overwritten", "psutil", fires="PIP004 pip:psutil"),
    *_install("layers", "overwritten", "python=3.12", fires="PIP001 pip:psutil"),
    *_install("layers", "overwritten", "wrapt", "six=1.17", silent="PIP001, PIP002, PIP003, PIP004"),
    *_remove("layers", "overwritten", "numpy", silent="PIP001, PIP002, PIP003, PIP004"),
    # torch's minor moves under what is made of it, conda's and pip's; a patch does not hurt, nor its stable ABI.
    *_install(
        *("vision", "conda", "pytorch=2.6.0"),
        fires="ABI007 pip:oflinked, ABI007 pip:ofloose",
        silent="ABI007 pip:ofstable, ABI007 pip:ofnone, ABI008 conda:torchvision",
    ),
    *_install("vision", "conda", "pytorch=2.5.0", silent="ABI007, ABI008, PIP001, PIP002"),
    *_install("vision", "conda", "python=3.11", fires="PIP001 pip:oflinked, PIP001 pip:ofstable"),
    *_remove("vision", "conda", "torchvision", silent="ABI007, ABI008"),
    *_remove(
        "vision", "conda", "pytorch", fires="ABI007 pip:oflinked, ABI007 pip:ofstable", silent="ABI007 pip:ofnone"
    ),
    *_install("vision", "paired", "pytorch=2.6.0", fires="ABI008 pip:torchvision"),
    *_mamba("vision", "paired", "pytorch=2.6.0", fires="ABI008 pip:torchvision"),
    *_install("vision", "paired", "pytorch=2.5.0", "six=1.17", silent="ABI007, ABI008"),
    *_install("vision", "cuda", "pytorch==2.5.1=py3.11_cpu_1", fires="ABI007 pip:ofcuda", silent="ABI007 pip:ofstable"),
    *_install("vision", "pip", "pytorch=2.6.0", fires="PIP002 pip:torch"),
    *_install("vision", "pip", "pytorch=2.5.1", fires="PIP002 pip:torch"),
    *_install("vision", "pip", "six=1.17", silent="PIP002, ABI007, ABI008"),
    *_install("vision", "twice", "pytorch=2.6.0", fires="PIP002 pip:torch"),
    *_install("vision", "twice", "six=1.17", silent="PIP002, PIP004, ABI007, ABI008"),
    *_remove("vision", "twice", "pytorch", fires="PIP004 pip:torch"),
    # At most a handful: one import of all of torch takes a minute.
    *_install("torch", "net", "python=3.10", fires="PIP001 pip:torch, PIP001 pip:oflinked"),
    *_install("torch", "net", "numpy=2.0", silent="ABI007, ABI008"),
    *_install("torch", "net", "pytorch=2.5.1", fires="PIP002 pip:torch"),
    *_remove("torch", "net", "jinja2"),
    *_install("torch", "both", "pytorch=2.6.0", fires="PIP002 pip:torch"),
    *_remove("torch", "both", "pytorch", fires="PIP004 pip:torch"),
    *_install("torch", "both", "six=1.17", silent="PIP002, PIP004, ABI007, ABI008"),
    # What lies around an environment: what is bound to the old python dies, what is beside it does not.
    *_install(
        *("around", "base", "python=3.12"),
        fires="ENV001 conda:six, ENV001 pip:attrs",
        silent="ENV001 conda:tabulate, ENV001 conda:markupsafe",
    ),
    *_mamba("around", "base", "python=3.12", fires="ENV001 conda:six"),
    *_install("around", "base", "python=3.13", fires="ENV001 pip:attrs", silent="ENV001 conda:six"),
    *_install("around", "base", "python=3.10", fires="ENV001 conda:tabulate", silent="ENV001 conda:six"),
    *_install("around", "base", "six=1.16", "markupsafe=2.1", silent="ENV001, ENV004, ENV005"),
    *_remove("around", "base", "pygments"),
    *_remove("around", "base", "tabulate"),
    *_install("around", "clean", "python=3.12", fires="ENV001 conda:six"),
    *_install("around", "clean", "six=1.16", silent="ENV001, ENV004, ENV005"),
    *_install("around", "apart", "python=3.12", silent="ENV001"),
    *_install("around", "next", "six=1.17", fires="ENV001 conda:six"),
    *_install("around", "next", "python=3.11"),
)


def small(new: str) -> tuple[Case, ...]:
    """The part that continuous integration runs, on two pythons, of which `new` is the later."""
    return (
        *_install("small", "base", f"python={new}", "labzip=2", "cuda-cudart=12"),
        *_install("small", "work", f"python={new}", "markupsafe=3"),
        *_remove("small", "work", "markupsafe"),
        *_install("small", "base", "labzip=1.6"),
        *_mamba("small", "work", f"python={new}"),
        *_update("small", "base", "labzip labtool"),
        *_install("small", "work", "pyyaml", fires="PIP002 pip:pyyaml"),
        *_install("small", "made", "pytorch=2.6.0", fires="ABI007 pip:ofloose", silent="ABI007 pip:ofstable"),
        *_remove("small", "both", "pytorch", fires="PIP004 pip:torch"),
    )
