"""The repodata that a channel in a local folder has for one platform.

Only `repodata.json` can be read where it lies. A folder with nothing but the packed form has it unpacked into the
planner's own cache folder; nothing is ever written beside it. Whether the file is whole is seen in `planner.channels`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Callable


def repodata_file(folder: Path, cache_dir: str, report: Callable[[str], None]) -> str | None:
    """The path of the best repodata in the folder of one platform, None without any. Raises `ChannelError`."""
    whole, packed, current = (folder / name for name in ("repodata.json", "repodata.json.zst", "current_repodata.json"))
    if whole.is_file():
        return str(whole)
    if packed.is_file():
        return _unpacked(packed, cache_dir)
    if current.is_file():
        report(f"{folder} has no repodata.json: read from current_repodata.json, which has the newest versions only")
        return str(current)
    return None


def _unpacked(packed: Path, cache_dir: str) -> str:
    decompress = _decompressor()
    if decompress is None:
        raise ChannelError(
            f"{packed} is packed and this Python cannot unpack it: unpack it there (zstd -d), or install zstandard"
        )
    try:
        content = packed.read_bytes()
        target = Path(cache_dir, "unpacked", hashlib.sha256(content).hexdigest()[:16] + ".json")
        if not target.exists():
            text = decompress(content)
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_suffix(f".{os.getpid()}")
            fresh.write_bytes(text)
            fresh.replace(target)
    except OSError as error:
        raise ChannelError(f"{packed} cannot be unpacked: {error}") from None
    except Exception as error:  # noqa: BLE001 -- each unpacker raises its own class
        raise ChannelError(f"{packed} cannot be unpacked, it is cut short or not zstd: {error}") from None
    return str(target)


def _decompressor() -> Callable[[bytes], bytes] | None:
    """Python's own unpacker (3.14) or the zstandard package, whichever is there."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # new in Python 3.14
    except ImportError:
        pass
    else:
        unpack: Callable[[bytes], bytes] = zstd.decompress
        return unpack
    try:
        import zstandard
    except ImportError:
        return None

    def frames(content: bytes) -> bytes:
        parts = []
        while content:
            frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(frame.decompress(content))
            if not frame.eof:
                raise ValueError("its last frame does not end")
            content = frame.unused_data
        return b"".join(parts)

    return frames
