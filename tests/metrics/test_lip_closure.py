import numpy as np
import pytest

from emage.metrics.face import ArkitFace
from emage.metrics.lip_closure import (
    CLOSED_APERTURE,
    closure_threshold,
    lip_aperture,
    lip_closure_f1,
)
from emage.motion.arkit import read_arkit
from emage.motion.layout import ARKIT_51
from emage.text import Word, read_phones


def speech(count: int = 20) -> list[Word]:
    """Each 0.5 s: a bilabial of 0.1 s, a vowel of 0.25 s, an f of 0.05 s and a pause."""
    phones = []
    for start in np.arange(count) * 0.5:
        bilabial, vowel, labiodental = ("p", "B", "M0")[int(start * 2) % 3], "AA1", "F"
        phones += [Word(bilabial, start, start + 0.1), Word(vowel, start + 0.1, start + 0.35)]
        phones += [Word(labiodental, start + 0.35, start + 0.4)]
    return phones


def mouth(fps: float, late_s: float = 0.0, count: int = 20) -> np.ndarray:
    """A face that closes its lips at each bilabial, nearly at each f, and in the pauses."""
    time_s = (np.arange(round(count * 0.5 * fps)) / fps - late_s) % 0.5
    closed, half = (time_s < 0.1) | (time_s >= 0.4), (time_s >= 0.35) & (time_s < 0.4)
    weights = np.zeros((len(time_s), 51))
    weights[:, ARKIT_51.index("jawOpen")] = np.where(closed, 0.1, np.where(half, 0.1, 0.5))
    weights[:, ARKIT_51.index("mouthClose")] = np.where(closed, 0.4, np.where(half, 0.2, 0.0))
    return weights


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_lips_that_close_at_each_bilabial_score_near_one_and_late_ones_less(fps):
    threshold = closure_threshold(lip_aperture(mouth(fps)), speech(), fps)
    scores = [lip_closure_f1(mouth(fps, late_s), speech(), fps, threshold) for late_s in (0.0, 0.2, 0.25)]
    assert scores[0] > 0.9
    assert scores[1] < 0.7
    assert scores[2] < 0.7


def test_a_mouth_that_never_moves_gains_little():
    phones, fps = speech(), 30
    shut, open_ = np.zeros((300, 51)), np.zeros((300, 51))
    shut[:, ARKIT_51.index("mouthClose")] = 0.5
    open_[:, ARKIT_51.index("jawOpen")] = 0.5
    assert lip_closure_f1(open_, phones, fps) == 0
    assert lip_closure_f1(shut, phones, fps) < 0.75  # meets every bilabial, and is closed in every vowel
    metric = ArkitFace(fps)
    metric.update(shut, mouth(fps), phones=phones)
    result = metric.compute()
    assert result["lip_closure_recall"] == 1
    assert result["lip_closure_precision"] == pytest.approx(0.54, abs=0.02)


def test_pauses_and_labiodentals_are_no_false_closures():
    fps, phones = 60, speech()
    always_but_in_vowels = mouth(fps)
    time_s = np.arange(len(always_but_in_vowels)) / fps % 0.5
    half = (time_s >= 0.35) & (time_s < 0.4)
    always_but_in_vowels[half, ARKIT_51.index("mouthClose")] = 0.5  # closed at each f as well
    assert lip_closure_f1(always_but_in_vowels, phones, fps) > 0.9


def test_the_threshold_lies_between_closed_and_open():
    aperture = lip_aperture(mouth(30))
    threshold = closure_threshold(aperture, speech(), 30)
    assert threshold == pytest.approx(-0.3 + 0.25 * 0.8)
    assert closure_threshold(aperture, [], 30) == CLOSED_APERTURE
    assert closure_threshold(aperture, [Word("M", 0, 0.3)], 30) == CLOSED_APERTURE
    assert closure_threshold(aperture[:0], speech(), 30) == CLOSED_APERTURE


def test_without_bilabials_within_the_motion_there_is_no_score():
    assert np.isnan(lip_closure_f1(mouth(30), [Word("AA", 0, 1)], 30))
    assert np.isnan(lip_closure_f1(mouth(30), [], 30))
    assert np.isnan(lip_closure_f1(mouth(30), [Word("P", 99, 99.2)], 30))
    assert np.isnan(lip_closure_f1(mouth(30)[:0], speech(), 30))


def test_what_comes_after_the_motion_is_not_missed():
    short = mouth(30)[:150]
    assert lip_closure_f1(short, speech(), 30) == pytest.approx(lip_closure_f1(short, speech(10), 30))


def test_a_real_face_closes_its_lips_at_its_bilabials_and_not_at_others(beat_sample):
    recording = read_arkit(beat_sample / "2" / "2_scott_0_1_1.json")
    phones = read_phones(beat_sample / "2" / "2_scott_0_1_1.TextGrid")
    weights = recording.weights.numpy()
    metric, shifted = ArkitFace(recording.fps), ArkitFace(recording.fps)
    metric.update(weights, weights, phones=phones)
    shifted.update(np.roll(weights, round(5 * recording.fps), axis=0), weights, phones=phones)
    assert metric.compute()["lip_closure_recall"] > 0.95
    assert metric.compute()["lip_closure_f1"] > 0.6
    assert shifted.compute()["lip_closure_f1"] < 0.3
