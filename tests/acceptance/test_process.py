"""Where batchrun is a library the process is its host's: an import and a job change nothing that acts on all of it."""

import json
import subprocess
import sys
from pathlib import Path

GLOBALS = """
import asyncio, csv, gc, importlib, json, locale, logging, os, pkgutil, random, resource, signal, socket, sqlite3, sys
import threading, warnings

def settings():
    return {
        "garbage collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0, list(gc.callbacks)),
        "warnings": list(warnings.filters),
        "csv": (csv.field_size_limit(), sorted(csv.list_dialects())),
        "sqlite3": (dict(sqlite3.adapters), dict(sqlite3.converters)),
        "signals": {one: signal.getsignal(one) for one in signal.valid_signals()},
        "event loop": type(asyncio.get_event_loop_policy()),
        "locale": locale.setlocale(locale.LC_ALL),
        "root logger": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "loggers": {log.name: (list(log.handlers), log.level) for log in logging.root.manager.loggerDict.values()
                    if isinstance(log, logging.Logger) and (log.handlers or log.level)},
        "log levels": logging.getLevelNamesMapping(),
        "environment": dict(os.environ),
        "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook, list(sys.meta_path)),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "interpreter": (sys.getrecursionlimit(), sys.getswitchinterval(), list(sys.path)),
        "limits": [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")],
        "random": random.getstate(),
        "timeout of sockets": socket.getdefaulttimeout(),
        "folder": os.getcwd(),
    }

def changed(before):
    after = settings()
    return {name: f"{value} became {after[name]}" for name, value in before.items() if value != after[name]}
"""

IMPORT_EVERYTHING = """
import batchrun
names = [module.name for module in pkgutil.walk_packages(batchrun.__path__, "batchrun.")]
modules = [importlib.import_module(name) for name in names if name != "batchrun.__main__"]
assert len(modules) > 100
"""

LIBRARIES = (
    GLOBALS
    + IMPORT_EVERYTHING
    + """
print(json.dumps([name for name in sys.modules if name.partition(".")[0] not in {"batchrun", "__main__"}]))
"""
)

IMPORTED = (
    GLOBALS
    + """
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # some only look like modules
before = settings()
"""
    + IMPORT_EVERYTHING
    + """
print(json.dumps(changed(before)))
"""
)

WORKED = (
    GLOBALS
    + IMPORT_EVERYTHING
    + """
gc.freeze()
before = settings()
summary = batchrun.run(batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True, sim=["duration=0.1"]))
assert summary.completed == 3, summary
print(json.dumps(changed(before)))
"""
)

COMMAND = """
import contextlib, gc, io, json, os, resource, sqlite3
from batchrun.cli.main import main
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "mimalloc"
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main(["--version"])
from batchrun.adapters.process import prepare_process
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
prepare_process()
soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
(nothing,) = sqlite3.connect(":memory:").execute("SELECT ?", (None,)).fetchone()
print(json.dumps({
    "the user's": os.environ["ARROW_DEFAULT_MEMORY_POOL"],
    "ours": os.environ["PYDANTIC_DISABLE_PLUGINS"],
    "open files": soft > 128 or soft == hard,
    "None": nothing,
    "garbage collector": gc.get_freeze_count() > 0 and gc.get_threshold()[0] > 700,
}))
"""


def told(program: str, folder: Path, asked: object = None) -> object:
    """What a program of its own prints."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=folder, input=json.dumps(asked), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_every_module_changes_nothing_of_the_process(tmp_path: Path) -> None:
    assert told(IMPORTED, tmp_path, told(LIBRARIES, tmp_path)) == {}, "what the libraries change is theirs"


def test_a_job_run_from_python_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n2,b\n3,c\n")
    assert told(WORKED, tmp_path) == {}


def test_the_command_line_s_own_process_is_made_fit_for_many_rows(tmp_path: Path) -> None:
    assert told(COMMAND, tmp_path) == {
        "the user's": "mimalloc",
        "ours": "true",
        "open files": True,
        "None": None,
        "garbage collector": True,
    }


FORKED = """
import json, os, sys

events = []
sys.addaudithook(lambda event, _: events.append(event) if event in ("os.fork", "os.forkpty") else None)
import batchrun

job = batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True, sim={"duration": "0"}, rps=1000)
assert batchrun.run(job).completed == 3
by_the_job = len(events)
if not os.fork():
    os._exit(0)
print(json.dumps([by_the_job, len(events)]))
"""
"""Count the forks of a job: a forked process would share the locks of the checkpoint. The last one is the control."""


def test_no_part_of_it_forks(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n2,b\n3,c\n")
    assert told(FORKED, tmp_path) == [0, 1]
