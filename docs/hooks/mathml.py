"""Formulas as MathML, which browsers draw themselves: no script, no font and no network when the page is read.

The Markdown extension ``pymdownx.arithmatex`` finds the formulas, this hook replaces what it leaves in the page.
"""

import html
import logging
import re
from typing import Any

from latex2mathml.converter import convert

LOG = logging.getLogger("mkdocs.hooks.mathml")
BAR = re.compile(r"<mo>(&#x02016;|&#x0007C;)</mo>")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def mathml(latex: str, *, block: bool = False) -> str:
    """One formula; a command that is not known is a warning, since it would be printed as it stands."""
    found = convert(" ".join(latex.split()), display="block" if block else "inline")
    if "\\" in html.unescape(found).replace("\\|", ""):
        LOG.warning("formula with an unknown command: %s", latex)
    return BAR.sub(r'<mo stretchy="false">\1</mo>', found)  # a bar of a norm is not a fence that grows with the row


def on_page_content(content: str, **_: Any) -> str:
    """Replace the formulas of a page, also those of docstrings."""
    return FORMULA.sub(lambda found: mathml(html.unescape(found[2]), block=found[1] == "div"), content)
