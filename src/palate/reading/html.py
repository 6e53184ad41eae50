"""HTML to plain text."""

from __future__ import annotations

import re

__all__ = ["plain_text"]

_BLOCKS = "p, div, li, ul, ol, dl, dt, dd, tr, table, blockquote, pre, h1, h2, h3, h4, h5, h6, hr, section, article"


def plain_text(html: str) -> str:
    r"""Return the text of some HTML: paragraphs and line breaks kept, entities decoded, scripts and styles dropped.

    Examples
    --------
    >>> plain_text("<p>Q. What&#039;s new?<br /><br />A. <b>Nu</b>.</p>")
    "Q. What's new?\n\nA. Nu."
    """
    from selectolax.lexbor import LexborHTMLParser

    if "<" not in html and "&" not in html:
        return _tidy(html)
    # Line ends in the source are blanks like any other.
    tree = LexborHTMLParser(re.sub(r"\s+", " ", html))
    if tree.body is None:
        return ""
    tree.strip_tags(["script", "style", "template", "head", "noscript"])
    for node in tree.css("br"):
        node.insert_before("\n")
    for node in tree.css(_BLOCKS):
        node.insert_before("\n")
        node.insert_after("\n")
    return _tidy(tree.body.text())


def _tidy(text: str) -> str:
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
