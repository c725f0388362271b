import numpy as np
import pytest
from sounds import RATE, tone, voice

from emage.errors import InputError
from emage.sound_mix import Mix


def mixed(samples: np.ndarray, *, channel: int | None = None, block: int = 7001) -> Mix:
    samples = samples.reshape(len(samples), -1).astype(np.float32)
    mix = Mix("a.wav", RATE, samples.shape[1], RATE, channel)
    for start in range(0, len(samples), block):
        mix.add(samples[start : start + block])
    return mix


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))


SPEECH = voice(6)
LATER = np.concatenate([SPEECH[: 4 * RATE], -SPEECH[4 * RATE :]])  # in phase at first


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ((SPEECH, -SPEECH), 0),
        ((0.8 * SPEECH, -SPEECH), 1),
        ((SPEECH, -0.5 * SPEECH), 0),
        ((SPEECH + 0.1, 0.1 - SPEECH), 0),  # both have the offset of one converter
        ((SPEECH, noise(6, 0) * 0.5 - SPEECH), 1),
        ((SPEECH, -SPEECH, SPEECH, -SPEECH), 0),
        ((SPEECH, LATER), 0),
        ((SPEECH, SPEECH), None),
        ((SPEECH, 0 * SPEECH), None),
        ((SPEECH, 0.3 * SPEECH), None),
        ((noise(6, 0), noise(6, 1)), None),
        ((0 * SPEECH, 0 * SPEECH, SPEECH, 0 * SPEECH, 0 * SPEECH, 0 * SPEECH), None),
        ((0 * SPEECH, 0 * SPEECH), None),
    ],
)
def test_channels_that_cancel_each_other_are_found(channels, expected):
    samples = np.stack(channels, axis=1)
    assert mixed(samples).instead_of_mean() == expected
    if expected is not None:
        waveform, problems = mixed(samples, channel=expected).waveform()
        assert np.array_equal(waveform, samples[:, expected].astype(np.float32))
        assert problems == []


def test_the_mean_of_the_channels_does_not_depend_on_the_blocks():
    samples = np.stack([SPEECH, noise(6, 0)], axis=1)
    whole, _ = mixed(samples, block=len(samples)).waveform()
    assert np.array_equal(whole, mixed(samples, block=999).waveform()[0])
    assert np.allclose(whole, samples.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("scale", [2**15, 2**23, 2**31])
@pytest.mark.parametrize("whole", [False, True])
def test_integers_stored_as_floats_are_brought_to_full_scale(scale, whole):
    samples = SPEECH * scale
    waveform, problems = mixed(np.rint(samples) if whole else samples).waveform()
    assert np.allclose(waveform, SPEECH, atol=1e-4)
    assert f"where full scale is 1; divided by {scale}" in problems[0]


def test_quiet_whole_numbers_are_integers_too():
    waveform, problems = mixed(np.rint(SPEECH * 80)).waveform()
    assert np.abs(waveform).max() == pytest.approx(40 / 32768, rel=0.05)
    assert len(problems) == 1


@pytest.mark.parametrize(("size", "warned"), [(1.0, False), (2.6, False), (7.0, False), (9.0, True), (60.0, True)])
def test_floats_above_full_scale_stay_as_they_are(size, warned):
    waveform, problems = mixed(SPEECH * size).waveform()
    assert np.array_equal(waveform, (SPEECH * np.float32(size)).astype(np.float32))
    assert ("are beyond full scale" in "".join(problems)) is warned


@pytest.mark.parametrize("value", [1001.0, -1e5, 1e9, 1e30])
def test_one_absurd_sample_is_refused_with_its_place(value):
    samples = SPEECH.copy()
    samples[24000] = value
    with pytest.raises(InputError) as error:
        mixed(samples).waveform()
    assert str(error.value).startswith(f"a.wav: sample 24000 (1.500 s) is {value:.6g}; full scale is 1; cut it out")
    samples[30000:30004] = value
    with pytest.raises(InputError, match=r"sample 24000 .*\(5 samples are beyond 1000\)"):
        mixed(samples).waveform()


def test_loud_samples_that_are_not_absurd_stay_as_they_are():
    samples = SPEECH.copy()
    samples[24000] = 999
    waveform, problems = mixed(samples).waveform()
    assert np.array_equal(waveform, samples)
    assert "1 samples are beyond full scale, up to 999" in problems[0]


@pytest.mark.parametrize(("scale", "value"), [(2**15, 1e6), (2**15, -1e9), (2**23, 1e9)])
def test_one_absurd_sample_among_integers_is_refused(scale, value):
    samples = np.rint(SPEECH * scale)
    samples[24000] = value
    with pytest.raises(InputError, match=rf"sample 24000 \(1.500 s\) is .*; full scale is {scale}; cut it out"):
        mixed(samples).waveform()


def test_silence_and_clipping_are_told():
    assert "it is silent from begin to end" in mixed(np.zeros(RATE)).waveform()[1][0]
    assert "it is silent" in mixed(np.random.default_rng(0).integers(-1, 2, RATE) / 32768).waveform()[1][0]
    assert mixed(0.001 * SPEECH).waveform()[1] == []
    waveform, problems = mixed(np.clip(8 * SPEECH, -1, 1)).waveform()
    assert waveform.max() == 1
    assert "% of the samples are at full scale" in problems[0]
    assert mixed(tone(200, 1, size=1.0)).waveform()[1] == []


def test_numbers_that_are_no_sound_are_refused():
    with pytest.raises(InputError, match=r"a\.wav: samples up to 5e\+19; full scale is 1"):
        mixed(SPEECH * 1e20).waveform()
    bad = SPEECH.copy()
    bad[[9000, 9002]] = np.inf, np.nan
    with pytest.raises(InputError, match=r"a\.wav: sample 9000 is inf; 2 samples are not finite"):
        mixed(bad)
