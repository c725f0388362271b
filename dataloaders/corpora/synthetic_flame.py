"""FLAME codes of the synthetic faces: a made-up, fixed and slightly bent map from ARKit weights, and a tracker's faults.

The map knows no real face. It stands for what lies between two ways to annotate one face: every weight moves several
coefficients and the jaw, neighbours overlap, and twice the weight is not twice the coefficient. Gaze (eyeLook*) has no
coefficients, as in FLAME.

Shapes: T frames, C = 43 weights, E = 50 coefficients.
"""

import functools

import numpy as np

from dataloaders.corpora.synthetic_curves import SmoothNoise, bump
from dataloaders.corpora.synthetic_plan import RecordingPlan
from dataloaders.corpora.synthetic_speech import Speech
from emage.motion.layout import ARKIT_51

MAPPED_CHANNELS = tuple(name for name in ARKIT_51 if not name.startswith("eyeLook"))
NUM_EXPRESSION = 50
_MAP_SEED = 20260101  # of the map itself, the same in every corpus
_SHARE = 0.3  # of the coefficients that one weight moves
_BEND = 0.35
_JAW_RAD, _JAW_SIDE_RAD = 0.32, 0.10
HEAD_RAD, HEAD_HZ = 0.09, (0.1, 0.5)
NOD_RAD, NOD_RISE_S, NOD_FALL_S = 0.06, 0.15, 0.35
# A tracker of single images trembles from frame to frame; it does so more in the coefficients than in the jaw.
EXPRESSION_JITTER, ROTATION_JITTER_RAD = 0.06, 0.006
STYLE_SPREAD = 0.25  # how much stronger or weaker a speaker moves each weight


@functools.cache
def _matrices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(_MAP_SEED)
    shape = (len(MAPPED_CHANNELS), NUM_EXPRESSION)
    straight = rng.normal(0, 1.6, shape) * (rng.random(shape) < _SHARE)
    # Each weight has coefficients of its own that it moves most, or no map could tell neighbours apart.
    own = rng.permutation(NUM_EXPRESSION)[: len(MAPPED_CHANNELS)]
    straight[np.arange(len(MAPPED_CHANNELS)), own] += 2.5 * rng.choice([-1, 1], len(MAPPED_CHANNELS))
    return straight, rng.normal(0, 1.0, shape) * (rng.random(shape) < _SHARE)


def straight_map() -> np.ndarray:
    """The straight part of the map, (C, E): weights @ this are the coefficients of small weights."""
    return _matrices()[0]


def arkit_to_codes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map.

    Args:
        weights: (T, 51) in ARKIT_51 order, 0 to 1.

    Returns:
        Expression (T, E) without unit and jaw (T, 3) as axis-angle in radians.
    """
    named = dict(zip(ARKIT_51, weights.T, strict=True))
    x = np.stack([named[name] for name in MAPPED_CHANNELS], axis=1)  # (T, C)
    straight, bent = _matrices()
    expression = x @ straight + _BEND * np.square(x @ bent)
    opened = _JAW_RAD * (1 - np.exp(-1.5 * named["jawOpen"])) * (1 - 0.5 * named["mouthClose"])
    turned = _JAW_SIDE_RAD * (named["jawLeft"] - named["jawRight"])
    return expression, np.stack([opened, turned, 0.3 * turned], axis=1)


def speaker_gains(label: str, seed: int) -> np.ndarray:
    """(51,) how strongly a speaker moves each weight, 1 on average; nobody but the FLAME sets has them."""
    rng = np.random.default_rng([seed, *label.encode()])
    return np.clip(rng.normal(1, STYLE_SPREAD, len(ARKIT_51)), 0.4, 1.6)


def head_motion(plan: RecordingPlan, speech: Speech, times_s: np.ndarray) -> np.ndarray:
    """(T, 3) axis-angle in radians: wandering, and a nod at each loud syllable."""
    head = HEAD_RAD * SmoothNoise(times_s, plan.random("head of the tracked face")).draw(3, HEAD_HZ) / 2
    for i in speech.loud:
        head[:, 0] += NOD_RAD * bump(times_s, speech.phones[i].middle_s, rise_s=NOD_RISE_S, fall_s=NOD_FALL_S)
    return head


def with_jitter(values: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Values (T, D) as a tracker of single images sees them."""
    return values + size * rng.standard_normal(values.shape)
