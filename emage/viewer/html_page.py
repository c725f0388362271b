"""An html page from its template and values: every value is escaped, and the policy of the page allows its own style and script only.

Names of files, joints and words come from anybody. Jinja2 fills the template in one pass and escapes what it inserts, so that
a value is never read as markup or as a place of the template. The Content-Security-Policy lists the SHA-256 of the style and of
the script of this project: a browser runs no other script and sends no request.
"""

import base64
import hashlib
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

_NO_OTHER_SOURCE = ("default-src 'none'", "base-uri 'none'", "form-action 'none'")


def render_page(template: str, *, style: str, script: str = "", sources: tuple[str, ...] = (), **values: Any) -> str:
    """Fills a template of this folder.

    Args:
        template: name of the html; it has the places `policy`, `style`, `script` (if there is one), and those of `values`.
        style: the content of the page's `<style>`, trusted.
        script: the content of the page's `<script>`, trusted.
        sources: further directives of the policy, e.g. "media-src blob:".
        **values: texts and plain values; escaped, unless of the type Markup.

    Returns:
        The page.
    """
    rules = [*_NO_OTHER_SOURCE, f"style-src {_source(style)}", *sources]
    if script:
        # No inner markup is set from strings, so the page can forbid it.
        rules += [f"script-src {_source(script)}", "require-trusted-types-for 'script'"]
    trusted = {"policy": Markup("; ".join(rules)), "style": Markup(style), "script": Markup(script)}
    return _environment().get_template(template).render(**trusted, **values)


def viewer_text(*names: str) -> str:
    """The content of files of this folder, joined by line ends."""
    return "\n".join(files("emage.viewer").joinpath(name).read_text(encoding="utf-8") for name in names)


def encodable(text: str) -> str:
    """A text that UTF-8 can hold: file names may contain bytes that are no text, shown as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _source(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(viewer_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    # `tojson` writes <, >, & and ' as \u003c ...: a string cannot end the script element that it stands in.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment
