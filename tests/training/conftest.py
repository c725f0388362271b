import pytest
from training.toy import reset_accelerate


@pytest.fixture(autouse=True)
def _fresh_accelerate(monkeypatch):
    """Each test starts as a new program would: no processes and no precision left over from the one before."""
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    reset_accelerate()
    yield
    reset_accelerate()
