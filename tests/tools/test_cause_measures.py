"""The measures of causes on made-up motion whose answer is known."""

import numpy as np
import pytest
from cause_measures import (
    NearestPose,
    chance_met,
    extents_cm,
    hand_paths_cm,
    hand_speed_cm_s,
    mirrored,
    num_met,
    stroke_times_s,
)

FPS, SECONDS = 15.0, 20.0
JOINTS = ("Spine3", "RightHand", "LeftHand")
STRESSES_S = np.array([2.0, 4.3, 7.15, 9.0, 12.4, 15.02, 17.5])
SIZE_CM = 30.0


def stroking(times_s, *, seconds: float = SECONDS, size_cm: float = SIZE_CM, side: int = 0) -> np.ndarray:
    """(T, 3 joints, 3): one hand goes there (or back) in 0.28 s around each time; the body drifts fast."""
    clock_s = np.arange(round(seconds * FPS)) / FPS
    place = np.zeros_like(clock_s)
    for turn, time_s in enumerate(times_s):
        share = np.clip((clock_s - time_s) / 0.28 + 0.5, 0, 1)
        place += (-1) ** turn * share**3 * (10 - 15 * share + 6 * share**2)
    positions = np.zeros((len(clock_s), 3, 3))
    positions[:, 1 + side, 1] = size_cm * place
    return positions + 200 * clock_s[:, None, None]  # a speed of the whole body that must not count


def met(times_s, shift_s: float = 0.0) -> float:
    strokes_s = stroke_times_s(hand_speed_cm_s(stroking(np.asarray(times_s) + shift_s), JOINTS, FPS), FPS)
    return num_met(strokes_s, STRESSES_S) / len(STRESSES_S)


@pytest.mark.parametrize("side", [0, 1])
def test_strokes_are_found_where_the_hand_is_fastest(side):
    speed = hand_speed_cm_s(stroking(STRESSES_S, side=side), JOINTS, FPS)
    assert speed.shape == (300, 2)
    assert speed[:, 1 - side].max() < 1e-9
    found_s = stroke_times_s(speed, FPS)
    assert len(found_s) == len(STRESSES_S)
    assert np.abs(found_s - STRESSES_S).max() < 0.03


def test_strokes_at_the_stresses_meet_all_of_them_and_half_a_second_later_none():
    assert met(STRESSES_S) == 1
    assert met(STRESSES_S, 0.08) == 1
    assert met(STRESSES_S, 0.5) == 0
    assert met(STRESSES_S[:3]) == pytest.approx(3 / 7)


def test_chance_is_what_strokes_at_any_other_time_meet():
    rng = np.random.default_rng(0)
    strokes_s = np.sort(rng.uniform(0, 60, 40))
    events_s = np.sort(rng.uniform(1, 59, 200))
    by_chance = chance_met(strokes_s, events_s, 60.0) / 200
    elsewhere = np.mean([num_met(np.sort(rng.uniform(0, 60, 40)), events_s) / 200 for _ in range(200)])
    assert by_chance == pytest.approx(elsewhere, abs=0.02)
    assert chance_met(np.zeros(0), events_s, 60.0) == 0
    # The shifts leave out the neighbourhood of the stroke itself.
    assert chance_met(np.array([5.0]), np.array([5.0]), 10.0) == 0


def test_slow_movements_are_no_strokes_whatever_the_size_of_the_others():
    for size_cm in (3.0, 60.0):
        fast = stroking([3.0, 9.0], size_cm=size_cm)
        fast[:, 1, 0] += 0.4 * size_cm * np.sin(2 * np.pi * 0.5 * np.arange(300) / FPS)  # back and forth, slowly
        found_s = stroke_times_s(hand_speed_cm_s(fast, JOINTS, FPS), FPS)
        assert np.abs(found_s - [3.0, 9.0]).max() < 0.05


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_too_short_or_still_motion_has_no_strokes(num_frames):
    assert len(stroke_times_s(np.ones((num_frames, 2)), FPS)) == 0
    assert len(stroke_times_s(np.zeros((50, 2)), FPS)) == 0


def test_nothing_meets_nothing():
    assert num_met(np.zeros(0), STRESSES_S) == num_met(STRESSES_S, np.zeros(0)) == 0


def test_extents_are_how_far_each_hand_travels_at_an_event():
    paths = hand_paths_cm(stroking([5.0], side=1), JOINTS, FPS)
    extents = extents_cm(paths, np.array([5.0, 10.0]), FPS)
    assert extents[0] == pytest.approx([0, SIZE_CM], abs=1.0)
    assert extents[1] == pytest.approx([0, 0], abs=1e-9)
    assert extents_cm(paths, np.zeros(0), FPS).shape == (0, 2)
    assert extents_cm(paths, np.array([99.0]), FPS)[0] == pytest.approx(
        [0, 0], abs=1e-9
    )  # behind the end: its last frame


def test_the_nearest_pose_counts_each_feature_in_its_own_spread():
    rng = np.random.default_rng(0)
    wide, narrow = 20 * rng.standard_normal((50, 1)), 0.1 * rng.standard_normal((50, 1))
    nearest = NearestPose({"up": np.hstack([wide, narrow + 3]), "down": np.hstack([wide, narrow - 3])})
    for far in (-30, 0, 30):
        assert nearest.name(np.array([far, 2.0])) == "up"
        assert nearest.name(np.array([far, -2.0])) == "down"


def test_the_mirror_image_swaps_the_hands():
    positions = np.zeros((2, 3, 3))
    positions[:, 1] = [10, 20, 30]
    image = mirrored(positions, JOINTS)
    assert image[0].tolist() == [[0, 0, 0], [0, 0, 0], [-10, 20, 30]]
    assert np.array_equal(mirrored(image, JOINTS), positions)
