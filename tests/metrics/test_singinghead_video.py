"""SingingHead's 2D metrics that need no network; PSNR and SSIM equal scikit-image 0.26 to the last digit."""

import numpy as np
import pytest

from emage.errors import InputError
from emage.metrics.singinghead_video import (
    SingingFrameScores,
    SingingLandmarks,
    SingingVideoFrames,
    landmark_distance,
    psnr,
    ssim,
)


def frames(seed: int, count: int = 3, height: int = 24, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def faces(seed: int, count: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).uniform(20, 200, (count, 68, 2))


def plain_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """One frame, one colour, window by window."""
    values = []
    for top in range(a.shape[0] - 6):
        for left in range(a.shape[1] - 6):
            x, y = (image[top : top + 7, left : left + 7].astype(float).ravel() for image in (a, b))
            covariance = np.cov(x, y)  # over n - 1
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            top_half = (2 * x.mean() * y.mean() + c1) * (2 * covariance[0, 1] + c2)
            values.append(
                top_half / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2))
            )
    return float(np.mean(values))


def test_ssim_is_its_definition_window_by_window():
    a, b = frames(0, 2), frames(1, 2)
    b[0] = a[0] // 2 + 30
    expected = np.mean([plain_ssim(x[..., c], y[..., c]) for x, y in zip(a, b, strict=True) for c in range(3)])
    assert ssim(a, b) == pytest.approx(expected, abs=1e-10)


def test_psnr_known_values():
    dark, grey = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)
    grey[0], grey[1] = 1, 10
    assert psnr(dark[:1], grey[:1]) == pytest.approx(20 * np.log10(255))
    assert psnr(dark, grey) == pytest.approx(20 * np.log10(255) - 10)  # mean of the dB
    assert psnr(dark, grey, variant="corrected") == pytest.approx(10 * np.log10(255**2 / 50.5))


def test_a_video_against_itself():
    a = frames(0)
    assert ssim(a, a) == 1.0
    assert psnr(a, a) == np.inf
    spoiled = a.copy()
    spoiled[0] ^= 255
    assert psnr(spoiled, a) == np.inf  # as published: one equal frame is enough
    assert np.isfinite(psnr(spoiled, a, variant="corrected"))


def test_landmark_distance_known_values():
    real = faces(0)
    moved = real + [7.0, -3.0]  # where the face stands does not count
    assert landmark_distance(moved, real) == pytest.approx(0, abs=1e-12)
    opened = real.copy()
    opened[:, 48:58] += [0, 2.0]
    opened[:, 58:] -= [0, 2.0]
    assert landmark_distance(opened, real, "lips") == pytest.approx(2.0)
    face = np.zeros((68, 2))
    face[48:58, 1], face[58:, 1] = 2, -2
    expected = np.linalg.norm(face - face.mean(axis=0), axis=1).mean()
    assert landmark_distance(opened, real) == pytest.approx(expected)


def test_a_frame_without_a_face_counts_as_right_in_the_published_distance_alone():
    real, generated = faces(0), faces(1)
    whole = landmark_distance(generated[:3], real[:3])
    generated[3:] = np.nan
    assert landmark_distance(generated, real) == pytest.approx(whole / 2)
    assert landmark_distance(generated, real, variant="corrected") == pytest.approx(whole)
    generated[:] = np.nan
    assert landmark_distance(generated, real) == landmark_distance(generated, real, variant="corrected") == 0.0


def test_arguments_stay_as_they_are():
    a, b, c, d = frames(0), frames(1), faces(0), faces(1)
    copies = [x.copy() for x in (a, b, c, d)]
    psnr(a, b), ssim(a, b), landmark_distance(c, d), landmark_distance(c, d, "lips", variant="corrected")
    assert all(np.array_equal(x, y) for x, y in zip((a, b, c, d), copies, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: psnr(frames(0), frames(0, 2)), "generated"),
        (lambda: ssim(frames(0).astype(float), frames(0)), "expected uint8"),
        (lambda: ssim(frames(0, height=6), frames(0, height=6)), "smaller than its window"),
        (lambda: psnr(frames(0), frames(1), variant="x"), "variant 'x'"),
        (lambda: landmark_distance(faces(0)[:, :51], faces(0)[:, :51]), "expected \\(frames, 68, 2\\)"),
        (lambda: landmark_distance(faces(0), faces(0), "ears"), "part 'ears'"),
    ],
)
def test_what_cannot_be_scored_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_published_means_are_over_frames_and_corrected_ones_over_recordings():
    metric = SingingVideoFrames()
    pairs = [(frames(0, 6), frames(1, 6)), (frames(2, 2), frames(2, 2) // 2)]
    for number, pair in enumerate(pairs):
        metric.update(pair, pair, recording_id=str(number))
    result = metric.compute()
    singles = [psnr(a[None], b[None]) for pair in pairs for a, b in zip(*pair, strict=True)]
    assert result["PSNR"] == pytest.approx(np.mean(singles))
    assert result["psnr_db"] == pytest.approx(np.mean([psnr(*pair, variant="corrected") for pair in pairs]))
    assert result["ssim"] == pytest.approx(np.mean([ssim(*pair) for pair in pairs]))
    assert result["SSIM"] == pytest.approx((6 * ssim(*pairs[0]) + 2 * ssim(*pairs[1])) / 8)


def test_an_infinite_recording_makes_the_mean_infinite_and_leaves_the_others_alone():
    metric = SingingVideoFrames()
    same, other = (frames(0), frames(0)), (frames(0), frames(1))
    metric.update(same, same, recording_id="same")
    metric.update(other, other, recording_id="other")
    assert metric.compute()["PSNR"] == np.inf
    assert metric.per_recording()["other"]["PSNR"] == pytest.approx(psnr(*other))
    assert metric.per_recording()["same"]["psnr_db"] == np.inf


def test_landmarks_over_recordings_and_the_share_of_frames_with_faces():
    metric = SingingLandmarks()
    generated = faces(1, 4)
    generated[:2] = np.nan
    metric.update(generated, faces(0, 4), recording_id="half")
    metric.update(faces(3, 8), faces(2, 8), recording_id="whole")
    metric.update(np.full((4, 68, 2), np.nan), faces(2, 4), recording_id="none")
    result = metric.compute()
    half, whole = landmark_distance(generated[2:], faces(0, 4)[2:]), landmark_distance(faces(3, 8), faces(2, 8))
    assert result["F-LMD"] == pytest.approx((2 * half + 8 * whole) / 16)
    assert result["f_lmd_px"] == pytest.approx((half + whole) / 2)
    assert result["landmarks_found"] == pytest.approx(10 / 16)
    assert metric.per_recording()["none"]["f_lmd_px"] is None


def test_frame_scores_of_what_is_known():
    metric = SingingFrameScores()
    metric.update({"CPBD": [0.2, 0.4], "cpbd": [0.5, 0.7]})
    metric.update({"CPBD": [0.9], "cpbd": [1.0]})
    result = metric.compute()
    assert result["CPBD"] == pytest.approx(0.5)
    assert result["cpbd"] == pytest.approx(0.8)
    assert result["LPIPS"] is result["lpips"] is None
