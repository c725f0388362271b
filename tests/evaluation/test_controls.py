import numpy as np
import pytest
import torch

from emage.evaluation.controls import half_turned, mean_pose, shuffled, still
from emage.evaluation.measures import MEASURES, badness
from emage.evaluation.ranking import rank_recordings
from emage.evaluation.store import REFERENCE, Recording, Sound, Store
from emage.evaluation.take import Take
from emage.motion import rotation
from emage.text import Word

BY_KEY = {measure.key: measure for measure in MEASURES}


def body(num_frames: int, seed: int = 0) -> Take:
    draw = np.random.default_rng(seed)
    turns = rotation.euler_to_matrix(torch.from_numpy(draw.normal(0, 40, (num_frames, 2, 3))), "XYZ")
    rot6d = rotation.matrix_to_rot6d(turns).flatten(1).float().numpy()
    positions = draw.normal(size=(num_frames, 2, 3)).astype(np.float32)
    return Take(positions_cm=positions, local_cm=positions, euler_deg=positions, window_rot6d=rot6d)


def test_the_mean_pose_is_of_all_frames_and_its_rotations_are_rotations():
    takes = [body(10, 1), body(30, 2)]
    pose = mean_pose(takes)
    every = np.concatenate([take.positions_cm for take in takes])
    np.testing.assert_allclose(pose.positions_cm[0], every.mean(axis=0), atol=1e-5)
    matrix = rotation.rot6d_to_matrix(torch.from_numpy(pose.window_rot6d).unflatten(1, (2, 6)))
    np.testing.assert_allclose(rotation.matrix_to_rot6d(matrix).flatten(1).numpy(), pose.window_rot6d, atol=1e-5)
    held = still(pose, takes[0])
    assert held.positions_cm.shape == (10, 2, 3)
    assert np.ptp(held.positions_cm, axis=0).max() == 0


def test_shuffled_frames_are_the_same_frames_in_an_order_that_hangs_on_the_seed_alone():
    take = body(40)
    one, again, other = shuffled(take, 0), shuffled(take, 0), shuffled(take, 1)
    np.testing.assert_array_equal(one.positions_cm, again.positions_cm)
    assert not np.array_equal(one.positions_cm, other.positions_cm)
    assert not np.array_equal(one.positions_cm, take.positions_cm)
    np.testing.assert_array_equal(np.sort(one.positions_cm, axis=0), np.sort(take.positions_cm, axis=0))


def test_weights_that_are_not_valid_are_in_no_control():
    weights = np.random.default_rng(0).random((40, 51), np.float32)
    valid = np.ones((40, 51), bool)
    valid[5:15], valid[:, 7] = False, False
    take = Take(face=np.where(valid, weights, 9).astype(np.float32), face_valid=valid)
    pose = mean_pose([take])
    np.testing.assert_allclose(
        pose.face[0, :7], weights[valid.all(axis=1) | valid[:, 0]][:, :7].mean(axis=0), rtol=1e-5
    )
    assert pose.face[0, 7] == 0
    assert still(pose, take).face_valid is None
    for moved in (shuffled(take, 3), half_turned(take)):
        assert (moved.face[moved.face_valid] < 1).all()
        assert (moved.face[~moved.face_valid] == 9).all()


def test_half_turned_twice_is_where_it_was():
    take = body(40)
    np.testing.assert_array_equal(half_turned(half_turned(take)).positions_cm, take.positions_cm)


def test_a_moved_sound_keeps_its_samples_phones_and_labels_together():
    waveform = np.arange(160.0)
    sound = Sound(waveform, {}, (Word("m", 1.0, 2.0), Word("a", 6.0, 7.0)), np.arange(10.0))
    moved = sound.shifted(sample_rate=16)  # 10 s, moved by 5
    np.testing.assert_array_equal(moved.waveform, np.roll(waveform, 80))
    assert moved.phones == (Word("a", 1.0, 2.0), Word("m", 6.0, 7.0))
    np.testing.assert_array_equal(moved.semantic, np.roll(np.arange(10.0), 5))


def test_the_donor_is_the_next_recording_that_has_as_much():
    with Store() as store:
        for key, has_face in (("a", True), ("b", False), ("c", True)):
            take = body(5)
            take = Take(**take.arrays(), face=np.zeros((5, 51))) if has_face else take
            store.add(Recording(key, {REFERENCE: take, "generated": take}, Sound()))
        assert [store.donor(key) for key in ("a", "b", "c")] == ["c", "c", "a"]
        np.testing.assert_array_equal(store.take("a", REFERENCE).positions_cm, body(5).positions_cm)
    with Store() as store:
        store.add(Recording("alone", {REFERENCE: body(5)}, Sound()))
        assert store.donor("alone") is None


@pytest.mark.parametrize(
    "key, value, real, expected",
    [
        ("fgd_raw", 3.0, 0.0, 3.0),
        ("cca", 0.7, 1.0, -0.7),
        ("speed_mean", 30.0, 50.0, 20.0),
        ("speed_mean", 30.0, None, None),
        ("seam_score", 0.8, None, pytest.approx(0.2)),
        ("jaw_open_lag", -0.1, 0.0, 0.1),
        ("multimodality", 5.0, 1.0, None),
        ("fgd_raw", None, 0.0, None),
    ],
)
def test_how_far_a_value_is_from_its_goal(key, value, real, expected):
    assert badness(BY_KEY[key], value, real) == expected


def test_recordings_are_ranked_by_the_measures_in_which_they_differ():
    table = {
        "a": {"hellinger": 0.1, "cca": 0.9},
        "b": {"hellinger": 0.3, "cca": 0.9},
        "c": {"hellinger": 0.2, "cca": None},
    }
    rows, ranked_by = rank_recordings(table, {})
    assert ([row["id"] for row in rows], ranked_by) == (["a", "c", "b"], ["hellinger"])
    assert [row["rank"] for row in rows] == [0.0, 0.5, 1.0]


def test_the_names_of_the_measures_are_unique():
    assert len(BY_KEY) == len(MEASURES)
    assert len({measure.label for measure in MEASURES}) == len(MEASURES)
