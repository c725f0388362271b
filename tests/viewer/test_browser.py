"""The page in a real browser, headless: it plays, sounds its clock, takes presses, and asks the network for nothing."""

import shutil

import pytest
from viewer.results import WORDS, performance, tone

from emage.viewer.page import write_page
from emage.viewer.shown import shown_performance

pytestmark = pytest.mark.long
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        arguments = ["--autoplay-policy=no-user-gesture-required", "--no-sandbox"]
        browser = driver.chromium.launch(executable_path=program, headless=True, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(browser, tmp_path, request):
    """A page of two results; what went wrong in it is collected in `faults`, what it asked for in `requests`."""
    shown = [shown_performance(performance(90), "one"), shown_performance(performance(60, with_face=False), "two")]
    write_page(tmp_path / "a.html", shown, sound=tone(3.0), words=WORDS)
    context = browser.new_context(color_scheme=request.param, viewport={"width": 1200, "height": 760})
    page = context.new_page()
    page.faults, page.requests, page.scheme = [], [], request.param
    page.on("console", lambda message: page.faults.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda asked: page.requests.append(asked.url))
    page.goto((tmp_path / "a.html").as_uri())
    page.wait_for_function("window.painted > 2")
    yield page
    context.close()


def pixels(page, selector: str) -> bytes:
    return page.locator(selector).first.screenshot()


def test_it_plays_to_the_end_with_its_sound_and_asks_for_nothing(page):
    still = pixels(page, ".stage"), pixels(page, ".face"), pixels(page, "#timeline")
    page.click("#play")
    page.wait_for_function("now() > 0.7")
    assert page.evaluate("Math.abs(sound.currentTime - now())") < 0.05
    assert page.evaluate("!sound.paused && !sound.muted")
    moving = pixels(page, ".stage"), pixels(page, ".face"), pixels(page, "#timeline")
    assert all(before != after for before, after in zip(still, moving, strict=True))
    page.wait_for_function("!clock.playing", timeout=20000)
    assert page.evaluate("now()") == pytest.approx(3.0, abs=0.1)
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith(("blob:", "data:"))] == [page.url]


def test_presses_scrub_change_the_speed_and_turn_the_camera(page):
    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 10)
    assert page.evaluate("now()") == pytest.approx(1.5, abs=0.05)
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("now()") == pytest.approx(0.5, abs=0.05)
    page.select_option("#speed", "2")
    assert page.evaluate("sound.playbackRate") == 2
    before = page.evaluate("camera.yaw")
    stage = page.locator(".stage").first.bounding_box()
    x, y = stage["x"] + stage["width"] / 3, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 80, y + 10)
    page.mouse.up()
    assert page.evaluate("camera.yaw") == pytest.approx(before - 0.64, abs=0.02)
    page.mouse.dblclick(x, y)
    assert page.evaluate("camera.yaw") == pytest.approx(before)
    assert page.faults == []


def test_the_theme_follows_the_browser_and_can_be_changed(page):
    def brightness() -> float:
        return page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0])")

    assert (brightness() > 128) == (page.scheme == "light")
    page.click("#theme")
    assert (brightness() > 128) == (page.scheme == "dark")
    assert page.evaluate("document.querySelectorAll('.face').length") == 1  # the second result has no face
