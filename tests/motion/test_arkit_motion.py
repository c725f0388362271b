import numpy as np
import pytest
import torch

from emage.motion.arkit_motion import ArkitMotion, evenly_spaced, measured_fps, valid_at
from emage.motion.layout import ARKIT_51


def motion(times_s: list[float], fps: float, lost: tuple[int, ...] = ()) -> ArkitMotion:
    """The first channel is the time itself."""
    weights = torch.zeros(len(times_s), len(ARKIT_51))
    weights[:, 0] = torch.tensor(times_s)
    valid = torch.ones(weights.shape, dtype=torch.bool)
    valid[list(lost)] = False
    return ArkitMotion(ARKIT_51, weights, None, torch.tensor(times_s, dtype=torch.float64), fps, valid=valid)


def test_even_rows_stay_as_they_are_and_dropped_ones_are_filled_by_time():
    even = motion([k / 30 for k in range(20)], 30.0)
    assert evenly_spaced(even)[0] is even.weights
    times_s = [k / 30 for k in range(20) if k not in (5, 6, 7)]
    weights, fps = evenly_spaced(motion(times_s, 30.0))
    assert fps == 30
    torch.testing.assert_close(weights[:, 0], torch.arange(20) / 30)


def test_gaps_do_not_lower_the_rate():
    times_s = np.array([k / 30 for k in range(200) if not 50 < k < 120])
    assert measured_fps(times_s, "a") == 30
    assert measured_fps(np.arange(50) * 1001 / 30000, "a") == pytest.approx(30000 / 1001)


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_jitter_and_rounded_times_do_not_shift_the_rate(fps):
    times_s = np.arange(200) / fps
    assert measured_fps(np.round(times_s * 120) / 120, "a") == fps
    jitter_s = np.random.default_rng(0).uniform(-2e-3, 2e-3, 200)
    assert measured_fps(times_s + jitter_s, "a") == fps


def test_a_frame_is_valid_between_valid_rows_that_are_near():
    lost = motion([k / 30 for k in range(12)], 30.0, lost=(4, 5))
    assert (~valid_at(lost, 30, 12)[:, 0]).nonzero().ravel().tolist() == [4, 5]
    # At 60 fps the frames halfway to a lost row are not valid either; frames after the last row are as that.
    assert (~valid_at(lost, 60, 30)[:, 0]).nonzero().ravel().tolist() == [7, 8, 9, 10, 11]
    one = valid_at(motion([k / 30 for k in range(12) if k != 5], 30.0), 30, 12)
    assert one.all()  # one dropped row is bridged
    more = valid_at(motion([k / 30 for k in range(12) if not 3 < k < 9], 30.0), 30, 12)
    assert (~more[:, 0]).nonzero().ravel().tolist() == [4, 5, 6, 7, 8]


def test_times_count_from_the_first_row():
    late = motion([5 + k / 30 for k in range(12)], 30.0, lost=(2,))
    assert (~valid_at(late, 30, 12)[:, 0]).nonzero().ravel().tolist() == [2]
    assert late.duration_s == 0.4
