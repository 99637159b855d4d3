"""Where memory runs out so that Python can tell nobody, the process ends as if it had been killed, and says so."""

import subprocess
import sys

import pytest

LOST = {
    "a callback of the loop": "asyncio.get_running_loop().call_soon(fail); await asyncio.sleep(30)",
    "a destructor": "Lost(); await asyncio.sleep(30)",
    "a thread": "threading.Thread(target=fail).start(); await asyncio.sleep(30)",
}
PROGRAM = """
import asyncio, threading
from batchrun.adapters.event_loop import run_in_loop
from batchrun.app.memory_shortage import ending_without_memory, on_loop_error

def fail():
    raise {error}

class Lost:
    def __del__(self):
        fail()

async def main():
    {work}

with ending_without_memory():
    run_in_loop(main(), on_loop_error)
"""


@pytest.mark.parametrize("place", LOST)
def test_the_process_ends(place: str) -> None:
    program = PROGRAM.format(error="MemoryError", work=LOST[place])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 74
    assert done.stderr.startswith("Error: memory ran out; what is recorded is safe. Free some")


@pytest.mark.parametrize("place", LOST)
def test_other_errors_are_reported_as_ever(place: str) -> None:
    work = LOST[place].replace("sleep(30)", "sleep(0.2)")
    program = PROGRAM.format(error="KeyError(5)", work=work)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0
    assert "KeyError: 5" in done.stderr
