"""SingingHead's benchmarks over an eval_folder, end to end."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from singinghead_folder import (
    FPS,
    IDS,
    SAMPLE_RATE,
    SIZE,
    clicks,
    landmarks,
    noisy,
    smooth_frames,
    write_flame_npz,
    write_flames,
    write_sounds,
    write_video,
)
from synthetic_flame import flame_masks, write_flame_folder

from emage.audio import read_audio
from emage.cli import main
from emage.errors import InputError
from emage.metrics import singinghead as metrics
from emage.metrics.singinghead_video import psnr, ssim
from emage.motion.flame import load_flame
from emage.motion.flame_file import read_flame
from emage.singinghead_suite import networks, suite, video2d
from emage.singinghead_suite.frames import audio_track, published_frames
from emage.singinghead_suite.scores import PUBLISHED_2D, PUBLISHED_3D
from emage.singinghead_suite.suite import evaluate_singinghead

DURATION_S = 3
FRAMES = DURATION_S * FPS
SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "singinghead_sample"


@pytest.fixture(autouse=True)
def _no_networks(monkeypatch):
    """As on a machine without the extra, whatever is installed here."""

    def absent(*_):
        raise networks.Unavailable("not installed")

    for name in ("fid", "lpips_distance", "sharpness", "landmark_detector"):
        monkeypatch.setattr(networks, name, absent)


@pytest.fixture(scope="module")
def flame(tmp_path_factory):
    return write_flame_folder(tmp_path_factory.mktemp("flame"))


@pytest.fixture(scope="module")
def faces_root(tmp_path_factory):
    """Sounds and FLAME codes alone."""
    root = tmp_path_factory.mktemp("faces")
    write_sounds(root, DURATION_S)
    write_flames(root, FRAMES)
    return root


@pytest.fixture(scope="module")
def video_root(tmp_path_factory):
    """Videos in the README's layout and spelling, and landmarks."""
    root = tmp_path_factory.mktemp("videos")
    write_sounds(root, DURATION_S)
    for number, name in enumerate(IDS):
        frames, points = smooth_frames(FRAMES, seed=number), landmarks(FRAMES, seed=number)
        write_video(root / "generated" / "gt_videos" / f"{name}.mp4", frames)
        sound = root / "input_audio" / f"{name}.wav"
        write_video(root / "generated" / "method1_generaed_videos" / f"{name}.mp4", noisy(frames, 12), sound=sound)
        for method in ("gt", "method1"):
            (root / "generated" / f"{method}_landmarks").mkdir(exist_ok=True)
        np.save(root / "generated" / "gt_landmarks" / f"{name}.npy", points)
        points[30:45] = np.nan
        np.save(root / "generated" / "method1_landmarks" / f"{name}.npy", points + 2 * (np.arange(68) % 2)[:, None])
    return root


def results(root: Path, method: str) -> dict:
    return json.loads((root / "metric_results" / f"{method}.json").read_text(encoding="utf-8"))


def copy(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root, tmp_path / "eval", ignore=shutil.ignore_patterns("metric_results")))


