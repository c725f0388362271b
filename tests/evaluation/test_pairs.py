import copy
import dataclasses

import numpy as np
import pytest
import torch
from tiny_bundles import autoencoder_bundle, camn_bundle, skeleton, statistics, vqvae_bundle

from emage.checkpoint import save_bundle, weights_hash
from emage.errors import InputError
from emage.evaluation import FGDNetwork, Pair, evaluate, load_fgd_network
from emage.motion.convert import convert
from emage.motion.layout import get_layout
from emage.performance import Performance

RATE = 16000
COMMAND = "python train.py -c configs/demo/motion_autoencoder.yaml"
DIM = get_layout("beat_141").dim


def swing(seed: int, num_frames: int = 90) -> torch.Tensor:
    """(T, D) degrees: each column a sine of its own."""
    draw = torch.Generator().manual_seed(seed)
    size, phase, speed = (torch.rand(DIM, generator=draw) for _ in range(3))
    return 20 * size * torch.sin(torch.arange(num_frames)[:, None] * (0.2 + 0.6 * speed) + 7 * phase)


def performance(motion: torch.Tensor, fps: float = 15.0) -> Performance:
    return Performance(motion, "beat_141", None, fps, skeleton(), fill=statistics().mean_pose)


def clicks(num_frames: int = 90) -> np.ndarray:
    """A burst of noise each half second."""
    waveform = np.zeros(round(num_frames * RATE / 15), np.float32)
    noise = np.random.default_rng(0).normal(size=800).astype(np.float32)
    for start in range(4000, len(waveform) - 800, 8000):
        waveform[start : start + 800] = 0.3 * noise
    return waveform


def pair(number: int, generated: torch.Tensor, reference: torch.Tensor) -> Pair:
    return Pair(f"r{number}", performance(generated), performance(reference), clicks(len(reference)))


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> FGDNetwork:
    folder = tmp_path_factory.mktemp("fgd") / "best"
    save_bundle(folder, autoencoder_bundle())
    return load_fgd_network(folder, COMMAND)


def test_real_motion_against_itself_has_no_distance_and_its_own_beats(network):
    result = evaluate([pair(k, swing(k), swing(k)) for k in range(4)], network, sample_rate=RATE)
    assert result["fgd"]["fgd"] == pytest.approx(0, abs=1e-9)
    assert result["beat_align"] == result["beat_align_reference"]
    assert result["beat_align"]["beat_align"] > 0
    assert result["beat_align"]["variant"] == "corrected"
    assert result["split_half_floor"]["split_half_mean"] > 0
    assert result["counts"] == {"recordings": 4, "frames": 360, "motion_s": 24.0}
    assert result["not_scored"] == []
    network_facts = result["fgd"]["network"]
    assert (network_facts["steps"], network_facts["features"]) == (5, 4)
    assert network_facts["weights_sha256"] == weights_hash(network.folder)


def test_a_person_who_stands_still_is_farther_away_than_one_who_moves_alike(network):
    def distance(generated):
        pairs = [pair(k, generated(k), swing(k)) for k in range(4)]
        return evaluate(pairs, network, sample_rate=RATE)

    still = distance(lambda k: torch.zeros(90, DIM))
    alike = distance(lambda k: swing(k + 20))
    assert alike["fgd"]["fgd"] < 0.5 * still["fgd"]["fgd"]
    assert still["beat_align"]["num_motion_beats"] == 0
    assert still["beat_align"]["beat_align"] == 0
    assert still["beat_align_reference"] == alike["beat_align_reference"]


def test_the_network_sees_motion_in_its_own_layout_and_statistics(tmp_path):
    bundle = autoencoder_bundle(layout="beat_full")
    save_bundle(tmp_path / "best", bundle)
    network = load_fgd_network(tmp_path, COMMAND)  # the run's folder: its best is meant
    assert network.folder == tmp_path / "best"
    motion = swing(1, 40)
    seen = network.features_of(performance(motion))
    full = convert(motion, "beat_141", "beat_full", fill=statistics().mean_pose)
    means, stds = statistics().means["beat_full"], statistics().stds["beat_full"]
    torch.testing.assert_close(seen, (full - means) / stds)


