"""The command that makes the synthetic corpus, as a user runs it."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import make_corpus

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
)
ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--speakers", "2", "--recordings", "3", "--seconds", "4", "--processes", "1"]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_makes_a_corpus_then_finds_it(tmp_path, capsys):
    out = str(tmp_path / "corpus")
    assert make_corpus.main(["--out", out, *SMALL]) == 0
    assert f"{out}: 3 recordings made, 0 found" in capsys.readouterr().out
    made = contents(tmp_path)
    assert len([name for name in made if name.endswith(".bvh")]) == 3
    assert make_corpus.main(["--out", out, *SMALL]) == 0
    assert "0 recordings made, 3 found" in capsys.readouterr().out
    assert contents(tmp_path) == made


def test_other_arguments_are_one_line_and_exit_code_1(tmp_path, capsys):
    out = str(tmp_path / "corpus")
    assert make_corpus.main(["--out", out, *SMALL]) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    assert make_corpus.main(["--out", out, *SMALL, "--seed", "7"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "seed 0, now 7" in error
    assert error.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--speakers", "11", "choose from 1 to 10"),
        ("--seconds", "0.5", "choose from 4 to 600"),
        ("--processes", "0", "at least one"),
    ],
)
def test_values_out_of_range_are_one_line(tmp_path, capsys, option, value, message):
    assert make_corpus.main(["--out", str(tmp_path / "corpus"), option, value]) == 1
    error = capsys.readouterr().err
    assert option in error
    assert value in error
    assert message in error
    assert not (tmp_path / "corpus").exists()


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        make_corpus.main(["--help"])
    assert "python tools/make_corpus.py --out" in capsys.readouterr().out


def test_a_run_that_was_killed_goes_on_to_the_same_corpus(tmp_path):
    arguments = ["--speakers", "2", "--recordings", "8", "--seconds", "4"]
    assert make_corpus.main(["--out", str(tmp_path / "whole"), *arguments, "--processes", "1"]) == 0
    command = [sys.executable, "-m", "tools.make_corpus", "--out", str(tmp_path / "killed"), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed").rglob("*.bvh")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)  # the workers too
    assert process.wait() == -signal.SIGKILL
    assert contents(tmp_path / "killed") != contents(tmp_path / "whole")
    assert make_corpus.main(["--out", str(tmp_path / "killed"), *arguments, "--processes", "1"]) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
