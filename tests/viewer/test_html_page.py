"""Pages with hostile names, titles and words: a value is shown as the text that it is, no script of it runs, nothing is asked for."""

import base64
import hashlib
import http.server
import json
import threading
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from viewer.results import performance, tone

from emage.errors import InputError
from emage.viewer.html_page import render_page
from emage.viewer.page import write_page
from emage.viewer.shown import shown_performance
from emage.words import TimedWord

HOSTILE = [
    "<img src=x onerror=window.P=1>{{data}}",
    "<img src=http://127.0.0.1:8123/x onerror=location=String.fromCharCode(104,116,116,112)>",
    "</title><script>window.P=1</script>",
    "</script><script>window.P=1</script>",
    "<!--<script>",
    "<!-- <script> </script",
    "--><svg onload=window.P=1>",
    "]]><style>@import url(http://127.0.0.1:8123/)</style>",
    "{{script}}",
    "{{ data | tojson }}{% raw %}{# #}{{ 7 * 7 }}",
    "{{title}}{{style}}$title ${body}",
    "<base href=http://127.0.0.1:8123/><form action=http://127.0.0.1:8123/><input autofocus onfocus=window.P=1>",
    "\" onmouseover='window.P=1' x=\"`&lt;&amp;",
    "\\u003cscript\\u003e\\",
    "a\u2028b\u2029c\x00d\x1fe\ufeff",
    "<plaintext>",
]


class Elements(HTMLParser):
    """What a parser finds: start tags with their attributes, and the text within title, h1, style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.texts, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(attrs)))
        self._open = tag if tag in ("title", "h1", "style", "script") else self._open
        if self._open == tag:
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        self._open = None if tag == self._open else self._open

    def handle_data(self, data):
        if self._open:
            self.texts[self._open][-1] += data


def write_hostile(path, value: str) -> Elements:
    words = [TimedWord(value, 0.1, 0.5, 1.0), TimedWord("plain", 0.6, 0.9, 0.5)]
    shown = shown_performance(performance(30), value)
    write_page(path, [replace(shown, joints=(value, *shown.joints[1:]))], sound=tone(1.0), words=words, title=value)
    return Elements(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Elements:
    return write_hostile(tmp_path_factory.mktemp("plain") / "a.html", "plain name")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_text_adds_no_element_and_is_kept_as_text(tmp_path, plain, value):
    found = write_hostile(tmp_path / "a.html", value)
    assert found.tags == plain.tags
    assert found.texts["script"][1] == plain.texts["script"][1]
    assert found.texts["style"] == plain.texts["style"]
    assert found.texts["h1"] == [value]
    content = found.texts["script"][0]
    assert not set("<>&\u2028\u2029") & set(content)
    data = json.loads(content)
    assert [data["words"][0][0], data["results"][0]["name"]] == [value, value]


def test_the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else(plain):
    (policy,) = (
        dict(attributes)["content"]
        for tag, attributes in plain.tags
        if tag == "meta" and ("http-equiv", "Content-Security-Policy") in attributes
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for name in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(plain.texts[name][-1].encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert {rules[name] for name in ("default-src", "base-uri", "form-action")} == {"'none'"}
    assert "unsafe" not in policy
    assert not any(name == "style" or name.startswith("on") for _, attributes in plain.tags for name, _ in attributes)


def test_a_missing_value_is_an_error_and_not_an_empty_place():
    with pytest.raises(Exception, match="body"):
        render_page("report.html", style="", title="a")


def test_bytes_of_a_file_name_that_are_no_text_are_shown_as_question_marks(tmp_path):
    found = write_hostile(tmp_path / "a.html", "ok\udcff.wav")
    assert found.texts["title"] == ["ok?.wav"]


@pytest.mark.parametrize("times", [(0.0, float("inf"), 1.0), (float("nan"), 1.0, 1.0)])
def test_a_word_without_a_finite_time_is_named(tmp_path, times):
    with pytest.raises(InputError, match="the word 'w' has times that are not finite"):
        write_page(tmp_path / "a.html", [shown_performance(performance(2), "a")], words=[TimedWord("w", *times)])
    assert not (tmp_path / "a.html").exists()


@pytest.mark.long
@pytest.mark.parametrize("value", HOSTILE)
def test_a_browser_shows_a_hostile_text_runs_nothing_of_it_and_asks_for_nothing(open_page, wait_until, tmp_path, value):
    write_hostile(tmp_path / "a.html", value)
    page = open_page(tmp_path / "a.html")
    wait_until(page, "window.painted > 2")
    page.wait_for_timeout(100)  # for an address that a handler would ask for
    assert page.evaluate("typeof window.P") == "undefined"
    assert page.url == page.own_address
    assert [url for url in page.requests if not url.startswith(("blob:", "data:"))] == [page.own_address]
    assert page.evaluate("document.querySelectorAll('.stage').length") == 1
    assert page.evaluate("document.querySelector('h1').textContent") == value.replace("\x00", "")  # as html has it
    assert page.evaluate("document.querySelector('.panel h2 span').textContent") == value
    assert page.evaluate("data.words[0][0]") == value
    assert page.faults == []


@pytest.fixture
def server():
    """A web server of this machine; `asked` holds the paths that were requested."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.address = asked, f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.long
def test_the_policy_stops_script_and_requests_of_markup_that_is_in_the_page_all_the_same(
    open_page, wait_until, tmp_path, server
):
    write_hostile(tmp_path / "a.html", "a")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    injected = (
        f"<script>window.P=1</script><img src={server.address}/a onerror=window.P=1><svg onload=window.P=1></svg>"
        f"<iframe src={server.address}/b></iframe><style>body {{ background-image: url({server.address}/c) }}</style>"
        f"<script src={server.address}/d></script><link rel=stylesheet href={server.address}/e>"
        f"<object data={server.address}/f></object><a href=javascript:window.P=1 id=trap>x</a>"
    )
    (tmp_path / "a.html").write_text(text.replace("<main", injected + "<main"), encoding="utf-8")
    page = open_page(tmp_path / "a.html")
    wait_until(page, "window.painted > 2")
    page.evaluate("document.getElementById('trap').click()")
    page.wait_for_timeout(200)
    assert page.evaluate("typeof window.P") == "undefined"
    assert server.asked == []
    assert any("Content Security Policy" in fault for fault in page.faults)
    page.goto(f"{server.address}/control")
    assert server.asked[0] == "/control"  # the server does hear what is asked
