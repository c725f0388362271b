"""`generate`, `view` and `evaluate` run where the modules of POSIX systems are missing, as on Windows."""

import os
import subprocess
import sys
from pathlib import Path

import soundfile
from viewer.results import tone

ROOT = Path(__file__).resolve().parents[1]
RUN = """
import sys

for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "readline"):
    sys.modules[name] = None  # an import of it fails
from emage.cli import main

for arguments in (
    ["generate", "speech.wav", "--out", "real", "--text", "well hello there", "--seed", "1"],
    ["generate", "speech.wav", "--out", "made", "--formats", "bvh,json,csv,npz,smplx,words,html"],
    ["view", "made/speech.bvh", "real/speech.npz", "--audio", "speech.wav"],
    ["evaluate", "--generated", "made", "--reference", "real", "--audio", ".", "--out", "report"],
):
    code = main(arguments)
    assert code == 0, (arguments, code)
"""


def test_generate_view_and_evaluate_need_no_posix_module(tmp_path):
    soundfile.write(tmp_path / "speech.wav", tone(3.0).waveform, tone().sample_rate)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("made/speech.html", "made/speech_view.html", "report/report.html"):
        assert (tmp_path / name).stat().st_size > 0
