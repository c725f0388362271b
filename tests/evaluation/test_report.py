"""report.html: what it holds, and (long) that a browser opens it without an error and without a request."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from other_systems import write_audio, write_system

from emage.evaluation import Evaluation, Folders, Options, evaluate_folders
from emage.viewer import charts

HOSTILE = "c_<img src=x onerror=window.P=1>{{ body }}${title}"
IDS = ("a_1", "b_2", HOSTILE)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory) -> Evaluation:
    root = tmp_path_factory.mktemp("report")
    write_audio(root / "audio", IDS)
    real = write_system(root / "real", IDS)
    made = write_system(root / "made", IDS, size_deg=15.0, seed=1)
    other = write_system(root / "other", IDS, size_deg=5.0, seed=9)
    folders = Folders.find(made, real, audio=root / "audio", compare=[other])
    return evaluate_folders(folders, options=Options(progress=False), facts={"generated": "made <by> us"})


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory) -> Path:
    return evaluation.write(tmp_path_factory.mktemp("out"))[-1]


class Balance(HTMLParser):
    """Tags that are opened and never closed, or closed and never opened."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_whole_small_and_asks_for_nothing(page):
    text = page.read_text(encoding="utf-8").replace(html.escape(HOSTILE), "")
    parser = Balance()
    parser.feed(text)
    assert (parser.open, parser.wrong) == ([], [])
    assert len(text) < 3_000_000
    assert "<script" not in text
    assert re.findall(r"https?://|src=|url\(|@import", text) == []
    assert "$" not in text
    assert not re.search(r'="[^"]*\b(nan|inf|None)\b', text)


def test_names_are_escaped(page):
    text = page.read_text(encoding="utf-8")
    assert "Evaluation of made &lt;by&gt; us" in text
    assert html.escape(HOSTILE) in text
    assert html.unescape(re.sub(r"<[^>]*>", "", text)).count(HOSTILE) == text.count(html.escape(HOSTILE))
    assert "<img" not in text


def test_the_policy_allows_its_style_alone(page):
    text = page.read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert " style=" not in text


def test_every_part_is_there(page, evaluation):
    text = page.read_text(encoding="utf-8")
    for words in ("All measures", "Beside other systems", "How fast joints move", "Joint by joint", "Recording by recording",
                  "What is not here, and why", "How to read it", "best</span>", "worst</span>", "deaf to speech"):  # fmt: skip
        assert words in text
    for row in evaluation.results["measures"].values():
        if row["value"] is not None:
            assert row["label"] in text


def test_the_best_and_the_worst_recording_are_those_of_the_ranks(evaluation):
    ranking = evaluation.pictures["ranking"]
    assert [row["rank"] for row in ranking] == sorted(row["rank"] for row in ranking)
    assert {row["id"] for row in ranking} == set(IDS)
    shown = {example["name"]: example["id"] for example in evaluation.pictures["examples"]}
    assert shown == {"best": ranking[0]["id"], "worst": ranking[-1]["id"]}


@pytest.mark.parametrize(
    "value, shown",
    [
        (None, "–"), (0.0, "0"), (3e-9, "0"), (0.00064, "0.00064"), (-0.0026, "−0.003"), (0.4317, "0.432"),
        (61.508, "61.51"), (465.66, "465.7"), (5714.2, "5\u202f714"), (1711383.0, "1\u202f711\u202f000"),
    ],
)  # fmt: skip
def test_numbers_for_people(value, shown):
    assert charts.number(value) == shown


def test_what_would_dwarf_a_scale_is_off_it():
    low, high = charts.scale_ends([1.0, 2.0], [2.5, 1000.0])
    assert low < 1 < 2.5 < high < 10
    low, high = charts.scale_ends([3.0], [])
    assert low < 3 < high
    row = {"value": 1.5, "low": 1.0, "high": 2.0, "ground_truth": 2.0, "label": "x"}
    strip = charts.strip(row | {"controls": {"mean_pose": 0.9, "time_shuffled": 1000.0, "mismatched_audio": None}})
    assert strip.count("<circle") == 2  # the system and the mean pose
    assert "off this scale" in strip


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_opens_it_without_an_error_and_without_a_request(page, open_page, scheme):
    view = open_page(page, color_scheme=scheme, viewport={"width": 390, "height": 800})
    backgrounds = view.evaluate("getComputedStyle(document.body).backgroundColor")
    width = view.evaluate("document.documentElement.scrollWidth")
    assert view.faults == []
    assert view.evaluate("typeof window.P") == "undefined"
    assert view.requests == [page.as_uri()]
    assert width <= 390  # wide tables scroll within their card
    brightness = sum(map(int, re.findall(r"\d+", backgrounds)[:3])) / 3
    assert (brightness < 60) is (scheme == "dark")
