"""What users build against a torch: one source, against whichever torch is installed where it is built.

Tied to it as most are (C++ names of its libraries), by its stable ABI alone, or by what builds for CUDA have.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.truth.libraries import SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.truth.installations import Source

# What an extension of each tie is linked to.
TIES = {"linked": ("torch_python", "torch_cpu", "c10"), "stable": ("torch_cpu",), "cuda": ("c10_cuda",)}


def write_source(folder: Path, source: Source) -> None:
    """A source distribution whose extension is made of the torch that is installed where it is built."""
    tie = source.torch or "linked"
    package = folder / source.name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"import torch\n\nfrom {source.name}._core import answer\n")
    shutil.copyfile(SOURCES / "extensions" / "torch.cpp", folder / "extension.cpp")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    path = [] if source.run_path == "none" else ["-Wl,-rpath,$ORIGIN/../torch/lib"]
    (folder / "setup.py").write_text(
        "import os\n"
        "from importlib.util import find_spec\n"
        "from setuptools import Extension, setup\n"
        "torch = os.path.dirname(find_spec('torch').origin)\n"
        f"core = Extension({source.name + '._core'!r}, ['extension.cpp'], language='c++',\n"
        f"    define_macros=[({'LAB_' + tie.upper()!r}, '1')], libraries={list(TIES[tie])!r},\n"
        "    include_dirs=[os.path.join(torch, 'include'),\n"
        "        os.path.join(torch, 'include', 'torch', 'csrc', 'api', 'include')],\n"
        "    library_dirs=[os.path.join(torch, 'lib')],\n"
        f"    extra_compile_args=['-std=c++20', '-O1'], extra_link_args={['-Wl,--no-as-needed', *path]!r})\n"
        f"setup(name={source.name!r}, version='1.0', packages=[{source.name!r}], ext_modules=[core],\n"
        f"    install_requires={['torch'] if source.says_torch else []!r})\n"
    )
