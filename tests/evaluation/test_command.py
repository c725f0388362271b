"""`emage evaluate` as its user runs it, on folders of other systems: numbers, exit codes, and what is said of the rest."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from other_systems import RATE, SMPLX, face, write_audio, write_system

from emage import cli
from emage.motion.livelink import write_livelink_csv

IDS = ("a_1", "b_2", "c_3")


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """Three real recordings at 60 fps with faces; the speech lies apart."""
    root = tmp_path_factory.mktemp("real")
    write_audio(root / "audio", IDS)
    return write_system(root / "reference", IDS, fps=60.0)


def evaluate(generated: Path, real: Path, out: Path, *more: str, audio: bool = True) -> tuple[int, dict]:
    arguments = ["evaluate", "--generated", str(generated), "--reference", str(real), "--out", str(out), *more]
    arguments += ["--audio", str(real.parent / "audio")] if audio else []
    code = cli.main(arguments)
    path = out / "metrics.json"
    return code, json.loads(path.read_text()) if path.is_file() else {}


def test_real_motion_against_itself_is_perfect_and_every_file_is_used(real, tmp_path):
    code, results = evaluate(real, real, tmp_path / "out")
    assert code == 0
    assert results["counts"] == {"recordings": 3, "frames": 1080, "motion_s": 18.0}
    assert results["fps"] == 60
    measures = results["measures"]
    for name in ("fgd_rot6d", "fgd_raw", "hellinger", "face_mae_all", "jaw_open_lag"):
        assert measures[name]["value"] == pytest.approx(0, abs=1e-6)
    assert measures["cca"]["value"] == pytest.approx(1)
    beats = measures["beat_align"]
    assert beats["value"] == beats["ground_truth"] > 0
    assert 0 < beats["chance"]["chance_random"] < 1
    assert results["not_scored"] == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"metrics.json", "metrics.csv", "report.html"}


@pytest.mark.parametrize("fps", [30.0, 120.0, 25.0])
@pytest.mark.parametrize("spelling", ["mixamo", "smplx"])
def test_other_names_and_rates_of_the_same_motion_are_the_same_motion(real, tmp_path, fps, spelling):
    rename = SMPLX.get if spelling == "smplx" else (lambda name: f"mixamorig:{name}")
    generated = write_system(tmp_path / "system", IDS, fps=fps, rename=rename)
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 0
    assert results["fps"] == fps
    assert len(results["joints"]) == 22
    measures = results["measures"]
    still = measures["fgd_raw"]["controls"]["mean_pose"]
    assert measures["fgd_raw"]["value"] < 1e-4 * still
    assert measures["fgd_rot6d"]["value"] < 1e-4 * measures["fgd_rot6d"]["controls"]["mean_pose"]
    assert measures["speed_mean"]["value"] == pytest.approx(measures["speed_mean"]["ground_truth"], rel=0.02)
    assert measures["cca"]["value"] > 0.99
    assert any(f"files at 60 fps brought to {fps:g} fps" in notice for notice in results["notices"])


def test_metres_are_seen_and_said(real, tmp_path):
    generated = write_system(tmp_path / "system", IDS, fps=60.0, scale=0.01)
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 0
    assert results["measures"]["fgd_raw"]["value"] == pytest.approx(0, abs=1e-3)
    assert "generated: 3 files seem to be in metres; brought to centimetres" in results["notices"]


def test_another_movement_is_worse_and_a_better_system_is_told_from_it(real, tmp_path):
    near = write_system(tmp_path / "near", IDS, size_deg=19.0)
    far = write_system(tmp_path / "far", IDS, size_deg=4.0, seed=50)
    code, results = evaluate(near, real, tmp_path / "out", "--compare", str(far))
    assert code == 0
    row = results["measures"]["hellinger"]
    other = row["compare"][str(far)]
    assert row["value"] < other["value"]
    assert other["difference"] == pytest.approx(row["value"] - other["value"])
    assert other["low"] <= other["difference"] <= other["high"] < 0
    assert other["told_apart"] is True
    assert row["low"] <= row["value"] <= row["high"]
    rows = list(csv.DictReader((tmp_path / "out" / "metrics.csv").open()))
    assert [r["measure"] for r in rows] == list(results["measures"])
    assert float(next(r for r in rows if r["measure"] == "hellinger")["value"]) == row["value"]


def test_a_control_that_does_as_well_is_flagged(real, tmp_path):
    still = write_system(tmp_path / "still", IDS, size_deg=0.0)
    _, results = evaluate(still, real, tmp_path / "out")
    flags = {key: {flag["control"] for flag in row["flags"]} for key, row in results["measures"].items()}
    assert "mean_pose" in flags["hellinger"]
    assert "mean_pose" in flags["beat_align"]
    _, perfect = evaluate(real, real, tmp_path / "perfect")
    flags = {key: {flag["control"] for flag in row["flags"]} for key, row in perfect["measures"].items()}
    assert flags["fgd_raw"] == {"mismatched_audio"}  # which motion goes with which speech is nothing to it
    assert flags["cca"] == set()
    assert flags["l1_diversity"] >= {"time_shuffled"}
    assert set(perfect["flagged"]) == {key for key, found in flags.items() if found}


def test_without_audio_nothing_is_left_out_but_beat_alignment_has_a_reason(real, tmp_path, capsys):
    code, results = evaluate(real, real, tmp_path / "out", audio=False)
    assert code == 0
    assert results["measures"]["beat_align"]["value"] is None
    assert results["reasons"]["beat_align"] == "no audio"
    assert "no audio" in capsys.readouterr().out


def test_one_recording_has_no_interval_and_its_own_audio_moved_is_the_mismatched_one(real, tmp_path):
    generated = write_system(tmp_path / "system", IDS[:1])
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 3  # two real recordings have no counterpart
    assert {row["id"] for row in results["not_scored"] if row["metric"] == "all"} == set(IDS[1:])
    beats = results["measures"]["beat_align"]
    assert (beats["low"], beats["high"]) == (None, None)
    assert beats["reason"].startswith("one recording")
    assert beats["controls"]["mismatched_audio"] != beats["value"]
    moved = results["measures"]["cca"]["controls"]["mismatched_audio"]
    assert moved < results["measures"]["cca"]["value"]
    assert (
        results["measures"]["speed_mean"]["controls"]["mismatched_audio"] == results["measures"]["speed_mean"]["value"]
    )


def test_what_cannot_be_used_is_left_out_listed_and_in_the_exit_code(real, tmp_path, capsys):
    generated = write_system(tmp_path / "system", IDS)
    broken = generated / "b_2.bvh"
    broken.write_text(broken.read_text()[:-2000])
    (generated / "a_1.json").unlink()
    (generated / "extra.bvh").write_text((generated / "c_3.bvh").read_text())
    (real.parent / "some_audio").mkdir(exist_ok=True)
    soundfile.write(real.parent / "some_audio" / "a_1.wav", np.zeros(6 * RATE), RATE)
    code, results = evaluate(generated, real, tmp_path / "out", "--audio", str(real.parent / "some_audio"), audio=False)
    assert code == 3
    rows = {(row["id"], row["metric"]): row["reason"] for row in results["not_scored"]}
    assert rows["a_1", "face"] == "no face (json or csv) of the generated side"
    assert "b_2.bvh, line" in rows["b_2", "body"]
    assert rows["extra", "all"] == "generated motion, but no reference"
    assert rows["b_2", "beat_align"] == rows["c_3", "beat_align"] == "no audio of it"
    assert rows["a_1", "beat_align"] == "no onset in its audio"
    assert results["counts"]["recordings"] == 3  # the face of b_2 is scored
    assert results["measures"]["hellinger"]["num_recordings"] == 2
    assert results["measures"]["face_mae_all"]["num_recordings"] == 2
    assert "left out: extra (all): generated motion, but no reference" in capsys.readouterr().out


def test_sides_of_unequal_length_are_compared_as_far_as_both_go(real, tmp_path):
    generated = write_system(tmp_path / "system", IDS, seconds=4.0)
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 3
    reason = "unequal lengths, the first 4.00 s are compared: the reference 6.00 s, the generated side 4.00 s"
    assert {row["reason"] for row in results["not_scored"]} == {reason}
    assert results["counts"]["motion_s"] == 12.0
    assert results["measures"]["cca"]["value"] > 0.99
    write_system(tmp_path / "near", IDS, seconds=5.8)
    code, results = evaluate(tmp_path / "near", real, tmp_path / "out")
    assert code == 0
    assert "a_1: the first 5.80 s are compared: the reference 6.00 s, the generated side 5.80 s" in results["notices"]


def test_a_system_of_faces_alone_is_scored_by_its_faces(real, tmp_path):
    generated = write_system(tmp_path / "system", IDS)
    for path in generated.glob("*.bvh"):
        path.unlink()
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 3
    assert results["measures"]["face_mae_all"]["value"] < 0.01
    assert results["reasons"]["fgd_raw"] == "no recording has a BVH file on every side"


def as_phone_csv(folder: Path, fps: int, *, lost: slice = slice(0)) -> Path:
    """The faces of a folder as Live Link csv at a rate of their own; in the lost rows there is no face."""
    for number, path in enumerate(sorted(folder.glob("*.json"))):
        path.unlink()
        write_livelink_csv(path.with_suffix(".csv"), face(number, 6.0, fps), fps)
        lines = path.with_suffix(".csv").read_text().splitlines()
        rows = lines[1:]
        rows[lost] = [row[:15] + ",0" for row in rows[lost]]
        path.with_suffix(".csv").write_text("\n".join([lines[0], *rows]))
    return folder


@pytest.mark.parametrize("fps", [24, 60])
def test_faces_of_a_phone_are_scored_at_their_own_rate(real, tmp_path, fps):
    generated = as_phone_csv(write_system(tmp_path / "system", IDS), fps)
    (generated / "a_1.words.json").write_text('{"words": []}')
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 0
    assert results["fps"] == 30
    assert results["measures"]["face_mae_all"]["num_recordings"] == 3
    assert results["measures"]["face_mae_all"]["value"] < 0.01


def test_rows_without_a_face_are_not_scored_and_told(real, tmp_path):
    generated = as_phone_csv(write_system(tmp_path / "system", IDS), 60, lost=slice(60, 300))
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 0
    assert results["measures"]["face_mae_all"]["value"] < 0.01  # a held face would be 0.2 off
    assert results["measures"]["face_lvd"]["value"] < 0.1
    told = [text for text in results["notices"] if "240 of 360 rows hold no face" in text]
    assert len(told) == 3


def test_a_json_and_a_csv_of_one_name_are_one_face_and_beats_emotions_none(real, tmp_path):
    generated = write_system(tmp_path / "system", IDS)
    for number, key in enumerate(IDS):
        write_livelink_csv(generated / f"{key}.csv", 0 * face(number, 6.0, 30.0), 30)
    reference = shutil.copytree(real, tmp_path / "reference")
    (reference / "a_1.csv").write_text("0.0,6.0,1\n")
    code, results = evaluate(generated, reference, tmp_path / "out", audio=False)
    assert code == 0
    assert results["measures"]["face_mae_all"]["value"] < 0.01


def test_sub_folders_with_the_same_ids_are_seeds(real, tmp_path):
    for seed in (0, 20):
        write_system(tmp_path / "system" / f"seed_{seed}", IDS, seed=seed)
    code, results = evaluate(tmp_path / "system", real, tmp_path / "out")
    assert (code, results["num_seeds"]) == (0, 2)
    assert results["measures"]["multimodality"]["value"] > 1
    row = results["measures"]["face_mae_all"]
    assert row["seed_std"] > 0
    _, alone = evaluate(tmp_path / "system" / "seed_0", real, tmp_path / "one")
    _, other = evaluate(tmp_path / "system" / "seed_20", real, tmp_path / "other")
    values = [found["measures"]["face_mae_all"]["value"] for found in (alone, other)]
    assert row["value"] == pytest.approx(np.mean(values))


def test_a_test_loops_prefix_of_the_ids_does_not_matter(real, tmp_path):
    generated = write_system(tmp_path / "system", [f"res_{key}" for key in IDS], fps=60.0)
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 0
    assert results["measures"]["fgd_raw"]["value"] == pytest.approx(0, abs=1e-6)


def test_seams_need_to_know_where_windows_begin(real, tmp_path):
    _, results = evaluate(real, real, tmp_path / "out", "--window-frames", "34")
    assert 0.5 < results["measures"]["seam_score"]["value"] < 2


@pytest.mark.parametrize("seconds", [1 / 30, 2 / 30, 0.5])
def test_the_shortest_motion_has_defined_results(real, tmp_path, seconds):
    generated = write_system(tmp_path / "system", IDS, seconds=seconds, with_face=False)
    code, results = evaluate(generated, real, tmp_path / "out")
    assert code == 3
    assert results["measures"]["fgd_raw"]["value"] is None
    assert results["reasons"]["fgd_raw"]


def test_two_runs_give_the_same_numbers_and_the_order_of_names_does_not_matter(real, tmp_path):
    generated = write_system(tmp_path / "system", IDS, seed=7)
    first, again = (evaluate(generated, real, tmp_path / name)[1] for name in ("one", "two"))
    assert first == again


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda g: [p.rename(p.with_name(f"x{p.name}")) for p in g.iterdir()], "no recording is in both"),
        (lambda g: [p.unlink() for p in g.iterdir()], "holds no .bvh file and no ARKit .json"),
        (lambda g: [p.write_text("HIERARCHY\n") for p in g.glob("*.bvh")] + [p.unlink() for p in g.glob("*.json")],
         "no generated file can be read"),
    ],
    ids=["no common id", "empty", "all broken"],
)  # fmt: skip
def test_where_nothing_can_be_done_it_is_one_line_and_exit_1(real, tmp_path, capsys, change, message):
    generated = write_system(tmp_path / "system", IDS)
    change(generated)
    code, results = evaluate(generated, real, tmp_path / "out")
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert (code, results) == (1, {})
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--reference", "x"], "--generated: not given"),
        (["--generated", "nowhere", "--reference", "nowhere"], "--reference: no folder nowhere"),
        (["--generated", ".", "--reference", ".", "--fps", "0"], "--fps: got 0"),
        (
            ["--generated", ".", "--reference", ".", "--fgd-checkpoint", "nowhere"],
            "--fgd-checkpoint: no folder nowhere",
        ),
    ],
)
def test_wrong_arguments_are_one_line(capsys, arguments, message):
    assert cli.main(["evaluate", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_singinghead_suite_is_still_there(tmp_path, capsys):
    assert cli.main(["evaluate", "singinghead", "--root", str(tmp_path)]) == 1
    assert "no folder generated/" in capsys.readouterr().err
