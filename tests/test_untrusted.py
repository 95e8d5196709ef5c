"""Text of an API in Markdown: nothing of it is live."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from spectra_assets.untrusted import code, prose

HOSTILE = (
    "![px](http://evil.example/p.png) [click](javascript:alert(1)) <img src=x onerror=alert(1)>",
    "a \\`![px](http://evil.example/p.png)` b",
    "``![px](http://evil.example/p.png)``` `x",
    "[a]: http://evil.example\n\n[a] | # Title\n- item",
    "x\x1b[31m\u202e | y `a|b`",
    "<!-- --> &lt;b> `` ` ``![p](http://evil.example)",
    "`a ![px](http://evil.example/px) [x](http://evil.example) ``",
    "` `` ![px](http://evil.example/px) ` ``",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("make", [prose, code])
def test_nothing_is_live(text: str, make: object) -> None:
    page = MarkdownIt("commonmark").enable("table").render(f"| a | b |\n|---|---|\n| {make(text)} | end |\n")  # type: ignore[operator]
    assert set(re.findall(r"<(\w+)", page)) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.count("<td>") == 2
    assert "<td>end</td>" in page
    assert "\x1b" not in page


@pytest.mark.parametrize("text", ["# big", "- item", "+ item", "* item", "1. item", "12) item", "~~~ text", "---", "***", "#"])
def test_no_line_begins_a_block(text: str) -> None:
    page = MarkdownIt("commonmark").render(f"{prose(text)}\n")
    assert set(re.findall(r"<(\w+)", page)) == {"p"}


@pytest.mark.parametrize("text", ["-5 rows", "1.5 %", "2026-01-01", "#1 of 2", "*cycle*"])
def test_no_more_is_escaped_than_must_be(text: str) -> None:
    assert prose(text) == text


ADDRESS = re.compile(r"https?://|www\.|@")


@pytest.mark.parametrize(
    "text",
    [
        "see https://evil.example/a?b=1, or www.evil.example.",
        "HTTP://evil.example",
        "mail jo.doe+x@evil.example now",
        "(https://evil.example) [a](https://evil.example) <https://evil.example>",
        "`code` https://evil.example `more` ftp://evil.example/`x`",
    ],
)
def test_what_renderers_link_unasked_stands_in_code(text: str) -> None:
    page = MarkdownIt("commonmark").render(f"{prose(text)}\n")
    assert set(re.findall(r"<(\w+)", page)) == {"p", "code"}
    assert "evil.example" in page
    assert not ADDRESS.search(re.sub(r"(?is)<code>.*?</code>", "", page))


def test_what_is_harmless_stays() -> None:
    assert prose("the `id` of a *cycle*, as `a.b` gives it") == "the `id` of a *cycle*, as `a.b` gives it"
