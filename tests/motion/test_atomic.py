import os
import signal
import subprocess
import sys

import pytest

from emage.motion.atomic import partial_file, write_text_atomic


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.b.bvh"
    with partial_file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text_atomic(tmp_path / "a.json", "old")

    def fail_half_way() -> None:
        with partial_file(tmp_path / "a.json") as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("ending", [".bvh", ".json", ".npz", ".mp4", ".html", "_smplx.npz", ".words.json", ""])
def test_a_partial_file_is_hidden_and_has_no_ending_of_a_result(tmp_path, ending):
    with partial_file(tmp_path / f"a{ending}") as partial:
        assert partial.name.startswith(".")
        assert partial.suffix == ".partial"
        partial.write_text("")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_what_a_killed_writer_leaves_is_no_result(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from emage.motion.atomic import partial_file\n"
        "with partial_file(sys.argv[1]) as partial:\n"
        "    partial.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = [os.getcwd(), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "long.bvh")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
    )
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".long.bvh.")
    assert left.suffix == ".partial"
