"""What follows its sound is told from what does not; the page of the built-in model holds every number."""

import math

import numpy as np
import pytest
import torch
from tiny_bundles import masked_bundle, skeleton

from emage.audio import rms_envelope
from emage.generation import Generator
from emage.motion.layout import ARKIT_51, get_layout
from emage.performance import Performance
from tools import evaluate_pretrained
from tools.speech_following import MEASURES, Listener, circular_shifts_s, correlation, summarise

RATE, FPS, SECONDS = 16000, 15.0, 20.0
FULL = get_layout("beat_full")


def bursts(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise in short bursts at uneven times, (S,), and these times."""
    rng = np.random.default_rng(seed)
    times_s = np.cumsum(rng.uniform(0.5, 1.6, 30))
    times_s = times_s[times_s < SECONDS - 0.5]
    wave = 1e-4 * rng.standard_normal(round(SECONDS * RATE))
    for start_s in times_s:
        start = round(start_s * RATE)
        wave[start : start + 3200] += 0.3 * rng.standard_normal(3200) * np.linspace(1, 0, 3200)
    return wave.astype(np.float32), times_s


def performing(wave: np.ndarray, times_s: np.ndarray, delay_s: float = 0.0) -> Performance:
    """A person who stops with every burst and whose jaw is as open as it is loud, all of it `delay_s` late (circularly)."""
    num_frames = round(SECONDS * FPS)
    times = (np.arange(num_frames) / FPS - delay_s) % SECONDS
    # The arms swing from one burst to the next, so that their speed is 0 at each.
    phase = np.interp(times, [0, *times_s, SECONDS], np.arange(len(times_s) + 2))
    motion = torch.zeros(num_frames, FULL.dim)
    for side in ("Right", "Left"):
        motion[:, FULL.joint_slice(f"{side}Arm")] = torch.from_numpy(30 * np.cos(math.pi * phase)).float()[:, None]
        motion[:, FULL.joint_slice(f"{side}ForeArm")] = torch.from_numpy(30 * np.cos(math.pi * phase)).float()[:, None]
    face = torch.zeros(num_frames, len(ARKIT_51))
    loudness = np.roll(rms_envelope(wave, RATE, FPS), round(delay_s * FPS))
    face[:, ARKIT_51.index("jawOpen")] = torch.from_numpy(loudness)
    return Performance(motion, "beat_full", face, FPS, skeleton(5.0))


def test_shifts_are_spread_and_none_is_near_the_true_sound():
    shifts = circular_shifts_s(64.0, 20)
    assert len(shifts) == 20
    assert (shifts.min(), shifts.max()) == (2.0, 62.0)
    assert np.diff(shifts).std() < 1e-9


def test_who_follows_is_above_every_shift_and_who_is_late_is_not():
    wave, times_s = bursts()
    listener = Listener(wave, RATE, FPS)
    good, late = (listener.scores(performing(wave, times_s, delay_s)) for delay_s in (0.0, 5.0))
    for measure in MEASURES:
        assert good[measure].shape == (21,)
        assert good[measure][0] > good[measure][1:].max() + 0.1
        assert late[measure][0] < late[measure][1:].max()
    assert good["jaw"][0] == pytest.approx(1, abs=1e-5)
    assert abs(good["jaw"][1:].mean()) < 0.2


def test_who_stands_still_scores_nothing():
    wave, times_s = bursts()
    still = performing(wave, times_s)
    still = Performance(0 * still.motion, "beat_full", 0 * still.face, FPS, still.skeleton)
    assert not np.any(list(Listener(wave, RATE, FPS).scores(still).values()))


def test_correlation_is_pearsons():
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(a, np.ones(50)) == 0


def test_the_summary_of_known_scores():
    shifted = np.tile(np.arange(20) / 100, (5, 1))
    matched = np.array([0.3, 0.3, 0.3, 0.3, 0.05])[:, None]
    found = summarise(np.hstack([matched, shifted]))
    assert (found.matched, found.shifted, found.highest_shifted) == pytest.approx((0.25, 0.095, 0.19))
    assert found.excess == pytest.approx(0.155)
    assert (found.seeds_above, found.num_seeds) == (4, 5)
    assert found.p_value == pytest.approx(1 / 21)
    assert found.low < found.excess < found.high
    assert found.high <= 0.205 + 1e-9  # the best seed alone


def test_of_noise_p_is_not_small_more_often_than_it_should_be():
    rng = np.random.default_rng(0)
    found = [summarise(rng.normal(size=(5, 21))).p_value for _ in range(200)]
    assert np.mean(np.array(found) <= 0.1) < 0.15


def test_the_page_has_a_row_for_every_condition_and_sound(tmp_path, monkeypatch, capsys):
    import soundfile

    wave, _ = bursts()
    for folder in ("wave16k", "textgrid"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    soundfile.write(tmp_path / "data" / "wave16k" / "a.wav", wave[: 8 * RATE], RATE)
    (tmp_path / "data" / "textgrid" / "a.TextGrid").write_text(TEXTGRID)
    monkeypatch.setattr(evaluate_pretrained, "load_pretrained", lambda name: Generator(masked_bundle()))
    monkeypatch.setattr(evaluate_pretrained, "ODD_S", 1.0)
    out = tmp_path / "page.md"
    arguments = ["--data", str(tmp_path / "data"), "--out", str(out), "--seeds", "2", "--shifts", "3"]
    assert evaluate_pretrained.main(arguments) == 0
    text = out.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 2 * (1 + 4) + 1 + 8
    assert all(name in text for name in ("sound alone", "TextGrid", "silence", "white noise", "sound held back"))
    assert "first" not in text  # numbers, and nothing of what is said
    assert '"p_value"' in capsys.readouterr().out


def test_without_the_recording_it_says_so_and_writes_nothing(tmp_path, capsys):
    arguments = ["--data", str(tmp_path / "none"), "--out", str(tmp_path / "page.md")]
    assert evaluate_pretrained.main(arguments) == 0
    assert capsys.readouterr().out.startswith("skipped: ")
    assert not (tmp_path / "page.md").exists()


TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 8
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 8
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 2
            text = "first"
        intervals [3]:
            xmin = 2
            xmax = 8
            text = ""
"""
