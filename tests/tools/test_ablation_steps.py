"""Steps of an ablation with stub commands: what is finished is not run again, also after a kill at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ablation_steps import Journal, Runner, Step, claim

from emage.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = {"config": "a.yaml", "seeds": [0]}


def noting(name: str, folder: Path, then: str = "") -> Step:
    """A step that leaves a line in a file."""
    code = f"open({str(folder / 'ran.txt')!r}, 'a').write({name!r} + '\\n'); {then}"
    return Step(name, ("-c", code))


def ran(folder: Path) -> list[str]:
    path = folder / "ran.txt"
    return sorted(path.read_text().split()) if path.is_file() else []


def run(folder: Path, steps: list[Step], arguments: dict = ARGUMENTS, at_once: int = 2) -> dict:
    with claim(folder) as lock:
        return Runner(folder, Journal(folder, arguments, "abc"), lock, at_once=at_once).run(steps)


def test_each_step_runs_once(tmp_path):
    steps = [noting(name, tmp_path) for name in ("a", "b", "c")]
    first = run(tmp_path, steps)
    assert ran(tmp_path) == ["a", "b", "c"]
    assert run(tmp_path, steps) == first
    assert ran(tmp_path) == ["a", "b", "c"]
    assert all(done.commit == "abc" and done.attempts == 1 and not done.was_killed for done in first.values())


def test_seconds_are_those_of_one_core_and_not_of_the_clock(tmp_path):
    busy = "import time; t = time.process_time()\nwhile time.process_time() < t + 0.6: pass"
    steps = [Step("busy", ("-c", busy)), Step("idle", ("-c", "import time; time.sleep(0.8)"))]
    done = run(tmp_path, steps)
    assert done["busy"].cpu_s >= 0.6
    assert done["idle"].wall_s >= 0.8
    assert done["idle"].cpu_s < 0.5


def test_children_of_a_step_count_too(tmp_path):
    child = "import time; t = time.process_time()\nwhile time.process_time() < t + 0.4: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert run(tmp_path, [Step("parent", ("-c", code))])["parent"].cpu_s >= 0.4


def test_a_step_that_fails_stops_the_rest_and_only_what_is_missing_runs_later(tmp_path):
    flag = tmp_path / "mended"
    failing = noting("b", tmp_path, f"import os, sys; sys.exit(0 if os.path.exists({str(flag)!r}) else 'it is broken')")
    steps = [noting("a", tmp_path), failing, noting("c", tmp_path)]
    with pytest.raises(InputError, match="the step 'b' ended with exit code 1: it is broken; see .*b.log"):
        run(tmp_path, steps, at_once=1)
    assert ran(tmp_path) == ["a", "b"]
    flag.touch()
    done = run(tmp_path, steps, at_once=1)
    assert ran(tmp_path) == ["a", "b", "b", "c"]
    assert (done["a"].attempts, done["b"].attempts) == (1, 2)


def test_another_command_of_the_same_name_is_run(tmp_path):
    run(tmp_path, [noting("a", tmp_path)])
    run(tmp_path, [noting("a", tmp_path, "pass")])
    assert ran(tmp_path) == ["a", "a"]


def test_a_folder_of_other_arguments_is_refused(tmp_path):
    run(tmp_path, [noting("a", tmp_path)])
    with pytest.raises(InputError, match="other arguments"):
        run(tmp_path, [noting("a", tmp_path)], {"config": "b.yaml", "seeds": [0]})


def test_facts_stay_as_they_were_decided(tmp_path):
    with claim(tmp_path):
        assert Journal(tmp_path, ARGUMENTS, "abc").fact("steps", 100) == 100
        assert Journal(tmp_path, ARGUMENTS, "abc").fact("steps", 120) == 100


def test_steps_run_beside_each_other(tmp_path):
    """Each waits for the other's sign: one after the other they would wait for ever."""

    def meeting(own: str, other: str) -> Step:
        code = f"""
import pathlib, time
folder = pathlib.Path({str(tmp_path)!r})
(folder / {own!r}).touch()
while not (folder / {other!r}).exists():
    time.sleep(0.02)
"""
        return Step(own, ("-c", code))

    assert len(run(tmp_path, [meeting("x", "y"), meeting("y", "x")])) == 2


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_ablation_goes_on_where_it_was(tmp_path, signal_number):
    wait = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)"
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
from pathlib import Path
from ablation_steps import Journal, Runner, Step, claim
folder = Path({str(tmp_path)!r})
steps = [Step(*row) for row in {[(s.name, s.command) for s in _two_steps(tmp_path, wait)]!r}]
with claim(folder) as lock:
    Runner(folder, Journal(folder, {ARGUMENTS!r}, "abc"), lock, at_once=1).run(steps)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)})
    _wait_until(lambda: "slow" in ran(tmp_path))
    parent.send_signal(signal_number)
    assert parent.wait(timeout=60) != 0
    if signal_number == signal.SIGKILL:  # the step outlives it and still holds the folder
        with pytest.raises(InputError, match="still runs there"):
            run(tmp_path, _two_steps(tmp_path, wait))
        (tmp_path / "go").touch()
    _wait_until(lambda: _is_free(tmp_path))
    (tmp_path / "go").touch()
    done = run(tmp_path, _two_steps(tmp_path, wait))
    assert ran(tmp_path) == ["quick", "slow", "slow"]
    assert done["slow"].was_killed
    assert not done["quick"].was_killed
    assert set(json.loads((tmp_path / "journal.json").read_text())["done"]) == {"quick", "slow"}


def _two_steps(folder: Path, wait: str) -> list[Step]:
    write = f"open({str(folder / 'ran.txt')!r}, 'a').write('slow\\n')"
    return [noting("quick", folder), Step("slow", ("-c", f"{write}\n{wait}"))]


def _is_free(folder: Path) -> bool:
    try:
        with claim(folder):
            return True
    except InputError:
        return False


def _wait_until(happens) -> None:
    for _ in range(3000):
        if happens():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")
