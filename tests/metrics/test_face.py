import numpy as np
import pytest

from emage.errors import InputError
from emage.metrics.face import CHANNEL_GROUPS, ArkitFace, group_errors, jaw_correlation, lvd, mse
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.text import Word


def face(seed: int = 0, num_frames: int = 120) -> np.ndarray:
    """Smooth weights between 0 and 1."""
    walk = np.random.default_rng(seed).standard_normal((num_frames + 9, 51)).cumsum(axis=0)
    smooth = np.stack([walk[i : i + num_frames] for i in range(10)]).mean(axis=0)
    return (smooth - smooth.min(axis=0)) / (np.ptp(smooth, axis=0) + 1e-9)


def test_every_channel_belongs_to_one_group():
    named = [name for group, names in CHANNEL_GROUPS.items() if group != "all" for name in names]
    assert sorted(named) == sorted(ARKIT_51) == sorted(CHANNEL_GROUPS["all"])


def test_an_error_shows_in_its_group_alone():
    target = face()
    pred = target.copy()
    pred[:, ARKIT_51.index("jawOpen")] += 0.4
    assert group_errors(pred, target, "jaw") == pytest.approx((0.1, 0.2))  # one of four channels
    assert group_errors(pred, target, "all") == pytest.approx((0.4 / 51, 0.4 / np.sqrt(51)))
    for group in ("mouth", "brow", "eye", "cheek_nose"):
        assert group_errors(pred, target, group) == (0, 0)


def test_the_tongue_is_no_part_of_the_errors():
    target = face()
    with_tongue = np.concatenate([target, np.ones((120, 1))], axis=1)
    assert with_tongue.shape[1] == len(ARKIT_52)
    assert group_errors(with_tongue, target) == (0, 0)


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("late_frames", [-4, 0, 1, 6])
def test_a_late_jaw_is_found_in_seconds(fps, late_frames):
    whole = face(num_frames=300)
    target, pred = whole[20:260], whole[20 - late_frames : 260 - late_frames]
    correlation, lag_s = jaw_correlation(pred, target, fps)
    assert lag_s == pytest.approx(late_frames / fps, abs=0.1 / fps)
    if late_frames == 0:
        assert correlation == pytest.approx(1)
    else:
        assert correlation < 1


def test_a_jaw_that_stands_still_correlates_with_nothing():
    for pred in (np.zeros((120, 51)), face()[:2]):
        assert np.isnan(jaw_correlation(pred, face()[: len(pred)], 30)).all()
    assert jaw_correlation(1 - face(), face(), 30)[0] == pytest.approx(-1)


def test_lvd_variants_by_their_formulas():
    pred, target = face(1), face(2)
    dp, dt = pred[1:] - pred[:-1], target[1:] - target[:-1]
    assert lvd(pred, target, 30) == pytest.approx(np.abs(dp - dt).mean() * 30)
    assert lvd(pred, target, variant="evaltools") == pytest.approx(np.abs(dp - dt).sum() / (120 * 51))
    published = np.abs((pred[1:] - target[:-1]) - (target[1:] - target[:-1])).mean()
    assert lvd(pred, target, variant="emage2024") == pytest.approx(published)
    points, real = pred.reshape(120, 17, 3), target.reshape(120, 17, 3)
    speeds = [np.sqrt((np.diff(side, axis=0) ** 2).sum(axis=-1)) for side in (points, real)]
    assert lvd(points, real, variant="talkshow") == pytest.approx(np.abs(speeds[0] - speeds[1]).sum(axis=1).mean())


def test_the_published_lvd_is_no_velocity():
    """A face that is off by a constant has the velocities of the real one."""
    target = face()
    assert lvd(target + 0.2, target, 30) == pytest.approx(0, abs=1e-12)
    assert lvd(target + 0.2, target, 30, "emage2024") == pytest.approx(0.2)


def test_lvd_is_per_second():
    slow = np.linspace(0, 1, 61)[:, None]
    assert lvd(slow, np.zeros((61, 1)), 60) == pytest.approx(1.0)
    assert lvd(slow[::4], np.zeros((16, 1)), 15) == pytest.approx(1.0)


def test_mse():
    assert mse([[0.0, 3.0]], [[1.0, 1.0]]) == pytest.approx(2.5)
    assert np.isnan(mse(np.zeros((0, 4)), np.zeros((0, 4))))
    assert np.isnan(lvd(np.zeros((1, 4)), np.zeros((1, 4))))


def test_the_class_pools_frames():
    parts = [(face(0), face(1)), (face(2, 40), face(3, 40))]
    metric = ArkitFace(30)
    for pair in parts:
        metric.update(*pair)
    joined = [np.concatenate(side) for side in zip(*parts, strict=True)]
    result = metric.compute()
    for group in CHANNEL_GROUPS:
        expected = group_errors(*joined, group)
        assert (result[f"mae_{group}"], result[f"rmse_{group}"]) == pytest.approx(expected)
    assert result["mse"] == pytest.approx(mse(*joined))
    steps = np.array([119, 39])
    assert result["lvd_per_s"] == pytest.approx(np.average([lvd(*pair, 30) for pair in parts], weights=steps))
    assert result["jaw_open_correlation"] == pytest.approx(np.mean([jaw_correlation(*pair, 30)[0] for pair in parts]))
    assert result["lip_closure_f1"] is None  # no phones
    assert result["num_recordings"] == 2


