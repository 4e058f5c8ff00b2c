"""Wheels of the lab's own: metadata beside a staged package, and the archive that pip installs."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_EPOCH = (2024, 1, 1, 0, 0, 0)


def write_metadata(site: Path, name: str, version: str, tag: str, *requires: str, installer: str = "conda") -> None:
    """The dist-info of a distribution that lies in `site`, as an installer leaves it."""
    information = site / f"{name}-{version}.dist-info"
    information.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
    (information / "WHEEL").write_text(
        f"Wheel-Version: 1.0\nGenerator: truth lab\nRoot-Is-Purelib: false\nTag: {tag}\n"
    )
    (information / "top_level.txt").write_text(f"{name}\n")
    (information / "INSTALLER").write_text(f"{installer}\n")


def pack(site: Path, name: str, version: str, tag: str, target: Path) -> Path:
    """The wheel of all that lies in `site`, in the folder `target`."""
    information = f"{name}-{version}.dist-info"
    (site / information / "INSTALLER").unlink()  # pip writes its own
    path = target / f"{name}-{version}-{tag}.whl"
    rows = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(site.rglob("*")):
            if not file.is_file():
                continue
            content, inner = file.read_bytes(), file.relative_to(site).as_posix()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"{inner},sha256={digest},{len(content)}\n")
            archive.writestr(zipfile.ZipInfo(inner, _EPOCH), content)
        rows.append(f"{information}/RECORD,,\n")
        archive.writestr(zipfile.ZipInfo(f"{information}/RECORD", _EPOCH), "".join(rows))
    return path
