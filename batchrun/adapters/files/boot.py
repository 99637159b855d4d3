"""Which boot of the machine this is."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def boot_id() -> str | None:
    """A text that is different after each boot of the machine; None if the system has none."""
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            return _sysctl("kern.bootsessionuuid")
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() or None
    return None


def _sysctl(name: str) -> str | None:
    done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip() or None
