"""The `emage` command: help and usage errors without the libraries that the work needs; every number checked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emage.cli import COMMANDS, main
from emage.commands.arguments import convert_face, numbers
from emage.completion import GIVEN_PARTS
from emage.motion.arkit_flame import METHODS
from emage.motion.face_file import DEFAULT_FPS

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "scipy", "librosa", "matplotlib", "accelerate", "tensorboard", "omegaconf", "soundfile", "lmdb"}
NOT_FOR_GENERATE = {
    "accelerate",
    "librosa",
    "matplotlib",
    "scipy",
    "tensorboard",
    "pocketsphinx",
    "PIL",
    "lmdb",
    "smplx",
}


def modules_after(code: str) -> set[str]:
    """Top level modules of a fresh process that ran `code`."""
    code = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def exits(*arguments: str) -> str:
    """Code that runs the command up to its exit."""
    return f"import emage.cli\ntry: emage.cli.main({list(arguments)!r})\nexcept SystemExit: pass"


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), (), ("nope",)])
def test_the_command_alone_imports_nothing_but_the_standard_library(arguments):
    assert not modules_after(exits(*arguments)) & (HEAVY | {"numpy"})


@pytest.mark.parametrize("command", [*COMMANDS, "evaluate singinghead"])
def test_help_and_usage_errors_of_a_subcommand_import_no_heavy_library(command):
    assert not modules_after(exits(*command.split(), "--help")) & HEAVY
    assert not modules_after(exits(*command.split(), "--no-such-option")) & HEAVY


def test_what_generate_imports_is_torch_and_little_else():
    modules = modules_after("import emage.commands.generate")
    assert {"torch", "numpy", "soundfile"} <= modules
    assert not modules & NOT_FOR_GENERATE


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(["--help"])
    assert exit_code.value.code == 0
    out = capsys.readouterr().out
    assert all(f"\n    {name}" in out for name in COMMANDS)
    assert list(COMMANDS) == ["generate", "view", "info", "evaluate", "convert-face"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_its_arguments_and_examples(capsys, command):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    out = capsys.readouterr().out
    assert out.startswith(f"usage: emage {command}")
    assert f"\n  emage {command} " in out  # an example on a line of its own


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "the following arguments are required: COMMAND; see emage --help"),
        (("nope",), "invalid choice: 'nope'"),
        (("generate",), "required: AUDIO; see emage generate --help"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_code:
        main(list(arguments))
    assert exit_code.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert message in err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("generate", "a.wav", "--fps", "nan"), "--fps: got nan; expected frames per second from 1 to 240"),
        (("generate", "a.wav", "--fps", "inf"), "--fps: got inf"),
        (("generate", "a.wav", "--fps", "0.5"), "--fps: got 0.5"),
        (("generate", "a.wav", "--fps", "240.1"), "--fps: got 240.1"),
        (("generate", "a.wav", "--fps", "-25"), "--fps: got -25"),
        (("generate", "a.wav", "--fps", "fast"), "--fps: got 'fast'"),
        (("generate", "a.wav", "--seed", "-1"), "--seed: got -1; expected a whole number from 0"),
        (("generate", "a.wav", "--seed", str(2**63)), "--seed: got"),
        (("generate", "a.wav", "--seed", "1.5"), "--seed: got '1.5'"),
        (("generate", "a.wav", "--steps", "0"), "--steps: got 0; expected a number of steps from 1 to 1000"),
        (("generate", "a.wav", "--steps", str(10**20)), "--steps: got"),
        (("generate", "a.wav", "--temperature", "inf"), "--temperature: got inf; expected a number from 0 to 100"),
        (("generate", "a.wav", "--temperature", "-0.1"), "--temperature: got -0.1"),
        (("generate", "a.wav", "--guidance", "nan"), "--guidance: got nan"),
        (("generate", "a.wav", "--samples", "0"), "--samples: got 0"),
        (("generate", "a.wav", "--fps", "x" * 5000), "--fps: got '" + "x" * 40 + "...'; expected"),
        (("evaluate", "--seed", "-1"), "--seed: got -1"),
        (("evaluate", "--fps", "nan"), "--fps: got nan"),
        (("evaluate", "singinghead", "--root", "r", "--seed", "-1"), "--seed: got -1"),
        (("convert-face", "a.npz", "b.json", "--to", "arkit", "--fps", "nan"), "--fps: got nan"),
    ],
)
def test_a_number_out_of_its_range_is_one_line_and_exit_code_1(capsys, arguments, message):
    assert main(list(arguments)) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"error: {message}")


@pytest.mark.parametrize("text, value", [("29.97", 29.97), ("1", 1.0), ("240", 240.0), ("2.4e1", 24.0)])
def test_a_rate_need_not_be_whole(text, value):
    assert numbers.number("--fps", float, 1, 240, "frames per second")(text) == value


@pytest.mark.parametrize("text", ["", "nan", "0.99", "240.01", "1e999", "24 fps", "24,5"])
def test_a_number_out_of_range_is_refused(text):
    with pytest.raises(numbers.NumberError, match="--fps: got .*; expected frames per second from 1 to 240"):
        numbers.number("--fps", float, 1, 240, "frames per second")(text)


def test_what_the_arguments_repeat_is_what_the_modules_that_work_hold(capsys):
    """The arguments spell out what lies in modules that are slow to import."""
    assert convert_face.METHODS == METHODS
    for command, text in (
        ("generate", f"parts: {', '.join(GIVEN_PARTS)}"),
        ("convert-face", f"default {DEFAULT_FPS:g}"),
    ):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert text in " ".join(capsys.readouterr().out.split())