def test_the_real_face_is_its_own_ceiling():
    metric = ArkitFace(30)
    metric.update(face(), face(), phones=[Word("B", 1.0, 1.1), Word("AA1", 1.1, 2.0)])
    result = metric.compute()
    assert (result["mse"], result["lvd_per_s"], result["mae_all"], result["jaw_open_lag_s"]) == (0, 0, 0, 0)
    assert result["jaw_open_correlation"] == pytest.approx(1)
    assert result["lip_closure_f1"] is not None


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_a_short_face_is_defined(num_frames):
    metric = ArkitFace(30)
    metric.update(face(num_frames=num_frames), face(1, num_frames), phones=[Word("M", 0.0, 0.01)])
    result = metric.compute()
    assert result["mae_all"] >= 0
    assert (result["lvd_per_s"] is None) == (num_frames == 1)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="expected .frames, 51 or 52."):
        ArkitFace(30).update(np.zeros((5, 50)), np.zeros((5, 50)))
    with pytest.raises(InputError, match="as many frames in both"):
        group_errors(np.zeros((5, 51)), np.zeros((6, 51)))
    with pytest.raises(InputError, match="the generated face holds a value that is not finite in frame 3"):
        ArkitFace(30).update(np.where(np.arange(5)[:, None] == 3, np.nan, np.zeros((5, 51))), np.zeros((5, 51)))
    with pytest.raises(InputError, match="got channel group 'nose'"):
        group_errors(np.zeros((5, 51)), np.zeros((5, 51)), "nose")
    with pytest.raises(InputError, match="choose one of corrected, evaltools, emage2024, talkshow"):
        lvd(np.zeros((5, 3)), np.zeros((5, 3)), variant="published")
    with pytest.raises(InputError, match="talkshow compares points"):
        lvd(np.zeros((5, 50)), np.zeros((5, 50)), variant="talkshow")


def test_weights_that_are_not_valid_count_nowhere():
    """Lost frames with any content, and a channel that is missing: the scores are those of what is left."""
    target, pred = face(num_frames=200), face(1, num_frames=200)
    valid = np.ones((200, 51), bool)
    valid[80:120] = False
    phones = (Word("m", 0.5, 0.7), Word("a", 0.7, 1.2), Word("b", 2.9, 3.1), Word("a", 4.5, 4.8), Word("p", 5, 5.2))
    found = []
    for seed in (2, 3):
        sides = [np.where(valid, side, face(seed + k, num_frames=200)) for k, side in enumerate((pred, target))]
        metric = ArkitFace(30.0)
        metric.update(*sides, valid=valid, phones=phones)
        found.append(metric.compute())
    assert found[0] == found[1]
    kept = valid.all(axis=1)
    assert found[0]["mae_mouth"] == pytest.approx(group_errors(pred[kept], target[kept], "mouth")[0])
    assert found[0]["rmse_all"] == pytest.approx(group_errors(pred[kept], target[kept])[1])
    parts = [lvd(pred[part], target[part], 30.0) * (len(pred[part]) - 1) for part in (slice(80), slice(120, None))]
    assert found[0]["lvd_per_s"] == pytest.approx(sum(parts) / 158)
    column = ARKIT_51.index("jawOpen")
    assert found[0]["jaw_open_correlation"] == pytest.approx(
        np.corrcoef(pred[kept, column], target[kept, column])[0, 1]
    )
    metric = ArkitFace(30.0)
    metric.update(pred, target, phones=phones)
    whole = metric.compute()
    assert whole["lip_closure_recall"] is not None
    assert whole["mae_mouth"] != found[0]["mae_mouth"]


def test_a_group_of_missing_channels_has_no_score():
    valid = np.ones((120, 51), bool)
    valid[:, [ARKIT_51.index(name) for name in (*CHANNEL_GROUPS["brow"], "jawOpen")]] = False
    metric = ArkitFace(30.0)
    metric.update(face(1), face(), valid=valid, phones=(Word("m", 0.5, 0.7),))
    found = metric.compute()
    assert (found["mae_brow"], found["jaw_open_correlation"], found["lip_closure_f1"]) == (None, None, None)
    jaw = [ARKIT_51.index(name) for name in CHANNEL_GROUPS["jaw"] if name != "jawOpen"]
    assert found["mae_jaw"] == pytest.approx(np.abs(face(1) - face())[:, jaw].mean())
    with pytest.raises(InputError, match=r"valid is \(3, 51\)"):
        metric.update(face(1), face(), valid=valid[:3])
