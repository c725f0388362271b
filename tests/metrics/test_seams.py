import numpy as np
import pytest

from emage.errors import InputError
from emage.metrics.seams import Seams, seam_score, velocity_jumps

BORDERS = [30, 60, 90]


def smooth(num_frames: int = 120, fps: float = 30) -> np.ndarray:
    time_s = np.arange(num_frames) / fps
    phase = np.random.default_rng(0).uniform(0, 6, (4, 3))
    return 10 * np.sin(2 * np.pi * 0.7 * time_s[:, None, None] + phase)


def with_jumps(size_cm: float) -> np.ndarray:
    positions = smooth()
    for border in BORDERS:
        positions[border:] += size_cm
    return positions


def test_a_smooth_motion_has_no_seam_and_a_jump_shows_by_its_size():
    scores = [seam_score(with_jumps(size), 30, BORDERS) for size in (0.0, 0.5, 2.0)]
    assert scores[0] == pytest.approx(1, abs=0.15)
    assert scores[0] < scores[1] < scores[2]
    # A jump of s in each of three coordinates changes the velocity by s * sqrt(3) * fps, twice.
    metric = Seams(30)
    metric.update(with_jumps(50.0), border_frames=BORDERS)
    assert metric.compute()["border_jump_cm_s"] == pytest.approx(50 * np.sqrt(3) * 30, rel=0.01)


def test_a_jump_elsewhere_is_not_blamed_on_the_border():
    positions = smooth()
    positions[45:] += 20.0
    assert seam_score(positions, 30, BORDERS) < 1


def test_known_jumps():
    positions = np.array([0.0, 0, 0, 3, 3, 3])[:, None, None] * np.array([1.0, 0, 0])
    assert velocity_jumps(positions, 10).tolist() == [0, 0, 30, 30, 0, 0]


def test_recordings_are_pooled_by_their_frames():
    metric = Seams(30)
    metric.update(with_jumps(2.0), border_frames=BORDERS)
    metric.update(smooth(50), border_frames=[])
    jumps = velocity_jumps(with_jumps(2.0), 30)
    border = np.array([29, 30, 59, 60, 89, 90])
    inside = np.concatenate([np.delete(jumps, border)[1:-1], velocity_jumps(smooth(50), 30)[1:-1]])
    assert metric.compute()["seam_score"] == pytest.approx(jumps[border].mean() / inside.mean())


def test_without_borders_or_movement_there_is_no_score():
    assert np.isnan(seam_score(smooth(), 30, []))
    assert np.isnan(seam_score(np.ones((60, 4, 3)), 30, [30]))
    assert np.isnan(seam_score(np.ones((2, 4, 3)), 30, [1]))
    metric = Seams(30)
    metric.update(smooth(1), border_frames=[])
    assert metric.compute()["seam_score"] is None


def test_bad_input_is_named():
    for border in (0, 120, -3):
        with pytest.raises(InputError, match=f"border frame {border} lies outside the 120 frames"):
            seam_score(smooth(), 30, [border])
    with pytest.raises(InputError, match=r"expected \(frames, joints, 3\)"):
        seam_score(np.zeros((5, 3)), 30, [2])
