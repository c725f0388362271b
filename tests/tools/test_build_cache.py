"""The command that builds caches, as a user runs it: exit codes, what it prints, and kills with -9."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from raw_corpus import make_raw_recording

from dataloaders.cache import MotionCache
from dataloaders.cache_format import STREAMS
from emage.config import DataConfig
from emage.errors import InputError
from tools import build_cache

IDS = ["2_scott_0_1_1", "2_scott_0_9_9"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def corpus(tmp_path) -> Path:
    for seed, recording_id in enumerate(IDS):
        make_raw_recording(tmp_path / "corpus", recording_id, 1.0, seed=seed)
    return tmp_path / "corpus"


def arguments(corpus: Path, *more: str) -> list[str]:
    return [f"data.root={corpus}", f"data.cache_dir={corpus.parent / 'caches'}", "--processes", "1", *more]


def contents(corpus: Path, cache_dir: str) -> dict[str, bytes]:
    cache = MotionCache.open(DataConfig(root=str(corpus), cache_dir=str(corpus.parent / cache_dir)))
    return {f"{key}/{name}": cache.read(key, name).tobytes() for key in cache.recordings() for name in STREAMS}


def test_all_used_is_exit_0_again_and_again(corpus, capsys):
    assert build_cache.main(arguments(corpus)) == 0
    first = capsys.readouterr().out
    assert "2 recordings used in" in first
    assert f"notice: {IDS[0]}: Frame Time 0.008333 read as 1/120" in first
    assert build_cache.main(arguments(corpus, "--quiet")) == 0
    assert capsys.readouterr().out == first.splitlines(keepends=True)[-1]


def test_rejects_are_exit_3_and_listed_with_their_reason(corpus, capsys):
    (corpus / "2" / f"{IDS[0]}.wav").write_bytes(b"")
    for _ in range(2):  # the second time the cache is there
        assert build_cache.main(arguments(corpus)) == 3
        lines = capsys.readouterr().out.splitlines()
        (reject,) = [line for line in lines if line.startswith("rejected: ")]
        assert reject.startswith(f"rejected: {IDS[0]}: ")
        assert f"{IDS[0]}.wav" in reject
        assert lines[-1].startswith("1 recordings used in ")
        assert lines[-1].endswith(", 1 rejected")


def test_what_was_added_read_again_and_removed_is_counted(corpus, capsys):
    make_raw_recording(corpus, "2_scott_0_4_4", 1.0)
    build_cache.main(arguments(corpus, "--quiet"))
    assert "0 used from before, 3 added, 0 read again, 0 rejected, 0 removed" in capsys.readouterr().out
    make_raw_recording(corpus, "2_scott_0_2_2", 1.0)
    text = corpus / "2" / f"{IDS[0]}.txt"
    text.write_text(text.read_text() + "\n")
    for path in corpus.rglob(f"{IDS[1]}.*"):
        path.unlink()
    (corpus / "2" / "2_scott_0_3_3.wav").write_bytes(b"")
    assert build_cache.main(arguments(corpus)) == 3
    lines = capsys.readouterr().out.splitlines()
    assert f"removed: {IDS[1]}" in lines
    assert lines[-2] == "1 used from before, 1 added, 1 read again, 1 rejected, 1 removed from the corpus"
    assert lines[-1].startswith("3 recordings used in ")
    assert build_cache.main(arguments(corpus)) == 3
    assert "3 used from before, 0 added, 0 read again, 1 rejected" in capsys.readouterr().out


def test_nothing_built_is_exit_1(corpus, capsys):
    for path in corpus.rglob("*.json"):
        path.write_text("{}")
    assert build_cache.main(arguments(corpus, "--quiet")) == 1
    output = capsys.readouterr()
    assert [line.split(":")[0] for line in output.out.splitlines()[:2]] == ["rejected", "rejected"]
    assert output.err.strip() == "error: nothing built: none of the 2 recordings can be used"


@pytest.mark.parametrize(
    "change, expected",
    [
        ("data.root=nowhere", "data.root: nowhere: no such folder"),
        ("data.cache_dir=''", "data.cache_dir: not set"),
        ("data.fsp=15", "did you mean data.fps?"),
        ("data.speakers=[7]", "data.speakers: no recordings of 7; there are some of 2"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_1(corpus, capsys, change, expected):
    assert build_cache.main(arguments(corpus, change)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert expected in error


def test_the_command_that_an_error_names_makes_the_error_go_away(corpus, monkeypatch):
    build_cache.main(arguments(corpus))
    config = DataConfig(root=str(corpus), cache_dir=str(corpus.parent / "caches"), fps=30.0, speakers=["2"])
    with pytest.raises(InputError, match="data.fps: 30.0 is asked for, the cache has 15.0") as error:
        MotionCache.open(config)
    command = shlex.split(str(error.value).split("build it: ")[1])
    assert command[:2] == ["python", "tools/build_cache.py"]
    assert build_cache.main([*command[2:], "--quiet"]) == 0
    assert MotionCache.open(config).fps == 30


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit) as exit_:
        build_cache.main(["--help"])
    assert exit_.value.code == 0
    assert "python tools/build_cache.py data.root=DIR" in capsys.readouterr().out


def test_kill_9_of_the_command_leaves_no_reader_behind_and_the_same_command_goes_on(tmp_path):
    corpus = tmp_path / "corpus"
    for take in range(1, 9):
        make_raw_recording(corpus, f"2_scott_0_{take}_{take}", 1.0, seed=take)
    command = [
        sys.executable,
        str(ROOT / "tools" / "build_cache.py"),
        *arguments(corpus, "--processes", "2", "--quiet"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    partial = wait_for(lambda: next((corpus.parent / "caches").glob("*.partial/data.mdb"), None))
    wait_for(lambda: partial.exists() is False or partial.stat().st_size > 200_000)  # some recordings are written
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    wait_for(lambda: not members_of_session(process.pid))
    assert build_cache.main(arguments(corpus, "--quiet")) == 0
    shutil.copytree(corpus.parent / "caches", corpus.parent / "resumed")
    shutil.rmtree(corpus.parent / "caches")
    assert build_cache.main(arguments(corpus, "--quiet")) == 0
    assert contents(corpus, "resumed") == contents(corpus, "caches")


def wait_for(condition, seconds: float = 60.0):
    """Waits until a condition has a value that counts as true, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"nothing happened in {seconds} s")


def members_of_session(leader: int) -> list[int]:
    """Living processes of a session, from /proc; zombies do not count."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            members.append(int(stat.parent.name))
    return members
