"""Windows of faces from caches of three annotations: one form, masks for what is not known, exact times."""

import numpy as np
import pytest
import torch
from face_corpora import make_beat2, make_emoca_sequence, make_singinghead
from raw_corpus import make_raw_recording

from dataloaders.batch import FACE_BATCH_KEYS, collate_faces
from dataloaders.cache import MotionCache, build_cache
from dataloaders.face_windows import FaceWindows
from dataloaders.splits import SplitEntry
from emage.audio import frame_to_sample
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.convert_face import FACE_GROUPS, to_face_all
from emage.motion.resample import resample_face

RATES = {"raw": 15.0, "emoca": 25.0, "singinghead": 30.0, "beat2": 30.0}
KNOWN = {
    "raw": {"arkit"},
    "emoca": {"expression", "jaw", "head"},
    "singinghead": {"expression", "jaw", "head"},
    "beat2": {"expression", "expression_rest", "jaw"},
}


@pytest.fixture(scope="module")
def caches(tmp_path_factory) -> dict[str, MotionCache]:
    folder = tmp_path_factory.mktemp("faces")
    make_raw_recording(folder / "raw")
    for number in range(3):
        make_emoca_sequence(folder / "emoca", f"V0-s{number}-00001", frames=100 + 7 * number)
    make_singinghead(folder / "singinghead", {"train": ["id0_1_0_0", "id1_1_0_0"]})
    make_beat2(folder / "beat2")
    made = {}
    for name, fps in RATES.items():
        config = DataConfig(format=name, root=str(folder / name), cache_dir=str(folder / f"{name}_cache"), fps=fps)
        build_cache(config, 1, progress=False)
        made[name] = MotionCache.open(config)
    return made


def windows(cache: MotionCache, fps: float, frames: int = 34, stride: int = 9) -> FaceWindows:
    entries = [SplitEntry(key, key) for key in cache.recordings()]
    return FaceWindows(
        cache,
        entries,
        fps=fps,
        sample_rate=16000,
        window_frames=frames,
        stride_frames=stride,
        corpus=3,
        speakers=range(1, 1 + len(entries)),
    )


@pytest.mark.parametrize("fps", [15.0, 25.0, 30.0])
@pytest.mark.parametrize("name", RATES)
def test_a_window_is_what_the_whole_recording_has_at_its_time(caches, name, fps):
    cache = caches[name]
    found = windows(cache, fps)
    assert len(found) > 2
    layout = cache.layouts["face"]
    batch = collate_faces(found.__getitems__(list(range(len(found)))))
    assert tuple(batch) == FACE_BATCH_KEYS
    for row in range(len(found)):
        key, start = found.place(row)
        source = torch.from_numpy(cache.read(key, "face"))
        whole = resample_face(source, layout, cache.fps, target_fps=fps, num_frames=start + 34)
        expected = to_face_all(whole[start:], layout)
        torch.testing.assert_close(batch["face_all"][row], expected, atol=2e-5, rtol=0)
        sample = frame_to_sample(start, fps, 16000)
        waveform = batch["waveform"][row].numpy()
        available = cache.read(key, "waveform")[sample : sample + len(waveform)]
        if len(available) == len(waveform):
            np.testing.assert_array_equal(waveform, available)
        assert batch["speaker"][row] == 1 + cache.recordings().index(key)
    assert batch["waveform"].shape[1] == frame_to_sample(34, fps, 16000)
    assert set(batch["corpus"].tolist()) == {3}


@pytest.mark.parametrize("name", RATES)
def test_masks_tell_what_the_corpus_knows(caches, name):
    batch = collate_faces([windows(caches[name], 30.0)[0]])
    valid = batch["face_all_valid"]
    assert valid.shape == (1, 34, len(FACE_GROUPS))
    assert {group for place, group in enumerate(FACE_GROUPS) if valid[..., place].all()} == KNOWN[name]
    assert {group for place, group in enumerate(FACE_GROUPS) if valid[..., place].any()} == KNOWN[name]


def test_every_window_lies_within_its_recording(caches):
    for cache in caches.values():
        for fps in (15.0, 24.0, 30.0, 60.0):
            found = windows(cache, fps, frames=20, stride=1)
            for index in (0, len(found) - 1):
                key, start = found.place(index)
                assert start >= 0
                assert (start + 19) / fps <= (cache.num_frames(key) - 1) / cache.fps + 1e-9
            assert found.hours == pytest.approx(
                sum(map(cache.num_frames, cache.recordings())) / cache.fps / 3600, rel=1e-9
            )


def test_too_long_a_window_gives_none_and_another_sample_rate_is_refused(caches):
    assert len(windows(caches["emoca"], 30.0, frames=500)) == 0
    with pytest.raises(InputError, match="16000 samples a second, 22050 are asked for"):
        FaceWindows(
            caches["emoca"],
            [],
            fps=30,
            sample_rate=22050,
            window_frames=5,
            stride_frames=5,
            corpus=0,
            speakers=[],
        )


def test_no_windows_are_no_batch():
    with pytest.raises(ValueError, match="at least one"):
        collate_faces([])
