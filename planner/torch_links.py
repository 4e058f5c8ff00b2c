"""How the compiled code of one of pip's distributions is tied to torch: what its objects are linked to, and by which names.

Objects are read, never loaded. C++ names of torch's (`at::`, `c10::`, `torch::`) hold from one minor to the next by chance
alone; the C names of its stable ABI (`aoti_torch_*`, `torch_*`) are kept. Which torch is planned is the rules' business.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.abi.elf import ElfFacts, read_elf
from planner.abi.symbols import undefined_symbols
from planner.model.installed import TorchLink

if TYPE_CHECKING:
    from planner.model.installed import PipDist

_LIBRARY = re.compile(r"^lib(?:torch|c10|shm)(?:_[a-z0-9_]+)?\.so")
# Mangled names with `at`, `c10` or `torch` as their outermost namespace, special names (`_ZTVN3c10...`) among them.
_OF_TORCH = re.compile(r"^_Z(?:T[ISV])?N[KVr]*(?:2at|3c10|5torch)\d")
_STABLE = re.compile(r"^(?:aoti_)?torch_")


def torch_link(prefix: str, dist: PipDist) -> TorchLink | None:
    """The tie of a distribution to torch; None where not all of its objects can be read, so that nothing follows."""
    found = TorchLink("none")
    unknown = not dist.extensions
    for extension in dist.extensions:
        path = f"{dist.location}/{extension}"
        link = _of_object(os.path.join(prefix, *path.split("/")), path)
        if link is None:
            unknown = True
        elif link.kind == "linked":
            return link
        elif link.kind == "stable":
            found = link
    return None if unknown else found


def _of_object(path: str, shown: str) -> TorchLink | None:
    facts = read_elf(path)
    symbols = undefined_symbols(path) if isinstance(facts, ElfFacts) else None
    if not isinstance(facts, ElfFacts) or not isinstance(symbols, tuple):
        return None
    libraries = tuple(name for name in facts.needed if _LIBRARY.match(name))
    names = [symbol.name for symbol in symbols]
    bound = next((name for name in names if _OF_TORCH.match(name)), None)
    if bound is not None:
        return TorchLink("linked", shown, libraries, bound)
    stable = next((name for name in names if _STABLE.match(name)), None)
    if stable is not None:
        return TorchLink("stable", shown, libraries, stable)
    # Linked to torch, and no name of it that is known here: nothing says which ABI it needs.
    return TorchLink("linked", shown, libraries) if libraries else TorchLink("none", shown)
