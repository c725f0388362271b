"""Fixtures shared by all tests; the real recording lies beside the project and may be absent."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
if "PYTEST_XDIST_WORKER" in os.environ and "NUMBA_CACHE_DIR" not in os.environ:
    # Compiled functions of librosa: two processes that write one cache, or one that is killed, leave it broken.
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba_")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
# A busy machine is no fault of the code: no test is timed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def beat_sample() -> Path:
    """Folder of one real recording in the raw BEAT layout (research licence, not part of the project)."""
    folder = SHARED_DATA / "beat_sample"
    if not folder.is_dir():
        pytest.skip("the real BEAT recording does not lie beside the project")
    return folder


@pytest.fixture(scope="session")
def shared_data():
    """Gives the folder of a real sample by its name, e.g. "emoca_sample"; the test is skipped where it is absent."""

    def folder(name: str) -> Path:
        if not (SHARED_DATA / name).is_dir():
            pytest.skip(f"{name} does not lie beside the project")
        return SHARED_DATA / name

    return folder
