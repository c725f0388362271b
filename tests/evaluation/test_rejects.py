"""One file that cannot be used costs its own recording: the others are scored, it is listed, and the exit code is 3."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from other_systems import write_audio, write_system

from emage import cli
from emage.errors import InputError
from emage.evaluation import read_folders, scoring
from emage.evaluation.rejects import check_face, check_fps, reason_of
from emage.motion.arkit import read_arkit

IDS = ("a_1", "b_2", "c_3")
BAD = "b_2"


@pytest.fixture
def sides(tmp_path) -> dict[str, Path]:
    """Three recordings of two systems, of the real people, and their sound; tests spoil the second recording."""
    made = {
        "generated": write_system(tmp_path / "generated", IDS, seconds=3.0, size_deg=15.0, seed=1),
        "reference": write_system(tmp_path / "reference", IDS, seconds=3.0),
        "other": write_system(tmp_path / "other", IDS, seconds=3.0, seed=5),
        "audio": write_audio(tmp_path / "audio", IDS, seconds=3.0),
    }
    return made


def evaluate(sides, *more: str) -> tuple[int, dict]:
    out = sides["audio"].parent / "out"
    arguments = ["--generated", "generated", "--reference", "reference", "--compare", "other", "--audio", "audio"]
    arguments = [str(sides.get(name, name)) for name in arguments]
    code = cli.main(["evaluate", *arguments, "--no-intervals", "--out", str(out), *more])
    return code, json.loads((out / "metrics.json").read_text()) if (out / "metrics.json").is_file() else {}


def by_turns(values) -> list[tuple]:
    """Each value with one of the sides; a report takes a second."""
    return list(zip(values, itertools.cycle(("generated", "reference", "other"))))


def reasons(results: dict, metric: str) -> list[str]:
    return [row["reason"] for row in results["not_scored"] if (row["id"], row["metric"]) == (BAD, metric)]


def changed_weight(path: Path, weight: str) -> bytes:
    node = json.loads(path.read_text())
    node["frames"][4]["weights"][7] = "HERE"
    return json.dumps(node).replace('"HERE"', weight).encode()


def changed_time(path: Path, frame: int, time: str) -> bytes:
    node = json.loads(path.read_text())
    node["frames"][frame]["time"] = "HERE"
    return json.dumps(node).replace('"HERE"', time).encode()


FACES = {
    "empty": lambda path: b"",
    "no json": lambda path: b"\x00\xff" * 100,
    "cut off": lambda path: path.read_bytes()[:2000],
    "nested deeply": lambda path: b'{"names": ' + b"[" * 100_000,
    "a weight that float32 cannot hold": lambda path: changed_weight(path, "1e300"),
    "a weight of 400 digits": lambda path: changed_weight(path, "1" + "0" * 400),
    "a weight of 5000 digits": lambda path: changed_weight(path, "1" * 5000),
    "a weight that is not finite": lambda path: changed_weight(path, "NaN"),
    "a weight of a million": lambda path: changed_weight(path, "1e6"),
    "a time of 400 digits": lambda path: changed_time(path, -1, "1" + "0" * 400),
    "a gap of years": lambda path: changed_time(path, -1, "1e9"),
    "a time that is not finite": lambda path: changed_time(path, -1, "Infinity"),
}


@pytest.mark.parametrize(("content", "side"), by_turns(FACES.values()), ids=FACES.keys())
def test_a_bad_face_costs_the_face_of_its_recording(sides, content, side):
    path = sides[side] / f"{BAD}.json"
    path.write_bytes(content(path))
    code, results = evaluate(sides)
    assert code == 3
    (reason,) = reasons(results, "face")
    assert str(path) in reason
    assert "\n" not in reason
    assert results["counts"]["recordings"] == 3  # its body is scored
    assert results["measures"]["face_mae_all"]["num_recordings"] == 2
    assert results["measures"]["hellinger"]["num_recordings"] == 3
    assert str(path) in (sides["audio"].parent / "out" / "report.html").read_text(encoding="utf-8")


def header(path: Path, **changes: str) -> bytes:
    text = path.read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        for start, value in changes.items():
            if line.strip().startswith(start):
                lines[number] = value
                del changes[start]
                break
    return "\n".join(lines).encode()


def with_last_value(path: Path, value: str) -> bytes:
    return (path.read_text().rstrip().rpartition(" ")[0] + f" {value}\n").encode()


BODIES = {
    "empty": lambda path: b"",
    "bytes": lambda path: b"\x00\xff" * 100,
    "cut in the header": lambda path: path.read_bytes()[:300],
    "cut in the frames": lambda path: path.read_bytes()[:-2000],
    "joints nobody knows": lambda path: path.read_bytes().replace(b"JOINT ", b"JOINT bone_of_a_horse_"),
    "a rate of 1e300 frames": lambda path: header(path, Frame="").replace(b"Frame Time", b"x"),
    "a frame time of 1e-9": lambda path: path.read_bytes().replace(b"Frame Time: 0.03", b"Frame Time: 1e-9 #"),
    "an angle of 1e308": lambda path: with_last_value(path, "1e308"),
    "an angle of 1e30": lambda path: with_last_value(path, "1e30"),
    "an angle that is not a number": lambda path: with_last_value(path, "nan"),
    "an offset of 1e300": lambda path: path.read_bytes().replace(b"OFFSET", b"OFFSET 1e300 0 0 #", 1),
}


@pytest.mark.parametrize(("content", "side"), by_turns(BODIES.values()), ids=BODIES.keys())
def test_a_bad_body_costs_the_body_of_its_recording(sides, content, side):
    path = sides[side] / f"{BAD}.bvh"
    path.write_bytes(content(path))
    code, results = evaluate(sides)
    assert code == 3
    (reason,) = reasons(results, "body")
    assert str(path) in reason
    assert "\n" not in reason
    assert results["measures"]["hellinger"]["num_recordings"] == 2
    assert results["measures"]["face_mae_all"]["num_recordings"] == 3


FEW_JOINTS = """HIERARCHY
ROOT {0}
{{
OFFSET 0 0 0
CHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation
JOINT {1}
{{
OFFSET 0 10 0
CHANNELS 3 Xrotation Yrotation Zrotation
JOINT {2}
{{
OFFSET 0 10 0
CHANNELS 3 Xrotation Yrotation Zrotation
}}
}}
}}
MOTION
Frames: 2
Frame Time: 0.008333
0 90 0 0 0 0 0 0 0 0 0 0
0 90 0
"""


def test_the_header_of_a_damaged_body_changes_nothing_for_the_others(sides):
    """Joints, rate and axes of the evaluation come from the files that are scored."""
    for side in ("generated", "reference", "other"):
        (sides[side] / f"{BAD}.bvh").unlink()
        (sides[side] / f"{BAD}.json").unlink()
    _, without = evaluate(sides)
    write_system(sides["reference"], (BAD,), seconds=3.0)
    for side, joints in (
        ("generated", ("Hips", "Spine", "Neck")),
        ("other", ("LeftHand", "LeftHandIndex1", "LeftHandIndex2")),
    ):
        (sides[side] / f"{BAD}.bvh").write_text(FEW_JOINTS.format(*joints))
    code, results = evaluate(sides)
    assert code == 3
    assert len(reasons(results, "body")) == 2
    assert results["joints"] == without["joints"]
    assert results["fps"] == without["fps"]
    scores = {name: row["value"] for name, row in results["measures"].items()}
    assert scores == pytest.approx({name: row["value"] for name, row in without["measures"].items()}, nan_ok=True)


def not_finite(path: Path) -> None:
    soundfile.write(path, np.full(48000, np.nan, np.float32), 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"RIFF" * 20), not_finite]
)
def test_a_bad_sound_costs_the_beats_of_its_recording(sides, spoil):
    spoil(sides["audio"] / f"{BAD}.wav")
    code, results = evaluate(sides)
    assert code == 3
    assert f"{BAD}.wav" in reasons(results, "beat_align")[0]
    assert results["measures"]["beat_align"]["num_recordings"] == 2
    assert results["measures"]["hellinger"]["num_recordings"] == 3


@pytest.mark.parametrize("count", ["1e999", "-1", "nan", "9" * 5000])
def test_a_bad_textgrid_or_label_file_costs_its_metric(sides, count):
    grid = sides["reference"] / f"{BAD}.TextGrid"
    grid.write_text(f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n{count}\n')
    (sides["reference"] / f"{BAD}.txt").write_text(f"01_beat\t0\t1\t{count}\tx\nbroken\n")
    code, results = evaluate(sides)
    assert code == 3
    assert str(grid) in reasons(results, "lip_closure")[0]
    assert f"{BAD}.txt" in reasons(results, "srgr")[0]
    assert results["measures"]["hellinger"]["num_recordings"] == 3


PLACES = [
    ("emage.evaluation.bodies.parse_header", "body"),
    ("emage.evaluation.bodies.read_bvh", "body"),
    ("emage.evaluation.read_folders.read_audio", "beat_align"),
    ("emage.evaluation.read_folders.read_phones", "lip_closure"),
    ("emage.evaluation.read_folders.read_semantic_txt", "srgr"),
    ("emage.evaluation.read_folders.check_face", "face"),
    ("emage.evaluation.read_folders.gaps", "all"),
    ("emage.evaluation.scoring.SystemScores.update", "all"),
    ("emage.evaluation.store.Sound.heard_by", "beat_align"),
]
UNFORESEEN = [RecursionError("too deep"), MemoryError("373 GiB"), ZeroDivisionError("division\nby zero"), KeyError("x")]


@pytest.mark.parametrize(
    ("place", "metric", "error"),
    [(*row, error) for row, error in zip(PLACES, itertools.cycle(UNFORESEEN))],
)
def test_an_unforeseen_error_costs_its_recording_and_its_trace_is_logged(
    sides, monkeypatch, caplog, place, metric, error
):
    for ending in ("TextGrid", "txt"):
        (sides["reference"] / f"{BAD}.{ending}").write_text("")
    target, _, name = place.rpartition(".")
    owner = scoring.SystemScores if target.endswith("SystemScores") else None
    owner = read_folders.Sound if target.endswith("Sound") else owner
    module = owner if owner is not None else __import__(target, fromlist=["x"])
    real, calls = getattr(module, name), []

    def fails_for_one(*arguments, **options):
        concerned = any(BAD in str(getattr(value, "id", value)) for value in (*arguments, *options.values()))
        if name == "heard_by":
            calls.append(arguments)
            concerned = len(calls) == 3  # the first recording's sound is heard twice
        if concerned:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, fails_for_one)
    code, results = evaluate(sides)
    assert code == 3
    text = " ".join(str(error).split())
    assert any(f"unexpected {type(error).__name__}: {text}" in reason for reason in reasons(results, metric))
    assert "Traceback" in caplog.text
    assert results["counts"]["recordings"] == (2 if metric == "all" else 3)


def test_a_recording_that_no_metric_takes_leaves_the_numbers_of_the_others_as_without_it(sides, monkeypatch):
    _, whole = evaluate(sides)
    real = scoring.SystemScores.update

    def refuse(self, recording_id, *arguments, **options):
        if recording_id == BAD:
            raise InputError(f"{BAD}: refused")
        return real(self, recording_id, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(scoring.SystemScores, "update", refuse)
        code, found = evaluate(sides)
    assert code == 3
    assert reasons(found, "all") == [f"{BAD}: refused"]
    for side in ("generated", "reference", "other"):
        for ending in ("bvh", "json"):
            (sides[side] / f"{BAD}.{ending}").unlink()
    _, without = evaluate(sides)
    assert found["measures"] == without["measures"] != whole["measures"]
    assert found["counts"] == without["counts"]


def test_where_every_recording_fails_it_is_one_line_and_exit_1(sides, capsys):
    for path in sides["generated"].iterdir():
        path.write_bytes(FACES["nested deeply"](path) if path.suffix == ".json" else b"")
    code, results = evaluate(sides)
    assert (code, results) == (1, {})
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: no generated file can be read; a_1: ")


def test_a_reason_is_one_line_that_names_the_file():
    assert reason_of(InputError("x.json: broken\nhere"), "x.json") == "x.json: broken here"
    assert reason_of(InputError("a face is broken"), "x.json") == "x.json: a face is broken"
    assert (
        reason_of(PermissionError(13, "Permission denied", "x.json").with_traceback(None), "x.json").count("x.json")
        == 1
    )
    assert reason_of(RecursionError("deep"), "x.json") == "x.json: unexpected RecursionError: deep"


@pytest.mark.parametrize("fps", [0.0, 0.5, 1001.0, 1e-300, 1e9, float("inf"), float("nan")])
def test_a_rate_outside_of_the_range_is_refused(fps):
    with pytest.raises(InputError, match="frames per second; expected 1 to 1000"):
        check_fps(fps, Path("x.bvh"))


def test_a_phone_that_dropped_some_frames_is_accepted(sides):
    path = sides["generated"] / "a_1.json"
    node = json.loads(path.read_text())
    del node["frames"][20:50]
    path.write_text(json.dumps(node))
    check_face(read_arkit(path), path)
