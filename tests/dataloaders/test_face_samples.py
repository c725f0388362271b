"""The real samples of the three face corpora, where they lie beside the project."""

import numpy as np
import pytest

from dataloaders.cache import MotionCache, build_cache
from emage.config import DataConfig


@pytest.mark.parametrize(
    ("name", "fps", "count", "seconds"),
    [("emoca", 25, 5, 20.6), ("singinghead", 30, 3, 24.0), ("beat2", 30, 2, 123.6667)],
)
def test_every_recording_of_a_sample_is_used(shared_data, tmp_path, name, fps, count, seconds):
    config = DataConfig(format=name, root=str(shared_data(f"{name}_sample")), cache_dir=str(tmp_path), fps=fps)
    report = build_cache(config, 1, progress=False)
    assert (len(report.used), report.rejects) == (count, [])
    cache = MotionCache.open(config)
    assert sum(map(cache.num_frames, cache.recordings())) / fps == pytest.approx(seconds, abs=0.01)
    for key in cache.recordings():
        face = cache.read(key, "face")
        assert np.isfinite(face).all()
        assert face.std(axis=0).max() > 0.1
