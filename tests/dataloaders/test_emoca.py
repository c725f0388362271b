"""The EMOCA corpus: what is read, what is repaired with a notice, and that one bad sequence never costs the others."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from face_corpora import EMOCA_FILES, codes_at, make_emoca_sequence, sound, turns_at, wav_bytes
from scipy.spatial.transform import Rotation

from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora import emoca
from dataloaders.splits import split_entries
from emage.config import DataConfig, SplitsConfig
from emage.errors import InputError

GOOD, BAD = "V0-s1-00001", "V0-s1-00002"


@pytest.fixture
def root(tmp_path) -> Path:
    """Two sequences of one speaker; tests spoil the second."""
    make_emoca_sequence(tmp_path / "emoca", GOOD)
    make_emoca_sequence(tmp_path / "emoca", BAD)
    return tmp_path / "emoca"


def config(root: Path, **options) -> DataConfig:
    return DataConfig(format="emoca", root=str(root), cache_dir=str(root.parent / "caches"), **{"fps": 25.0} | options)


def bad_file(root: Path, name: str) -> Path:
    return root / "trainset" / "V0-GRID" / BAD / name


def test_codes_and_sound_come_back_as_they_were_written(root):
    build_cache(config(root), 1, progress=False)
    cache = MotionCache.open(config(root))
    assert cache.recordings() == [GOOD, BAD]
    assert cache.layouts == {"motion": None, "face": "emoca_56"}
    times_s = np.arange(100) / 25
    face = cache.read(GOOD, "face")
    np.testing.assert_array_equal(face[:, :50], codes_at(times_s, 50).astype(np.float32))
    np.testing.assert_array_equal(face[:, 50:53], turns_at(times_s, 0.3).astype(np.float32))
    np.testing.assert_array_equal(face[:, 53:], turns_at(times_s, 0.1, 1.0).astype(np.float32))
    np.testing.assert_allclose(cache.read(GOOD, "waveform"), sound(4), atol=1e-4)
    meta = cache.meta(GOOD)
    shapes = np.load(root / "trainset" / "V0-GRID" / GOOD / "shapecode.npy")
    np.testing.assert_allclose(meta["shape_code"], np.median(shapes, axis=0), atol=1e-6)
    assert (meta["speaker"], meta["skeleton"]) == ("V0-s1", None)


def test_another_rate_is_reached_by_time_and_rotations_on_the_sphere(root):
    build_cache(config(root, fps=30.0), 1, progress=False)
    face = MotionCache.open(config(root, fps=30.0)).read(GOOD, "face")
    assert len(face) == 120
    times_s = np.arange(118) / 30  # the last two lie beyond the last sample
    np.testing.assert_allclose(face[:118, :50], codes_at(times_s, 50), atol=0.02)
    turned = Rotation.from_rotvec(face[:118, 50:53]) * Rotation.from_rotvec(turns_at(times_s, 0.3)).inv()
    assert turned.magnitude().max() < 0.005


@pytest.mark.parametrize("name", EMOCA_FILES)
def test_a_missing_file_costs_its_sequence_alone(root, name):
    bad_file(root, name).unlink()
    report = build_cache(config(root), 1, progress=False)
    assert report.used == [GOOD]
    assert report.rejects == [(BAD, f"{BAD}: no {name}; each sequence has 11 files")]


def spoil_value(path: Path) -> None:
    values = np.load(path)
    values.flat[7] = np.nan
    np.save(path, values)


def spoil_shape(path: Path) -> None:
    np.save(path, np.load(path)[..., :-1])


def spoil_end(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def spoil_head(path: Path) -> None:
    os.truncate(path, 20)


def spoil_type(path: Path) -> None:
    np.save(path, np.load(path).astype(object), allow_pickle=True)


def spoil_length(path: Path) -> None:
    np.save(path, np.load(path)[:60])


ARRAYS = [name for name in EMOCA_FILES if name.endswith(".npy") and name != "refimg.npy"]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_value, "values are not finite"),
        (spoil_end, "cut off"),
        (spoil_head, "cut off in its header"),
        (spoil_type, "an array of Python objects"),
    ],
)
def test_a_broken_array_costs_its_sequence_alone_and_says_why(root, name, spoil, reason):
    spoil(bad_file(root, name))
    report = build_cache(config(root), 1, progress=False)
    assert report.used == [GOOD]
    ((key, why),) = report.rejects
    assert key == BAD
    assert name in why
    assert reason in why


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "envelope.npy"])
@pytest.mark.parametrize(
    ("spoil", "reason"), [(spoil_shape, "expected (frames, "), (spoil_length, "the shortest has 60")]
)
def test_arrays_of_another_shape_are_refused(root, name, spoil, reason):
    spoil(bad_file(root, name))
    ((key, why),) = build_cache(config(root), 1, progress=False).rejects
    assert key == BAD
    assert reason in why


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cos\nsystem\n(S'touch broken_in'\ntR.", "os.system"),
        (pickle.dumps([1, 2]), "holds a list; expected a number or a dict"),
        (pickle.dumps({"frames": 100})[:-3], "cannot be read as a pickle"),
        (b"\x80\x04" + b"x" * (2 << 20), "at most"),
    ],
)
def test_metadata_that_calls_something_or_is_no_metadata_is_refused(root, content, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad_file(root, "metadata.pkl").write_bytes(content)
    ((key, why),) = build_cache(config(root), 1, progress=False).rejects
    assert key == BAD
    assert reason in why
    assert not (tmp_path / "broken_in").exists()


@pytest.mark.parametrize("content", [100, 100.0, {"fps": 25, "name": "x", "array": np.arange(3)}])
def test_metadata_may_be_a_number_or_a_mapping(root, content):
    bad_file(root, "metadata.pkl").write_bytes(pickle.dumps(content))
    assert build_cache(config(root), 1, progress=False).rejects == []


@pytest.mark.parametrize("name", ["posecode.npy", "shapecode.npy", "texcode.npy", "expcode.npy"])
def test_of_376_rows_the_first_are_the_sequences(root, name):
    path = bad_file(root, name)
    values = np.load(path)
    np.save(path, np.concatenate([values, np.full((276, values.shape[1]), 9, dtype=np.float32)]))
    report = build_cache(config(root), 1, progress=False)
    assert report.notices == [(BAD, f"{name} has 376 rows: the first 100 are read")]
    cache = MotionCache.open(config(root))
    np.testing.assert_array_equal(cache.read(BAD, "face"), cache.read(GOOD, "face"))


def test_a_sequence_longer_than_376_frames_is_not_cut_to_them(root):
    home = make_emoca_sequence(root, "V0-s1-00003", frames=450)
    np.save(home / "posecode.npy", np.load(home / "posecode.npy")[:376])
    ((key, why),) = build_cache(config(root), 1, progress=False).rejects
    assert key == "V0-s1-00003"
    assert "the shortest has 376" in why


@pytest.mark.parametrize("rows", [1, 0])
def test_identity_and_texture_may_stand_once(root, rows):
    for name in ("shapecode.npy", "texcode.npy"):
        path = bad_file(root, name)
        np.save(path, np.load(path)[0] if rows == 0 else np.load(path)[:1])
    assert build_cache(config(root), 1, progress=False).rejects == []
    assert MotionCache.open(config(root)).num_frames(BAD) == 100


def test_a_stereo_wav_at_24_khz_is_repaired_with_a_notice(root):
    bad_file(root, "audio.wav").write_bytes(wav_bytes(sound(4, 24000), 24000, channels=2))
    report = build_cache(config(root), 1, progress=False)
    notice = "the sound has 24000 Hz and 2 channel(s): read as one channel at 16000 Hz"
    assert report.notices == [(BAD, notice)]
    cache = MotionCache.open(config(root))
    np.testing.assert_allclose(cache.read(BAD, "waveform")[800:-800], sound(4)[800:-800], atol=2e-3)


def test_sound_that_is_0_3_s_longer_is_cut_with_a_notice(root):
    bad_file(root, "audio.wav").write_bytes(wav_bytes(sound(4.3)))
    report = build_cache(config(root), 1, progress=False)
    lengths = "unequal lengths, the shortest counts: audio 4.30 s, face 4.00 s"
    unused = "envelope.npy has 64000 values to 68800 samples: it is not used"
    assert report.notices == [(BAD, unused), (BAD, lengths)]
    assert len(MotionCache.open(config(root)).read(BAD, "waveform")) == 64000


def test_the_sound_of_something_else_is_refused(root):
    bad_file(root, "audio.wav").write_bytes(wav_bytes(sound(9)))
    ((_, why),) = build_cache(config(root), 1, progress=False).rejects
    assert "9.00 s of sound to 100 frames, 4.00 s" in why


def test_speakers_are_read_off_the_ids(tmp_path):
    names = {
        "V0-s12-00001": ("V0-GRID", "V0-s12"),
        "V1-Song-Actor_03-00007": ("V1-RAVDESS", "V1-Actor_03"),
        "V1-Speech-Actor_03-00001": ("V1-RAVDESS", "V1-Actor_03"),
        "V2-M003-angry-00001": ("V2-MEAD", "V2-M003"),
        "V4-00092": ("V4-HDTF", "V4-unknown"),
    }
    for name, (collection, _) in names.items():
        make_emoca_sequence(tmp_path, name, collection=collection, frames=5)
    recordings = emoca.find_recordings(config(tmp_path))
    assert {r.id: r.speaker for r in recordings} == {name: speaker for name, (_, speaker) in names.items()}
    assert [r.id for r in emoca.find_recordings(config(tmp_path, speakers=["V1-Actor_03"]))] == [
        "V1-Song-Actor_03-00007",
        "V1-Speech-Actor_03-00001",
    ]


def test_splits_go_by_folder_and_speaker_and_a_missing_testset_is_no_fault(tmp_path):
    home = make_emoca_sequence(tmp_path, "V0-s0-00001", frames=5)
    for speaker in range(60):
        for take in (1, 2):
            target = home.parent / f"V0-s{speaker}-{take:05d}"
            if target != home:
                shutil.copytree(home, target)
    recordings = emoca.find_recordings(config(tmp_path))
    splits, _ = split_entries(config(tmp_path), recordings)
    speakers = {name: {entry.id.rsplit("-", 1)[0] for entry in entries} for name, entries in splits.items()}
    assert speakers["test"] == set()
    assert 1 <= len(speakers["val"]) <= 15
    assert not speakers["val"] & speakers["train"]
    assert len(splits["val"]) == 2 * len(speakers["val"])
    make_emoca_sequence(tmp_path, "V0-s0-00001", folder="testset", frames=5)
    recordings = emoca.find_recordings(config(tmp_path))
    splits, _ = split_entries(config(tmp_path), recordings)
    assert [entry.id for entry in splits["test"]] == ["V0-s0-00001@testset"]
    where = "val" if "V0-s0" in speakers["val"] else "train"
    assert emoca.corpus_notices(recordings, config(tmp_path)) == [f"1 speaker(s) in {where} and test: V0-s0"]


def test_explicit_splits_name_sequences_by_their_ids(root):
    splits = SplitsConfig(train=[GOOD], val=[BAD])
    found, notices = split_entries(config(root, splits=splits), emoca.find_recordings(config(root)))
    assert ([e.id for e in found["train"]], [e.id for e in found["val"]], notices) == ([GOOD], [BAD], [])
    with pytest.raises(InputError, match="did you mean 'V0-s1-0000"):
        split_entries(config(root, splits=SplitsConfig(train=["V0-s1-9"])), emoca.find_recordings(config(root)))


def test_no_such_tree_is_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match="no sequences; expected <root>/{trainset,testset}/<V0-GRID"):
        emoca.find_recordings(config(tmp_path))
    (tmp_path / "trainset" / "V9-OTHER").mkdir(parents=True)
    make_emoca_sequence(tmp_path)
    (notice,) = emoca.corpus_notices(emoca.find_recordings(config(tmp_path)), config(tmp_path))
    assert "passed over: trainset/V9-OTHER" in notice


def test_hidden_folders_are_no_sequences(root):
    shutil.copytree(root / "trainset" / "V0-GRID" / GOOD, root / "trainset" / "V0-GRID" / f".{GOOD}.partial")
    (root / "trainset" / ".snapshot").mkdir()
    recordings = emoca.find_recordings(config(root))
    assert [recording.id for recording in recordings] == [GOOD, BAD]
    assert not any("passed over" in notice for notice in emoca.corpus_notices(recordings, config(root)))


def test_a_sequence_that_moved_to_the_testset_is_of_the_split_of_today(root):
    build_cache(config(root), 1, progress=False)
    (root / "testset" / "V0-GRID").mkdir(parents=True)
    (root / "trainset" / "V0-GRID" / BAD).rename(root / "testset" / "V0-GRID" / BAD)
    known = MotionCache.open(config(root)).known
    assert known[GOOD].subset != "test"
    assert known[BAD].subset == "test"
