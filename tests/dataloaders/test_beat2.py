"""The BEAT2 corpus: body and face in SMPL-X, splits by its csv."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from face_corpora import codes_at, make_beat2, sound, wav_bytes

from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora import beat2
from dataloaders.splits import SplitEntry, split_entries
from dataloaders.window_dataset import WindowDataset
from emage.config import DataConfig, SplitsConfig
from emage.errors import InputError
from emage.motion.convert import to_matrices
from emage.motion.layout import get_layout
from emage.motion.skeleton import SMPLX_JOINTS
from emage.speakers import SpeakerTable
from emage.vocabulary import Vocabulary

GOOD, BAD = "2_scott_0_1_1", "2_scott_0_2_2"


@pytest.fixture
def root(tmp_path) -> Path:
    make_beat2(tmp_path / "beat2", GOOD)
    return make_beat2(tmp_path / "beat2", BAD)


def config(root: Path, **options) -> DataConfig:
    options = {"fps": 30.0, "cache_dir": str(root.parent / "caches")} | options
    return DataConfig(format="beat2", root=str(root), **options)


def test_body_and_face_come_back_as_they_were_written(root):
    build_cache(config(root), 1, progress=False)
    cache = MotionCache.open(config(root))
    assert cache.layouts == {"motion": "smplx_full", "face": "flame_103"}
    times_s = np.arange(120) / 30
    poses = (0.4 * codes_at(times_s, 165)).astype(np.float32)
    motion, face = cache.read(GOOD, "motion"), cache.read(GOOD, "face")
    np.testing.assert_array_equal(motion[:, 3:], poses)
    np.testing.assert_allclose(motion[:, 0], 10 * times_s, atol=1e-5)  # 0.1 m/s in cm
    jaw = 3 * SMPLX_JOINTS.index("jaw")
    np.testing.assert_array_equal(face[:, 100:], poses[:, jaw : jaw + 3])
    np.testing.assert_array_equal(face[:, :100], codes_at(times_s, 100).astype(np.float32))
    meta = cache.meta(GOOD)
    assert meta["skeleton"].names == SMPLX_JOINTS
    assert [word.text for word in meta["words"]][:2] == ["the", "first"]


@pytest.mark.parametrize("layout", ["smplx_full", "smplx_full_rot6d"])
def test_windows_of_the_body_hold_its_rotations(root, layout):
    build_cache(config(root), 1, progress=False)
    cache = MotionCache.open(config(root))
    windows = WindowDataset(
        cache,
        [SplitEntry(GOOD, GOOD)],
        layout=layout,
        window_frames=34,
        stride_frames=10,
        vocabulary=Vocabulary(["the"]),
        speakers=SpeakerTable.build(["2"], 4),
    )
    item = windows.__getitems__([2])[0]
    assert item["motion"].shape == (34, get_layout(layout).dim)
    made = to_matrices(torch.from_numpy(item["motion"]), layout)
    stored = to_matrices(torch.from_numpy(cache.read(GOOD, "motion", 20, 54)), "smplx_full")
    torch.testing.assert_close(made, stored, atol=1e-5, rtol=0)


def test_body_windows_of_a_corpus_with_other_joints_or_none_are_refused(root):
    build_cache(config(root), 1, progress=False)
    options = {"window_frames": 34, "stride_frames": 10, "vocabulary": Vocabulary(["the"])}
    with pytest.raises(InputError, match="layout smplx_full: it has no joint 'Spine'"):
        WindowDataset(
            MotionCache.open(config(root)), [], layout="beat_141", speakers=SpeakerTable.build(["2"], 4), **options
        )


def test_the_csv_decides_the_splits(root):
    make_beat2(root, "4_lawrence_0_9_9")
    make_beat2(root, "4_lawrence_0_8_8")
    rows = [(GOOD, "train"), (BAD, "test"), ("4_lawrence_0_9_9", "additional"), ("1_wayne_0_1_1", "val")]
    (root / "train_test_split.csv").write_text("id,type\n" + "".join(f"{a},{b}\n" for a, b in rows))
    recordings = beat2.find_recordings(config(root))
    splits, _ = split_entries(config(root), recordings)
    assert {k: [e.id for e in v] for k, v in splits.items()} == {"train": [GOOD], "val": [], "test": [BAD]}
    notices = beat2.corpus_notices(recordings, config(root))
    assert "1 recordings are not in train_test_split.csv, so in no split: 4_lawrence_0_8_8" in notices[0]
    assert "names 1 recordings that are not here, e.g. 1_wayne_0_1_1" in notices[1]
    (root / "train_test_split.csv").write_text("id,type\n2_scott_0_1_1,trian\n")
    with pytest.raises(InputError, match="train_test_split.csv, line 2: .*expected id and type"):
        beat2.find_recordings(config(root))


def test_without_a_csv_all_is_train_unless_the_config_says_otherwise(root):
    recordings = beat2.find_recordings(config(root))
    assert [e.id for e in split_entries(config(root), recordings)[0]["train"]] == [GOOD, BAD]
    splits = SplitsConfig(train=[GOOD], test=[BAD])
    assert [e.id for e in split_entries(config(root, splits=splits), recordings)[0]["test"]] == [BAD]


def change(root: Path, **values) -> None:
    path = root / "smplxflame_30" / f"{BAD}.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays.update(values)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None}, allow_pickle=True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda root: (root / "wave16k" / f"{BAD}.wav").unlink(), "no file in wave16k"),
        (lambda root: (root / "smplxflame_30" / f"{BAD}.npz").unlink(), "no file in smplxflame_30"),
        (lambda root: os.truncate(root / "smplxflame_30" / f"{BAD}.npz", 5000), "cannot be read as npz"),
        (lambda root: change(root, poses=np.zeros((120, 156), np.float32)), "poses is float32 (120, 156)"),
        (lambda root: change(root, expressions=None), "no expressions"),
        (lambda root: change(root, trans=np.full((120, 3), np.nan)), "trans holds NaN or infinity, first in frame 0"),
        (lambda root: change(root, trans=np.zeros((119, 3))), "trans 119"),
        (lambda root: change(root, poses=np.array([[object()] * 165])), "cannot be read as npz"),
        (lambda root: change(root, mocap_frame_rate=np.array(0)), "mocap_frame_rate is 0.0"),
        (lambda root: (root / "textgrid" / f"{BAD}.TextGrid").write_text("no grid"), ".TextGrid"),
    ],
)
def test_a_broken_file_costs_its_recording_alone(root, spoil, reason):
    spoil(root)
    report = build_cache(config(root), 1, progress=False)
    assert report.used == [GOOD]
    ((key, why),) = report.rejects
    assert key == BAD
    assert reason in why


def test_sound_at_another_rate_or_longer_is_repaired_with_a_notice(root):
    path = root / "wave16k" / f"{BAD}.wav"
    path.write_bytes(wav_bytes(sound(4.3, 24000), 24000, channels=2))
    report = build_cache(config(root), 1, progress=False)
    assert [key for key, _ in report.notices] == [BAD, BAD]
    assert "24000 Hz and 2 channel(s)" in report.notices[0][1]
    assert "unequal lengths, the shortest counts: audio 4.30 s, motion 4.00 s, face 4.00 s" in report.notices[1][1]
