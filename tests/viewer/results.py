"""Small results to look at."""

import numpy as np
import torch
from tiny_bundles import skeleton, statistics

from emage.motion.layout import ARKIT_51, get_layout
from emage.performance import Performance
from emage.viewer.shown import Sound
from emage.words import TimedWord

RATE = 16000
WORDS = [TimedWord("Hello", 0.2, 0.6, 0.9), TimedWord("</script>", 0.7, 1.1, 0.0), TimedWord("wörld", 1.2, 1.8, 1.0)]


def performance(num_frames: int = 60, fps: float = 30.0, *, with_face: bool = True) -> Performance:
    """Arms that swing and a jaw that opens and closes."""
    layout = get_layout("beat_141")
    motion = 30 * torch.sin(torch.arange(num_frames)[:, None] / 6.0 + torch.arange(layout.dim) / 9.0)
    face = torch.zeros(num_frames, len(ARKIT_51))
    face[:, ARKIT_51.index("jawOpen")] = 0.5 - 0.5 * torch.cos(torch.arange(num_frames) / 3.0)
    return Performance(
        motion, "beat_141", face if with_face else None, fps, skeleton(), fill=0 * statistics().mean_pose
    )


def tone(seconds: float = 2.0) -> Sound:
    """A tone that comes and goes."""
    times = np.arange(round(seconds * RATE)) / RATE
    return Sound((0.3 * np.sin(2 * np.pi * 220 * times) * np.sin(3 * times) ** 2).astype(np.float32), RATE)
