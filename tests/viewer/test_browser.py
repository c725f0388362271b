"""The page in a real browser, headless: it plays, sounds its clock, takes presses, and asks the network for nothing."""

import pytest
from viewer.results import WORDS, performance, tone

from emage.viewer.page import write_page
from emage.viewer.shown import shown_performance

pytestmark = pytest.mark.long


def write_two(path):
    shown = [shown_performance(performance(90), "one"), shown_performance(performance(60, with_face=False), "two")]
    write_page(path, shown, sound=tone(3.0), words=WORDS)
    return path


@pytest.fixture(params=["light", "dark"])
def page(open_page, wait_until, tmp_path, request):
    """A page of two results."""
    page = open_page(write_two(tmp_path / "a.html"), color_scheme=request.param)
    page.scheme = request.param
    wait_until(page, "window.painted > 2")
    return page


def pixels(page, selector: str) -> bytes:
    return page.locator(selector).first.screenshot()


def test_it_plays_to_the_end_with_its_sound_and_asks_for_nothing(page, wait_until):
    still = pixels(page, ".stage"), pixels(page, ".face"), pixels(page, "#timeline")
    page.click("#play")
    wait_until(page, "now() > 0.7")
    assert page.evaluate("Math.abs(sound.currentTime - now())") < 0.05
    assert page.evaluate("!sound.paused && !sound.muted")
    moving = pixels(page, ".stage"), pixels(page, ".face"), pixels(page, "#timeline")
    assert all(before != after for before, after in zip(still, moving, strict=True))
    wait_until(page, "!clock.playing")
    assert page.evaluate("now()") == pytest.approx(3.0, abs=0.1)
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith(("blob:", "data:"))] == [page.own_address]


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


LATE_SOUND = """
const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "src");
Object.defineProperty(HTMLMediaElement.prototype, "src", {
  get,
  set(address) { window.loadSound = () => set.call(this, address); },
});
"""


def test_a_position_chosen_before_the_sound_is_loaded_is_kept(open_page, wait_until, tmp_path):
    page = open_page(write_two(tmp_path / "a.html"), before=LATE_SOUND)
    assert page.evaluate("sound.readyState") == 0
    page.evaluate("seek(2)")
    page.evaluate("loadSound()")
    wait_until(page, "sound.readyState >= 1")
    assert page.evaluate("now()") == page.evaluate("sound.currentTime") == 2
    page.evaluate("play()")
    wait_until(page, "!sound.paused && sound.currentTime > 2.05")
    assert page.evaluate("Math.abs(sound.currentTime - now())") < 0.05
    assert page.faults == []


def test_a_sound_that_loads_while_the_motion_plays_joins_it_where_it_is(open_page, wait_until, tmp_path):
    page = open_page(write_two(tmp_path / "a.html"), before=LATE_SOUND)
    page.evaluate("(seek(1), play())")
    wait_until(page, "now() > 1.3")
    page.evaluate("loadSound()")
    wait_until(page, "!sound.paused && sound.currentTime > 0")
    assert page.evaluate("sound.currentTime") >= 1.3
    assert page.evaluate("Math.abs(sound.currentTime - now())") < 0.05
    assert page.evaluate("clock.playing")
    assert page.faults == []


@pytest.mark.parametrize(("error", "plays"), [("NotAllowedError", False), ("NotSupportedError", True)])
def test_a_refused_sound_is_no_unhandled_error(open_page, wait_until, tmp_path, error, plays):
    page = open_page(write_two(tmp_path / "a.html"))
    wait_until(page, "sound.readyState >= 1")
    page.evaluate(f"void (sound.play = () => Promise.reject(new DOMException('refused', '{error}')))")
    page.evaluate("(play(), seek(1))")
    page.wait_for_timeout(100)
    assert page.evaluate("clock.playing") is plays
    assert page.evaluate("now()") >= 1
    assert page.faults == []
