"""Fixtures shared by all tests; the real recording lies beside the project and may be absent."""

import atexit
import os
import shutil
import tempfile
import time
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

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; its tests are skipped where none is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        arguments = ["--autoplay-policy=no-user-gesture-required", "--no-sandbox"]
        browser = driver.chromium.launch(executable_path=program, headless=True, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page; `faults` holds what its console and its errors say, `requests` each address that it asked for."""
    contexts = []

    def open_file(path, *, before: str = "", **options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 760}, **options})
        contexts.append(context)
        page = context.new_page()
        page.faults, page.requests = [], []
        page.on("console", lambda message: page.faults.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda asked: page.requests.append(asked.url))
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri())
        page.own_address = page.url
        return page

    yield open_file
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def wait_until():
    """Waits until an expression is true in a page; `page.wait_for_function` would need a policy with 'unsafe-eval'."""

    def wait(page, expression: str, timeout_s: float = 30.0) -> None:
        end = time.monotonic() + timeout_s
        while not page.evaluate(expression):
            if time.monotonic() > end:
                pytest.fail(f"not within {timeout_s:g} s: {expression}; console: {page.faults}")
            page.wait_for_timeout(20)

    return wait
