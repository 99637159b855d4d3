"""A small disk in a mount namespace of its own: nobody else sees it, and it is gone when the process ends."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.figures import NotPossibleError

_ROOT = Path(__file__).parent.parent.parent


def in_namespace(module: str, *arguments: str) -> str:
    """Run a Python module in a mount namespace of its own, and return what it prints.

    Raises `NotPossibleError` where that is not allowed.
    """
    unshare = ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--mount", "--propagation", "private"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    ):
        raise NotPossibleError("a small disk cannot be mounted here (root, or a user namespace, is needed)")
    command = [*unshare, sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class SmallDisk:
    """A disk in memory. It can only be made within `in_namespace`."""

    def __init__(self, folder: Path, kib: int) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))

    def resize(self, kib: int) -> None:
        """Make it larger or smaller."""
        _mount("-o", f"remount,size={kib}k", str(self.folder))

    def set_read_only(self, *, on: bool) -> None:
        """Let nobody write to it, or let them."""
        _mount("-o", "remount,ro" if on else "remount,rw", str(self.folder))

    def fill(self) -> None:
        """Let no room be left."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Give the room back that `fill` has taken."""
        (self.folder / "filler").unlink()

    def unmount(self) -> None:
        """Remove it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def _mount(*arguments: str) -> None:
    command: Sequence[str] = ["mount", *arguments]
    subprocess.run(command, capture_output=True, check=True)
