"""What is loaded when: scores need no extra, and figures say what to install."""

import subprocess
import sys

import pytest


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert not done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("library", ["numpy", "scipy"])
def test_figures_without_the_extra_name_it(library: str) -> None:
    code = f"""
import sys
sys.modules[{library!r}] = None
from batchrun.errors import InputError
from batchrun.scoring.extra import refuse_missing_extra
try:
    refuse_missing_extra()
except InputError as error:
    print(error)
"""
    said = python(code)
    assert library in said
    assert "pip install 'batchrun[sweep]'" in said


def test_scores_are_made_without_the_extra() -> None:
    code = """
import sys
sys.modules["numpy"] = sys.modules["scipy"] = None
from batchrun.scoring import requirements
from batchrun.scoring.scorer import compile_scorer
from batchrun.scoring.specs import parse_score
print(compile_scorer(parse_score("s=exact:x:1"), None)('{"x": 1}', {}).value)
"""
    assert python(code) == "1.0"


def test_the_package_and_the_commands_that_run_jobs_do_not_load_scipy() -> None:
    code = "import sys, batchrun, batchrun.cli.main, batchrun.app.run; print('scipy' in sys.modules)"
    assert python(code) == "False"


def test_a_job_without_scorers_does_not_load_what_they_need() -> None:
    code = "import sys, batchrun.scoring.specs; print({'jmespath', 'numpy', 'scipy'} & set(sys.modules))"
    assert python(code) == "set()"


@pytest.mark.parametrize("command", ["compare", "score", "run"])
def test_no_command_needs_the_extra_to_start(command: str) -> None:
    code = (
        f"import sys; sys.modules['numpy'] = None; from batchrun.cli.main import main; main([{command!r}, 'nowhere'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2, done.stderr
    assert "a bug in batchrun" not in done.stderr