def test_3d_values_are_those_of_the_metrics(faces_root, flame):
    report = evaluate_singinghead(faces_root, flame=flame, progress=False)
    assert report.all_used
    assert [path.name for path in report.files] == ["gt.json", "noisy.json"]
    found = results(faces_root, "noisy")
    gt_folder, folder = faces_root / "generated" / "gt_flame", faces_root / "generated" / "noisy_flame"
    gt = np.stack([read_flame(gt_folder / f"{name}.npz").values for name in IDS])
    pred = np.stack([[read_flame(folder / s / f"{name}.npz").values for s in ("s0", "s1")] for name in IDS])
    model, masks = load_flame(flame), flame_masks()
    vertices = np.stack([[model.vertices(s, with_head_pose=False).numpy() for s in item] for item in pred])
    vertices_gt = np.stack([model.vertices(item, with_head_pose=False).numpy() for item in gt])
    pred_flat, gt_flat = vertices.reshape(2, 2, FRAMES, -1), vertices_gt.reshape(2, FRAMES, -1)
    upper = np.concatenate([masks["forehead"], masks["eye_region"]])
    waveform, whole = clicks(DURATION_S), np.stack([[model.vertices(s).numpy() for s in item] for item in pred])
    points = np.stack([[model.landmarks.points(model.vertices(s)).numpy() for s in item] for item in pred])
    expected = {
        "lve_mean": metrics.lve(pred_flat, gt_flat, masks["lips"]),
        "lve_min": metrics.lve(pred_flat, gt_flat, masks["lips"], "min"),
        "ve_mean": metrics.ve(pred_flat, gt_flat, masks["face"]),
        "ve_min": metrics.ve(pred_flat, gt_flat, masks["face"], "min"),
        "fdd": metrics.fdd(pred_flat, gt_flat, upper),
        "mindist": metrics.mindist(pred, gt),
        "meandist_pose": metrics.meandist(pred[..., 50:56], gt[..., 50:56]),
        "diversity": metrics.diversity(pred),
        "diversity_verts": metrics.diversity(whole.reshape(2, 2, FRAMES, -1)),
        "diversity_face": metrics.diversity(whole[:, :, :, masks["face"]].reshape(2, 2, FRAMES, -1)),
        "diversity_lmk": metrics.diversity(points.reshape(2, 2, FRAMES, -1)),
    }
    # the sound has gone through a wav of 16 bits
    expected_beats = {
        "ba_lmk": metrics.beat_alignment(points, waveform, SAMPLE_RATE),
        "ba_pose": metrics.beat_alignment(pred[..., None, 50:56], waveform, SAMPLE_RATE),
    }
    assert {name: found["published"][name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert {name: found["published"][name] for name in expected_beats} == pytest.approx(expected_beats, abs=1e-6)
    assert found["corrected"]["lve_mean_mm"] == pytest.approx(1000 * expected["lve_mean"])
    assert found["corrected"]["ve_min_mm"] > 1000 * expected["ve_min"]
    assert found["chance"]["beat_alignment_pose"]["chance_random"] > 0
    interval = found["intervals"]["lve_mean"]
    assert interval["low"] <= expected["lve_mean"] <= interval["high"]
    assert set(found["published"]) == {*PUBLISHED_2D, *PUBLISHED_3D}


def test_ground_truth_is_the_ceiling(faces_root, flame):
    evaluate_singinghead(faces_root, flame=flame, progress=False)
    published, corrected = (results(faces_root, "gt")[part] for part in ("published", "corrected"))
    zero = ("lve_mean", "ve_min", "fdd", "mindist", "meandist_pose", "diversity")
    assert {name: published[name] for name in zero} == dict.fromkeys(zero, 0.0)
    assert corrected["fdd_absolute_mm2"] == 0
    assert 0 < published["ba_pose"] < 1


def test_without_a_model_metrics_of_vertices_are_null_with_the_reason(faces_root):
    report = evaluate_singinghead(faces_root, progress=False)
    found = results(faces_root, "noisy")
    for name in ("lve_mean", "fdd", "ba_lmk", "diversity_lmk", "diversity_verts"):
        assert found["published"][name] is None
        assert "--flame MODEL_DIR" in found["reasons"][name]
    assert found["published"]["mindist"] > 0
    assert "mindist" not in found["reasons"]
    assert found["reasons"]["PSNR"].startswith("no videos of this method")
    lines = report.lines()
    assert any(line.startswith("mindist ") for line in lines)
    assert not any(line.startswith("lve_mean ") for line in lines)


def test_without_masks_only_metrics_of_regions_are_null(faces_root, flame, tmp_path):
    folder = Path(shutil.copytree(flame, tmp_path / "model"))
    (folder / "FLAME_masks.pkl").unlink()
    (folder / "landmark_embedding.npy").unlink()
    evaluate_singinghead(faces_root, flame=folder, progress=False)
    found = results(faces_root, "noisy")
    assert found["published"]["diversity_verts"] > 0
    assert "FLAME_masks.pkl" in found["reasons"]["lve_mean"]
    assert "landmark_embedding.npy" in found["reasons"]["diversity_lmk"]


def test_samples_in_folders_and_in_one_array_are_the_same(faces_root, tmp_path):
    root = copy(faces_root, tmp_path)
    folder = root / "generated" / "noisy_flame"
    for name in IDS:
        samples = np.stack([read_flame(folder / s / f"{name}.npz").values for s in ("s0", "s1")])
        write_flame_npz(root / "generated" / "array_motions" / f"{name}.npz", samples)
    evaluate_singinghead(root, progress=False)
    one, other = results(root, "noisy"), results(root, "array")
    assert one["published"] == other["published"]
    assert one["corrected"] == other["corrected"]


def test_what_cannot_be_used_is_listed_and_the_rest_is_scored(faces_root, tmp_path):
    root = copy(faces_root, tmp_path)
    folder = root / "generated" / "noisy_flame"
    (folder / "s0" / f"{IDS[0]}.npz").write_bytes(b"broken")
    slow = root / "generated" / "slow_flame"
    for name in IDS:
        write_flame_npz(slow / f"{name}.npz", read_flame(folder / "s1" / f"{name}.npz").values[: 25 * DURATION_S])
    write_flame_npz(root / "generated" / "other_flame" / f"{IDS[1]}.npz", np.zeros((FRAMES + 1, 59)))
    write_flame_npz(root / "generated" / "other_flame" / "unknown.npz", np.zeros((FRAMES, 59)))
    (root / "generated" / "other_flame" / "readme.txt").write_text("hello")
    report = evaluate_singinghead(root, progress=False)
    assert not report.all_used
    noisy_row = results(root, "noisy")
    assert [(row["id"], row["metrics"]) for row in noisy_row["not_scored"]] == [(IDS[0], "3D")]
    assert "s0/id0_10_0_0.npz: cannot be read as npz" in noisy_row["not_scored"][0]["reason"]
    assert list(noisy_row["per_recording"]) == [IDS[1]]
    assert noisy_row["published"]["mindist"] == noisy_row["per_recording"][IDS[1]]["mindist"]
    assert noisy_row["intervals"]["mindist"]["reason"].startswith("one recording")
    slow_row = results(root, "slow")
    assert "75 frames beside 90 real ones" in slow_row["not_scored"][0]["reason"]
    assert slow_row["published"]["mindist"] is None
    assert "see not_scored" in slow_row["reasons"]["mindist"]
    other = results(root, "other")
    reasons = {row["id"]: row["reason"] for row in other["not_scored"]}
    assert reasons[IDS[0]] == "no FLAME codes of it"
    assert "of the real recording" in reasons["unknown"]
    assert any("91 frames beside 90" in notice for notice in other["notices"])
    assert any("readme.txt: left aside" in notice for notice in report.notices)


def test_a_sample_too_few_is_left_out(faces_root, tmp_path):
    root = copy(faces_root, tmp_path)
    (root / "generated" / "noisy_flame" / "s1" / f"{IDS[0]}.npz").unlink()
    evaluate_singinghead(root, progress=False)
    assert "1 of 2 samples" in results(root, "noisy")["not_scored"][0]["reason"]


def test_2d_values_are_those_of_the_metrics(video_root):
    report = evaluate_singinghead(video_root, image_size=SIZE, frame_interval=6, progress=False)
    assert report.all_used
    found = results(video_root, "method1")
    real = [smooth_frames(FRAMES, seed=number)[::6] for number in range(2)]
    generated = [noisy(smooth_frames(FRAMES, seed=number), 12)[::6] for number in range(2)]
    pairs = list(zip(generated, real, strict=True))
    assert found["corrected"]["psnr_db"] == pytest.approx(np.mean([psnr(*p, variant="corrected") for p in pairs]))
    assert found["corrected"]["ssim"] == pytest.approx(np.mean([ssim(*p) for p in pairs]))
    folders = [video_root / "generated" / name for name in ("method1_generaed_videos", "gt_videos")]
    made = [[published_frames(folder / f"{name}.mp4", SIZE, 6) for folder in folders] for name in IDS]
    assert found["published"]["PSNR"] == pytest.approx(np.mean([psnr(*pair) for pair in made]))
    assert found["published"]["SSIM"] == pytest.approx(np.mean([ssim(*pair) for pair in made]))
    # every second point is moved by 2 in x and y: sqrt(2) about the mean; 3 of 15 frames (30, 36, 42) are without a face
    assert found["corrected"]["f_lmd_px"] == pytest.approx(np.sqrt(2), rel=1e-6)
    assert found["published"]["F-LMD"] == pytest.approx(np.sqrt(2) * 12 / 15, rel=1e-6)
    assert found["landmarks_found"] == pytest.approx(0.8)
    assert 0 < found["published"]["BA"] < 1
    assert found["chance"]["beat_alignment_video"]["chance_shifted"] > 0
    for name in ("FID", "LPIPS", "CPBD", "fid", "lpips", "cpbd"):
        assert (found["published"] | found["corrected"])[name] is None
        assert found["reasons"][name]
    ceiling = results(video_root, "gt")
    assert ceiling["published"]["SSIM"] == 1
    assert ceiling["published"]["PSNR"] is None
    assert ceiling["reasons"]["PSNR"].startswith("infinite")


def test_landmarks_alone_are_enough_for_distances_and_beats(video_root, tmp_path):
    root = copy(video_root, tmp_path)
    for folder in ("gt_videos", "method1_generaed_videos"):
        shutil.rmtree(root / "generated" / folder)
    evaluate_singinghead(root, image_size=SIZE, progress=False)
    found = results(root, "method1")
    assert found["corrected"]["f_lmd_px"] == pytest.approx(np.sqrt(2), rel=1e-6)
    assert found["published"]["BA"] is not None
    assert any("the sound of input_audio/" in notice for notice in found["notices"])


def test_beats_are_of_the_sound_of_the_video_as_published_and_of_input_audio_corrected(video_root, tmp_path):
    root, name = copy(video_root, tmp_path), IDS[0]
    shutil.rmtree(root / "generated" / "method1_landmarks")
    soundfile.write(root / "other.wav", np.roll(clicks(DURATION_S), 3000), SAMPLE_RATE)
    video = root / "generated" / "slow_videos" / f"{name}.mp4"
    write_video(video, smooth_frames(25 * DURATION_S), fps=25, sound=root / "other.wav")
    points = landmarks(25 * DURATION_S, seed=3)
    np.save(root / "generated" / "slow_videos" / f"{name}.npy", points)
    evaluate_singinghead(root, image_size=SIZE, progress=False)
    found, batch = results(root, "slow"), points[None, None]
    own, given = audio_track(video, SAMPLE_RATE), read_audio(root / "input_audio" / f"{name}.wav")
    assert found["published"]["BA"] == pytest.approx(metrics.beat_alignment(batch, own, SAMPLE_RATE))
    expected = metrics.beat_alignment(batch, given, SAMPLE_RATE, "corrected", fps=25)
    assert found["corrected"]["beat_alignment_video"] == pytest.approx(expected)
    others = {metrics.beat_alignment(batch, given, SAMPLE_RATE), metrics.beat_alignment(batch, own, SAMPLE_RATE)}
    others |= {metrics.beat_alignment(batch, given, SAMPLE_RATE, "corrected", fps=fps) for fps in (25, 30)}
    assert len(others) == 4  # so that each of the two stands for itself


def test_landmarks_are_in_pixels_of_the_video(video_root, tmp_path):
    root = copy(video_root, tmp_path)
    evaluate_singinghead(root, image_size=SIZE // 2, progress=False)
    assert results(root, "method1")["corrected"]["f_lmd_px"] == pytest.approx(np.sqrt(2) / 2, rel=1e-6)


def test_landmarks_are_found_where_a_detector_can_be_had(video_root, tmp_path, monkeypatch):
    root = copy(video_root, tmp_path)
    for folder in ("gt_landmarks", "method1_landmarks"):
        shutil.rmtree(root / "generated" / folder)
    evaluate_singinghead(root, image_size=SIZE, progress=False)
    assert "no landmarks are given" in results(root, "method1")["reasons"]["F-LMD"]

    def detector():
        base = np.random.default_rng(0).uniform(0, 1, (68, 2))
        return lambda frame: base * (10 + frame[..., 0].mean())

    monkeypatch.setattr(networks, "landmark_detector", detector)
    evaluate_singinghead(root, image_size=SIZE, progress=False)
    assert results(root, "method1")["corrected"]["f_lmd_px"] > 0
    assert results(root, "gt")["corrected"]["f_lmd_px"] == 0


def test_without_ffmpeg_given_landmarks_are_still_scored(video_root, tmp_path, monkeypatch):
    def none():
        raise InputError("videos need ffmpeg: `pip install imageio-ffmpeg`")

    monkeypatch.setattr(video2d, "ffmpeg_command", none)
    root = copy(video_root, tmp_path)
    evaluate_singinghead(root, image_size=SIZE, progress=False)
    found = results(root, "method1")
    assert found["reasons"]["PSNR"] == found["reasons"]["FID"] == "videos need ffmpeg: `pip install imageio-ffmpeg`"
    assert found["corrected"]["f_lmd_px"] == pytest.approx(np.sqrt(2), rel=1e-6)
    assert any("taken as pixels of image_size" in notice for notice in found["notices"])


def test_broken_videos_and_landmarks_are_left_out(video_root, tmp_path):
    root = copy(video_root, tmp_path)
    folder = root / "generated" / "method1_generaed_videos"
    (folder / f"{IDS[0]}.mp4").write_bytes(b"no video")
    np.save(root / "generated" / "method1_landmarks" / f"{IDS[1]}.npy", np.zeros((9, 5, 2)))
    evaluate_singinghead(root, image_size=SIZE, progress=False)
    left_out = {(row["id"], row["metrics"]): row["reason"] for row in results(root, "method1")["not_scored"]}
    assert "cannot be read as a video" in left_out[IDS[0], "2D, video"]
    assert "(9, 5, 2) is not (frames, 68, 2)" in left_out[IDS[1], "2D, landmarks"]
    assert results(root, "method1")["corrected"]["psnr_db"] > 20


def test_broken_sound_takes_the_beats_alone(faces_root, tmp_path):
    root = copy(faces_root, tmp_path)
    for path in (root / "input_audio").iterdir():
        path.write_bytes(b"no sound")
    evaluate_singinghead(root, progress=False)
    found = results(root, "noisy")
    assert found["published"]["ba_pose"] is None
    assert found["published"]["mindist"] > 0
    assert "cannot be read as sound" in found["not_scored"][0]["reason"]


def test_command(faces_root, flame, tmp_path, capsys):
    assert main(["evaluate", "singinghead", "--root", str(faces_root), "--flame", str(flame)]) == 0
    printed = capsys.readouterr().out
    assert "lve_mean_mm" in printed
    assert f"written: {faces_root / 'metric_results' / 'noisy.json'}" in printed
    root = copy(faces_root, tmp_path)
    (root / "generated" / "noisy_flame" / "s1" / f"{IDS[0]}.npz").unlink()
    assert main(["evaluate", "singinghead", "--root", str(root)]) == 3
    assert f"left out: noisy {IDS[0]}, 3D" in capsys.readouterr().out
    assert main(["evaluate", "singinghead", "--root", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_results_are_written_whole_and_over_old_ones(faces_root):
    folder = faces_root / "metric_results"
    folder.mkdir(exist_ok=True)
    (folder / "noisy.json").write_text("old")
    evaluate_singinghead(faces_root, progress=False)
    assert results(faces_root, "noisy")["method"] == "noisy"
    assert sorted(path.name for path in folder.iterdir()) == ["gt.json", "noisy.json"]


def test_the_sample_of_the_corpus(tmp_path):
    if not SAMPLE.is_dir():
        pytest.skip("the SingingHead sample does not lie beside the project")
    targets = {"flame_seqs.zip": "generated/gt_flame", "audio_seqs.zip": "input_audio"}
    for archive, folder in targets.items():
        (tmp_path / folder).mkdir(parents=True)
        with zipfile.ZipFile(SAMPLE / archive) as members:
            for name in members.namelist():
                (tmp_path / folder / Path(name).name).write_bytes(members.read(name))
    for path in (tmp_path / "generated" / "gt_flame").iterdir():
        write_flame_npz(tmp_path / "generated" / "still_flame" / f"{path.stem}.npz", np.zeros((240, 59)))
    assert evaluate_singinghead(tmp_path, progress=False).all_used
    still, real = results(tmp_path, "still"), results(tmp_path, "gt")
    assert still["num_recordings"] == 3
    assert still["published"]["mindist"] > 1
    assert still["corrected"]["beat_alignment_pose"] == 0
    assert 0 < real["corrected"]["beat_alignment_pose"] < 1


def test_an_unforeseen_error_costs_its_recording(faces_root, flame, tmp_path, monkeypatch):
    real = suite.real_face

    def fails_for_one(path, *others):
        if path.stem == IDS[0]:
            raise MemoryError("373 GiB")
        return real(path, *others)

    monkeypatch.setattr(suite, "real_face", fails_for_one)
    report = evaluate_singinghead(copy(faces_root, tmp_path), flame=flame, progress=False)
    assert not report.all_used
    (row,) = {(row["id"], row["reason"]) for scores in report.scores for row in scores.not_scored}
    assert row == (IDS[0], f"{IDS[0]}: unexpected MemoryError: 373 GiB")