def test_both_variants_of_beat_alignment_are_named(network):
    pairs = [pair(k, swing(k + 9), swing(k)) for k in range(2)]
    result = evaluate(pairs, network, sample_rate=RATE, beat_align="beat2022")
    assert result["beat_align"]["variant"] == "beat2022"
    assert result["beat_align"]["beat_align"] != evaluate(pairs, network, sample_rate=RATE)["beat_align"]["beat_align"]


def test_nothing_that_is_given_is_altered(network):
    pairs = [pair(k, swing(k + 9), swing(k)) for k in range(2)]
    before = copy.deepcopy(pairs)
    first = evaluate(pairs, network, sample_rate=RATE)
    for one, other in zip(pairs, before, strict=True):
        assert torch.equal(one.generated.motion, other.generated.motion)
        assert torch.equal(one.reference.motion, other.reference.motion)
        assert np.array_equal(one.waveform, other.waveform)
    assert evaluate(pairs, network, sample_rate=RATE) == first


def test_what_was_not_scored_is_listed_with_its_reason(network):
    short = pair(0, swing(0, 20), swing(1, 20))
    silent = dataclasses.replace(pair(1, swing(2), swing(3)), waveform=np.zeros(96000, np.float32))
    result = evaluate([short, silent], network, sample_rate=RATE)
    assert {(row["id"], row["metric"]) for row in result["not_scored"]} == {
        ("r0", "fgd"),
        ("r1", "beat_align"),
        ("all", "split_half_floor"),  # one recording with windows is left
    }
    assert result["not_scored"][0]["reason"] == "20 frames, shorter than the window of 34"
    assert result["split_half_floor"]["split_half_mean"] is None
    assert result["counts"]["recordings"] == 2


def test_given_frames_are_cut_off_both_motions_and_the_sound():
    whole = pair(0, swing(0), swing(1))
    rest = whole.after(4, RATE)
    assert torch.equal(rest.generated.motion, whole.generated.motion[4:])
    assert torch.equal(rest.reference.motion, whole.reference.motion[4:])
    assert np.array_equal(rest.waveform, whole.waveform[round(4 * RATE / 15) :])
    assert whole.generated.num_frames == 90


def test_pairs_that_cannot_be_compared_are_refused(network):
    with pytest.raises(InputError, match="r7: 90 generated frames beside 89 real ones"):
        pair(7, swing(0), swing(0, 89))
    fast = Pair("r8", performance(swing(0), 30.0), performance(swing(0), 30.0), clicks())
    with pytest.raises(InputError, match="r8: motion at 30 fps, but the FGD network .* at 15 fps"):
        evaluate([fast], network, sample_rate=RATE)
    with pytest.raises(InputError, match="no recording to score"):
        evaluate([], network, sample_rate=RATE)


@pytest.mark.parametrize(
    "bundle, message",
    [
        (autoencoder_bundle(steps=0), "is untrained .0 steps."),
        (vqvae_bundle(), "expected motion_autoencoder, got vqvae"),
        (camn_bundle(), "expected motion_autoencoder, got camn"),
    ],
    ids=["untrained", "vqvae", "camn"],
)
def test_what_is_no_trained_fgd_network_is_refused(tmp_path, bundle, message):
    save_bundle(tmp_path / "best", bundle)
    with pytest.raises(InputError, match=message) as caught:
        load_fgd_network(tmp_path / "best", COMMAND)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_missing_fgd_network_is_an_error_that_says_what_trains_one(tmp_path, folder):
    with pytest.raises(InputError, match=f"metrics.fgd.checkpoint: .*{COMMAND}"):
        load_fgd_network(tmp_path / folder if folder else "", COMMAND)
