"""What exporters write as `Frame Time`, and which rate it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emage.motion.frame_time import USUAL_RATES, frame_time, nominal_fps


@pytest.mark.parametrize(
    "text, fps",
    [
        ("0.008333", 120),
        ("0.0333333", 30),
        ("3.3333E-2", 30),
        (".04", 25),
        *(
            (text, 1 / float(text))
            for text in ("0.01", "0.02", "0.04", "0.05", "0.1", "0.10", "0.5", "0.005", "0.030", "1")
        ),
        ("0.0667", 15),
        ("0.03336667", 29.97),
    ],
)
def test_seconds_pass_without_a_warning(text, fps):
    seconds, warning = frame_time(text)
    assert (seconds, warning) == (float(text), "")
    assert nominal_fps(seconds) == pytest.approx(fps, rel=1e-5)


@pytest.mark.parametrize(
    "text, fps",
    [("30", 30), ("30.0", 30), ("120", 120), ("60", 60), ("24", 24), ("25", 25), ("29.97", 30000 / 1001), ("59.94", 60000 / 1001)],
)  # fmt: skip
def test_a_rate_is_read_as_a_rate(text, fps):
    seconds, warning = frame_time(text)
    assert 1 / seconds == pytest.approx(fps)
    assert "frames a second, not as seconds" in warning


@pytest.mark.parametrize(
    "text, fps",
    [("33.3", 30), ("33.333333", 30), ("33", 30), ("16.67", 60), ("8.33", 120), ("41.67", 24), ("41.708", 24000 / 1001)],
)  # fmt: skip
def test_milliseconds_are_read_as_milliseconds(text, fps):
    seconds, warning = frame_time(text)
    assert 1 / seconds == pytest.approx(fps)
    assert "milliseconds" in warning


@pytest.mark.parametrize(
    "text, fps", [("0.033", 30), ("0.0333", 30), ("0.0167", 60), ("0.0083", 120), ("0.0334", 30000 / 1001)]
)
def test_a_much_rounded_time_means_the_usual_rate(text, fps):
    seconds, warning = frame_time(text)
    assert 1 / seconds == pytest.approx(fps)
    assert "is rounded" in warning


@pytest.mark.parametrize(
    "text, fps, meant",
    [
        ("0.03", "33.33", 30), ("3e-2", "33.33", 30), ("0.008", "125", 120), ("0.07", "14.29", 15), ("0.007", "142.9", 144),
        ("0.004", "250", 240), ("0.003", "333.3", 360),
        ("0.016", "62.5", 60), ("0.0166", "60.24", 60), ("0.041", "24.39", 24), ("0.066", "15.15", 15),
    ],
)  # fmt: skip
def test_few_digits_are_taken_as_they_are_with_a_warning(text, fps, meant):
    """One digit says too little; others are cut off in place of rounded."""
    seconds, warning = frame_time(text)
    assert seconds == float(text)
    told = f"Frame Time {text} is read as it stands, {fps} fps; if {meant} fps are meant, write {1 / meant:.6f} there"
    assert warning == told
    assert frame_time(f"{1 / meant:.6f}")[1] == ""


@pytest.mark.parametrize("text", ["100", "50", "20", "40", "2", "5000", "1e300", "1e-9", "1e-320", "33.9"])
def test_what_has_no_meaning_or_two_is_refused(text):
    with pytest.raises(ValueError, match="seconds"):
        frame_time(text)


@given(st.sampled_from(USUAL_RATES), st.integers(5, 9))
def test_every_usual_rate_survives_rounding(rate, decimals):
    """Round trip: 1 / rate with 5 or more decimals means the rate, or its whole neighbour where both round alike."""
    seconds, _ = frame_time(f"{1 / rate:.{decimals}f}")
    assert nominal_fps(seconds) == pytest.approx(rate, rel=1.1e-3)
