"""`emage generate` with a tiny network: which sounds it takes, which files it leaves, what it says when it cannot."""

import csv
import json

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
import torch
from tiny_bundles import camn_bundle, masked_bundle

from emage.checkpoint import save_bundle
from emage.cli import main
from emage.motion import rotation
from emage.motion.arkit import read_arkit
from emage.motion.bvh import read_bvh
from emage.motion.livelink import read_livelink_csv
from emage.performance_file import read_performance_file
from emage.viewer.video import VIDEO_FPS

RATE = 16000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "best"
    save_bundle(folder, camn_bundle())
    return folder


def sound(seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.random.default_rng(0).normal(size=len(times)) * np.sin(3 * times) ** 2
    return np.stack([wave] * channels, axis=1).astype(np.float32)


@pytest.fixture
def run(checkpoint, tmp_path, capsys):
    """Runs the command on a file in `tmp_path`; gives exit code, stdout and stderr."""

    def call(audio: str, *options: str):
        code = main(
            [
                "generate",
                str(tmp_path / audio),
                "--checkpoint",
                str(checkpoint),
                "--out",
                str(tmp_path / "out"),
                *options,
            ]
        )
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_all_files_are_there_equally_long_and_named_after_the_sound(tmp_path, run):
    soundfile.write(tmp_path / "my speech.wav", sound(2.03), RATE)
    (tmp_path / "w.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nthe first thing\n")
    code, out, _ = run("my speech.wav", "--words", str(tmp_path / "w.srt"), "--mp4", "--fps", "30", "--speaker", "4")
    assert code == 0
    endings = (".bvh", ".json", ".csv", ".npz", ".words.json", ".html", ".mp4")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"my speech" + ending for ending in endings}
    assert len(out.splitlines()) == len(endings) + 1
    stem = str(tmp_path / "out" / "my speech")
    motion = read_bvh(stem + ".bvh")
    assert (motion.num_frames, motion.fps) == (61, 30.0)  # round(2.03 * 30), not twice the 30 frames at 15 fps
    assert read_performance_file(stem + ".npz").num_frames == 61
    assert len(json.loads(open(stem + ".json").read())["frames"]) == 61
    assert len(list(csv.reader(open(stem + ".csv")))) == 62
    assert [word["word"] for word in json.loads(open(stem + ".words.json").read())] == ["the", "first", "thing"]
    about = next(imageio_ffmpeg.read_frames(stem + ".mp4"))
    assert about["duration"] == pytest.approx(2.03, abs=0.1)


def test_words_after_the_end_of_the_sound_are_left_out_with_a_warning(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(2.0), RATE)
    rows = [(0.5, 0.9), (1.5, 2.5), (2.5, 2.9)]
    (tmp_path / "w.json").write_text(json.dumps([{"word": "a", "start": first, "end": last} for first, last in rows]))
    code, _, err = run("a.wav", "--words", str(tmp_path / "w.json"), "--formats", "words")
    assert code == 0
    written = json.loads((tmp_path / "out" / "a.words.json").read_text())
    assert [(word["start_s"], word["end_s"]) for word in written] == [(0.5, 0.9), (1.5, 2.0)]
    assert "warning: " in err
    assert "1 of 3 words begin after the end of the sound at 2.00 s" in err
    again = ("--out", str(tmp_path / "again"), "--formats", "words")
    assert run("a.wav", "--words", str(tmp_path / "out" / "a.words.json"), *again)[0] == 0
    assert json.loads((tmp_path / "again" / "a.words.json").read_text()) == written


