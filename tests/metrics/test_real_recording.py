"""The real recording, if it is there: what docs/metrics.md says of it."""

import numpy as np
import pytest
import torch

from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS
from emage.config import DataConfig
from emage.metrics import FGD, SRGR, BeatAlign, Feet, Kinematics, L1Diversity
from emage.metrics.confidence import intervals
from emage.metrics.fgd_windows import principal_windows
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import get_layout
from emage.motion.skeleton import forward_kinematics


@pytest.fixture(scope="module")
def clip(beat_sample):
    config = DataConfig(root=str(beat_sample))
    (recording,) = DATASETS["raw"].find_recordings(config)
    return make_clip(DATASETS["raw"].read_sources(recording, config), 15, 16000)


@pytest.fixture(scope="module")
def positions_cm(clip) -> np.ndarray:
    motion, layout = torch.from_numpy(clip.motion).double(), get_layout("beat_full")
    assert list(clip.skeleton.indices(layout.joints)) == list(range(75))
    translation = clip.skeleton.offsets_cm.expand(len(motion), -1, -1).clone()
    translation[:, 0] = motion[:, layout.translation_slice]
    return forward_kinematics(to_matrices(motion, layout), clip.skeleton.parents, translation)[0].numpy()


def test_against_itself_its_fgd_is_zero_and_shuffled_or_still_it_is_not(clip):
    real = convert(torch.from_numpy(clip.motion), "beat_full", "beat_141_rot6d")
    space = principal_windows([real])
    shuffled = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))]
    values = {}
    for name, motion in {"itself": real, "shuffled": shuffled, "still": real.mean(dim=0).expand_as(real)}.items():
        metric = FGD(space)
        metric.update(motion, real)
        values[name] = metric.compute()["fgd"]
    assert values["itself"] == pytest.approx(0, abs=1e-6)
    assert min(values["shuffled"], values["still"]) > 10
    assert intervals(metric)["fgd"].reason.startswith("one recording")


def test_its_beat_alignment_stands_beside_its_chance_level(clip, positions_cm):
    metric = BeatAlign("corrected", 15, 16000)
    metric.update_positions(positions_cm, clip.waveform, joint_names=clip.skeleton.names)
    result = metric.compute()
    found = [result[name] for name in ("beat_align", "chance_random", "chance_shifted")]
    assert found == pytest.approx([0.418, 0.333, 0.407], abs=0.01)
    published = BeatAlign("beat2022", 15, 16000)
    motion = convert(torch.from_numpy(clip.motion), "beat_full", "beat_141")
    published.update(motion, clip.waveform, layout="beat_141")
    result = published.compute()
    found = [result[name] for name in ("beat_align", "chance_random", "chance_shifted")]
    assert found == pytest.approx([0.930, 0.806, 0.928], abs=0.01)


def test_its_other_values_are_those_of_the_table(clip, positions_cm):
    motion = convert(torch.from_numpy(clip.motion), "beat_full", "beat_141").numpy()
    recall, recall_published = SRGR(), SRGR("beat2022")
    for metric in (recall, recall_published):
        metric.update(motion, motion, semantic=clip.semantic)
    diversity, kinematics, feet = L1Diversity("beat2022"), Kinematics(15), Feet(15)
    diversity.update(motion)
    kinematics.update(positions_cm, positions_cm)
    feet.update(positions_cm, joint_names=clip.skeleton.names, reference_cm=positions_cm)
    assert recall.compute()["srgr"] == 1
    assert recall_published.compute()["srgr"] == pytest.approx(1.491, abs=0.001)
    assert diversity.compute()["l1_diversity"] == pytest.approx(1053.9, abs=0.5)
    assert kinematics.compute()["speed_mean_cm_s"] == pytest.approx(61.5, abs=0.1)
    assert kinematics.compute()["jerk_mean_cm_s3"] == pytest.approx(5714, abs=10)
    assert feet.compute()["foot_sliding_cm_s"] == pytest.approx(5.8, abs=0.1)