def test_an_empty_words_json_of_ours_is_read_again(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    assert run("a.wav", "--formats", "words")[0] == 0
    again = ("--out", str(tmp_path / "again"), "--formats", "words")
    code, _, err = run("a.wav", "--words", str(tmp_path / "out" / "a.words.json"), *again)
    assert (code, "no words" in err) == (0, False)


def test_a_mistyped_path_is_not_the_transcript(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    code, _, err = run("a.wav", "--text", str(tmp_path / "transcrip.txt"), "--formats", "words")
    assert (code, err.splitlines()[-1].startswith("error: --text: ")) == (1, True)
    assert "transcrip.txt: no such file" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name, options",
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
@pytest.mark.parametrize("rate, channels", [(48000, 2), (8000, 1)])
def test_any_sound_file_at_any_rate_gives_the_frames_of_its_length(tmp_path, run, name, options, rate, channels):
    soundfile.write(tmp_path / name, sound(1.2, rate, channels), rate, **options)
    code, _, _ = run(name, "--formats", "bvh")
    assert code == 0
    assert read_bvh(tmp_path / "out" / "a.bvh").num_frames == 18


@pytest.mark.parametrize("seconds, rate", [(0.3, 16000), (1.0, 96000), (61.37, 8000)])
@pytest.mark.parametrize("fps", [15, 60])
def test_the_length_is_exact(tmp_path, run, seconds, rate, fps):
    soundfile.write(tmp_path / "a.wav", sound(seconds, rate), rate)
    assert run("a.wav", "--formats", "npz", "--fps", str(fps))[0] == 0
    result = read_performance_file(tmp_path / "out" / "a.npz")
    assert result.num_frames == len(result.face) == round(seconds * fps)


RATES = (1.0, 12.5, 23.976, 24.0, 25.0, 29.97, 59.94, 240.0)


@pytest.mark.parametrize("fps", RATES)
def test_files_at_any_rate_have_the_frames_of_the_sound_and_read_back_at_that_rate(tmp_path, run, fps):
    soundfile.write(tmp_path / "a.wav", sound(2.53), RATE)
    assert run("a.wav", "--formats", "bvh,json,csv,npz,smplx", "--fps", str(fps))[0] == 0
    stem, num_frames = str(tmp_path / "out" / "a"), round(2.53 * fps)
    body, face = read_bvh(stem + ".bvh"), read_arkit(stem + ".json")
    result, table = read_performance_file(stem + ".npz"), read_livelink_csv(stem + ".csv", fps)
    assert {body.num_frames, face.num_frames, table.num_frames, result.num_frames, len(result.face)} == {num_frames}
    assert result.fps == fps
    assert body.fps == pytest.approx(fps, rel=1e-9)
    assert face.fps == pytest.approx(fps, rel=1e-5)  # times have six decimals
    with np.load(stem + "_smplx.npz") as smplx:
        assert (len(smplx["poses"]), smplx["mocap_frame_rate"]) == (num_frames, pytest.approx(fps))


def test_the_page_and_the_video_of_a_rate_that_is_not_whole_last_as_long_as_the_sound(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    assert run("a.wav", "--formats", "html,mp4", "--fps", "29.97")[0] == 0
    assert "29.97 fps, 30 frames" in (tmp_path / "out" / "a.html").read_text(encoding="utf-8")
    num_pictures, _ = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out" / "a.mp4"))
    assert num_pictures == pytest.approx(VIDEO_FPS * 1.0, abs=1)


def test_a_rate_at_which_the_sound_has_no_frame_is_refused(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(0.3), RATE)
    code, out, err = run("a.wav", "--formats", "bvh", "--fps", "1")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].endswith(
        "a.wav: its 0.3 s are less than one frame at 1 fps (1 s); raise --fps or give a longer recording"
    )


@pytest.mark.parametrize("kind", ["silence", "clipping", "offset"])
def test_odd_sound_gives_finite_motion(tmp_path, run, kind):
    wave = {"silence": np.zeros(RATE), "clipping": np.sign(sound(1.0)[:, 0]), "offset": 0.5 + 0.1 * sound(1.0)[:, 0]}[
        kind
    ]
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    assert run("a.wav", "--formats", "npz")[0] == 0
    assert read_performance_file(tmp_path / "out" / "a.npz").motion.isfinite().all()


def test_options_of_the_bvh_and_the_emotion_timeline_arrive(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(2.0), RATE)
    assert run("a.wav", "--formats", "bvh,npz")[0] == 0
    plain, calm = read_bvh(tmp_path / "out" / "a.bvh"), read_performance_file(tmp_path / "out" / "a.npz").motion
    (tmp_path / "moods.csv").write_text("1.2,2,anger\n")
    options = ("--bvh-unit", "m", "--bvh-up", "z", "--t-pose", "--emotion", str(tmp_path / "moods.csv"))
    assert run("a.wav", "--formats", "bvh,npz", *options)[0] == 0
    turned, angry = read_bvh(tmp_path / "out" / "a.bvh"), read_performance_file(tmp_path / "out" / "a.npz").motion
    assert turned.offsets_cm.norm() * 100 == pytest.approx(float(plain.offsets_cm.norm()), rel=1e-4)
    assert turned.rotations()[0].diagonal(dim1=-2, dim2=-1).eq(1).all()
    assert turned.order(1) == "XZY"
    assert (angry - calm)[18:].abs().max() > 10 * (angry - calm)[:3].abs().max()


def test_a_transcript_is_aligned_and_a_wrong_one_warned_of(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(2.0), RATE)
    (tmp_path / "t.txt").write_text("nobody says this,  never --")
    code, _, err = run("a.wav", "--formats", "words", "--text", str(tmp_path / "t.txt"))
    assert code == 0
    words = json.loads((tmp_path / "out" / "a.words.json").read_text())
    assert [word["word"] for word in words] == ["nobody", "says", "this,", "never"]
    assert [line for line in err.splitlines() if line.startswith("warning: --text: ")]


def test_a_model_without_a_face_leaves_the_files_of_the_face_out(tmp_path, capsys, caplog):
    save_bundle(tmp_path / "best", camn_bundle(predict_face=False))
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    with caplog.at_level("INFO"):
        assert (
            main(
                [
                    "generate",
                    str(tmp_path / "a.wav"),
                    "--checkpoint",
                    str(tmp_path / "best"),
                    "--out",
                    str(tmp_path / "o"),
                ]
            )
            == 0
        )
    assert {path.suffix for path in (tmp_path / "o").iterdir()} == {".bvh", ".npz", ".html", ".json"}
    assert not (tmp_path / "o" / "a.json").exists()  # the .json is that of the words
    assert "makes no face" in caplog.text


@pytest.mark.parametrize(
    "name, content, options, message",
    [
        ("none.wav", None, (), "no such sound file"),
        ("a.wav", b"", (), "empty"),
        ("a.wav", b"RIFF but no sound", (), "cannot be read as sound"),
        (
            "short.wav",
            100,
            (),
            "short.wav: its 0.00625 s are less than one frame at 15 fps (0.0667 s); give a longer recording",
        ),
        ("a.wav", 16000, ("--formats", "bvh,fbx"), "choose from bvh, json"),
        ("a.wav", 16000, ("--device", "xyz"), "device: got 'xyz'; choose cpu"),
        ("a.wav", 16000, ("--device", "meta"), "device: got 'meta'; choose cpu"),
        ("a.wav", 16000, ("--device", ""), "device: got ''; choose cpu"),
        ("a.wav", 16000, ("--seed", str(2**63 - 1), "--samples", "2"), "the last seed: got"),
        ("a.wav", 16000, ("--emotion", "2.7"), "emotion: got '2.7'; choose one of"),
        ("a.wav", 16000, ("--samples", "3"), "does not draw"),
        ("a.wav", 16000, ("--guidance", "2"), "--guidance: camn does not draw"),
        ("a.wav", 16000, ("--emotion", "joyful"), "choose one of neutral"),
        ("a.wav", 16000, ("--speaker", "nobody"), "nobody"),
        ("a.wav", 16000, ("--words", "w.docx"), "words are read from"),
        ("a.wav", 16000, ("--textgrid", "none.TextGrid"), "none.TextGrid"),
        ("a.wav", 16000, ("--textgrid", "w.json"), "is no .TextGrid"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1_and_leaves_no_file(
    tmp_path, run, name, content, options, message
):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        soundfile.write(tmp_path / name, sound(content / RATE), RATE)
    code, out, err = run(name, *options)
    assert code == 1
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_checkpoint_that_is_none_is_told(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    assert main(["generate", str(tmp_path / "a.wav"), "--checkpoint", str(tmp_path / "no")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_without_a_checkpoint_the_packages_own_model_moves_and_leaves_all_files(tmp_path, monkeypatch, capsys):
    """What a new user types first."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("hello.wav", sound(1.0, 44100, 2), 44100)
    assert main(["generate", "hello.wav", "--out", "out/"]) == 0
    endings = (".bvh", ".json", ".csv", ".npz", ".html", ".words.json")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"hello" + ending for ending in endings}
    assert read_bvh("out/hello.bvh").num_frames == read_performance_file("out/hello.npz").num_frames == 15
    assert main(["generate", "hello.wav", "--out", "named", "--formats", "npz", "--checkpoint", "synthetic"]) == 0
    one, two = (read_performance_file(f"{folder}/hello.npz") for folder in ("out", "named"))
    assert (one.motion == two.motion).all()
    assert main(["generate", "hello.wav", "--checkpoint", "syntetic"]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_samples_of_a_model_that_draws_differ_and_come_again_with_their_seed(tmp_path, capsys):
    save_bundle(tmp_path / "masked", masked_bundle())
    soundfile.write(tmp_path / "a.wav", sound(2.0), RATE)
    base = ["generate", str(tmp_path / "a.wav"), "--checkpoint", str(tmp_path / "masked"), "--formats", "npz"]
    decoding = ["--steps", "2", "--temperature", "1.0", "--guidance", "1.5"]
    assert main([*base, *decoding, "--out", str(tmp_path / "two"), "--samples", "2", "--seed", "5"]) == 0
    assert main([*base, *decoding, "--out", str(tmp_path / "one"), "--seed", "6"]) == 0
    first, second = (read_performance_file(tmp_path / "two" / f"a_{take}.npz").motion for take in (1, 2))
    assert not (first == second).all()
    assert (read_performance_file(tmp_path / "one" / "a.npz").motion == second).all()
    assert main([*base, "--out", str(tmp_path / "bad"), "--steps", "0"]) == 1
    assert "--steps: got 0; expected a number of steps from 1 to 1000" in capsys.readouterr().err


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked") / "best"
    save_bundle(folder, masked_bundle())
    return folder


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_kept_joints_come_back_at_every_rate_and_the_rest_is_made_anew(tmp_path, masked, fps):
    soundfile.write(tmp_path / "a.wav", sound(4.0), RATE)
    base = ["generate", str(tmp_path / "a.wav"), "--checkpoint", str(masked), "--formats", "bvh", "--fps", str(fps)]
    assert main([*base, "--out", str(tmp_path / "one"), "--seed", "1"]) == 0
    first = read_bvh(tmp_path / "one" / "a.bvh")
    keep = ["--keep", str(tmp_path / "one" / "a.bvh"), "--keep-parts", "RArm1, RightHand", "--keep-time", "1-2.4"]
    assert main([*base, "--out", str(tmp_path / "two"), "--seed", "2", *keep]) == 0
    second = read_bvh(tmp_path / "two" / "a.bvh")
    assert second.num_frames == 4 * fps
    angles = torch.rad2deg(rotation.angle_between(first.rotations(), second.rotations()))  # (T, J)
    hand, other = (first.skeleton.index(name) for name in ("RightHand", "LeftHand"))
    frames = slice(fps, round(2.4 * fps) + 1)
    assert angles[frames, [first.skeleton.index("RightForeArm")]].max() < 0.1
    assert angles[frames, hand].max() < 0.1
    assert angles[frames, other].max() > 1  # the other hand is drawn anew
    assert angles[round(3.2 * fps) :, hand].max() > 1  # and this one too, later


@pytest.mark.parametrize(
    "options, message",
    [
        (["--keep", "none.bvh"], "none.bvh: no such file"),
        (["--keep", "k.bvh", "--keep-parts", "RightHnd"], "got 'RightHnd'; did you mean RightHand? choose"),
        (["--keep", "k.bvh", "--keep-parts", ","], "joints to keep: none named"),
        (["--keep", "k.bvh", "--keep-time", "two"], "--keep-time: got 'two'; expected two times in seconds, e.g. 2-5"),
        (["--keep", "k.bvh", "--keep-time", "2-5"], "k.bvh lasts 2.00 s and the speech 3.00 s; end at 2.00 at most"),
        (["--keep-time", "2-5"], "--keep-time: of which motion? give its BVH with --keep FILE"),
        (["--keep-parts", "all"], "--keep-parts: of which motion?"),
    ],
)
def test_what_cannot_be_kept_is_one_line_and_leaves_no_file(tmp_path, masked, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", sound(3.0), RATE)
    soundfile.write("k.wav", sound(2.0), RATE)
    base = ["--checkpoint", str(masked), "--formats", "bvh"]
    assert main(["generate", "k.wav", "--out", ".", *base]) == 0
    capsys.readouterr()
    assert main(["generate", "a.wav", "--out", "out", *base, *options]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_complete_says_so(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(2.0), RATE)
    assert run("a.wav", "--formats", "bvh")[0] == 0
    code, _, err = run("a.wav", "--keep", str(tmp_path / "out" / "a.bvh"))
    assert code == 1
    assert "--keep: camn cannot complete given motion; give a checkpoint of a masked_transformer" in err


def test_a_recording_beside_the_sound_is_not_replaced(tmp_path, run, caplog):
    """Corpora keep the motion and the face of a recording beside its sound, under the same name."""
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    (tmp_path / "a.csv").write_text("the phone's face")
    code, _, err = run("a.wav", "--out", str(tmp_path))
    assert (code, "a.csv: it lies beside the sound and may be its recording" in err) == (1, True)
    assert [path.name for path in sorted(tmp_path.iterdir()) if path.is_file()] == ["a.csv", "a.wav"]
    (tmp_path / "a.csv").unlink()
    assert run("a.wav", "--out", str(tmp_path))[0] == 0
    with caplog.at_level("INFO"):
        assert run("a.wav", "--out", str(tmp_path))[0] == 0  # an earlier result may be replaced, which is told
    assert f"replaced: {tmp_path / 'a.csv'}" in caplog.messages


def test_an_output_folder_that_cannot_be_made_is_one_line_with_a_remedy(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE)
    (tmp_path / "taken").write_text("")
    for out in ("taken", "taken/below"):
        code, _, err = run("a.wav", "--out", str(tmp_path / out))
        assert code == 1
        assert err.splitlines()[-1].startswith(f"error: --out: the folder {tmp_path / out} cannot be made: ")
        assert err.endswith("; give another\n")


def test_a_video_of_short_speech_is_as_long_as_its_pictures(tmp_path, run):
    soundfile.write(tmp_path / "a.wav", sound(0.4), RATE)
    assert run("a.wav", "--formats", "mp4")[0] == 0
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "out" / "a.mp4"))
    assert next(reader)["duration"] == pytest.approx(0.4, abs=0.05)
