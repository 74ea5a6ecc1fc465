"""Pages made at build time: the gallery, one for each example, and the changelog; and links that leave ``docs``."""

import ast
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
CHANGELOG = "changelog.md"
CITATION = "# CITATION.cff\n"  # where that file is printed
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")
DOI = re.compile(r"(?<![\w/])doi:(10\.\d{4,}/[^\s,;]*[^\s,;.])")
FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def described(example: Path) -> tuple[str, str]:
    """Title and description of an example: the first line of its docstring, and the rest."""
    title, _, rest = (ast.get_docstring(ast.parse(example.read_text())) or example.stem).partition("\n")
    return title.rstrip("."), rest.strip()


def picture(example: Path) -> str:
    """The committed figure of an example."""
    return f"![{described(example)[0]}]({example.stem}.png)"


def page_of(example: Path) -> str:
    """Title, description, figure and source of an example."""
    title, rest = described(example)
    note = "The figure is that of a run that `docs/gallery.py` makes, most of them shorter than the example's own."
    code = f'```python title="examples/{example.name}"\n{example.read_text()}```\n'
    return "\n\n".join([f"# {title}", rest, picture(example), note, code])


def overview() -> str:
    """All examples with their figures."""
    lines = [f"- {picture(e)}\n\n    **[{described(e)[0]}]({e.stem}.md)**\n" for e in EXAMPLES]
    about = "Each example is one file that runs as it is; the tests run them at their smallest size."
    return f'# Gallery\n\n{about}\n\n<div class="gallery" markdown>\n\n' + "\n".join(lines) + "\n</div>\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the entry of the gallery in the navigation."""
    pages = [{e.stem.replace("_", " ").capitalize(): f"gallery/{e.stem}.md"} for e in EXAMPLES]
    gallery = {"Gallery": ["gallery/index.md", *pages]}
    config.nav = [gallery if entry == "Gallery" else entry for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {f"gallery/{example.stem}.md": page_of(example) for example in EXAMPLES}
    pages |= {"gallery/index.md": overview(), CHANGELOG: (ROOT / "CHANGELOG.md").read_text()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Rewrite links outside of code, and print the file that says how to cite."""
    name = page.file.src_uri
    place = ROOT / "CHANGELOG.md" if name == CHANGELOG else ROOT / "docs" / name
    parts = FENCE.split(markdown.replace(CITATION, (ROOT / "CITATION.cff").read_text()))
    parts[::2] = [LINK.sub(lambda found: rewritten(found, place, page), with_dois(part)) for part in parts[::2]]
    return "".join(parts)


def with_dois(text: str) -> str:
    """Text whose DOIs are links."""
    return DOI.sub(lambda found: f"[doi:{found[1]}](<https://doi.org/{found[1]}>)", text)


def rewritten(link: re.Match[str], place: Path, page: Page) -> str:
    """A link within ``docs``, to the page of an example, or only its text."""
    target = Path(os.path.normpath(place.parent / link[3]))
    if target in EXAMPLES:
        target = ROOT / "docs" / "gallery" / f"{target.stem}.md"
    elif not target.is_relative_to(ROOT / "docs"):
        return link[2]
    start = (ROOT / "docs" / page.file.src_uri).parent
    return f"{link[1]}[{link[2]}]({os.path.relpath(target, start)}{link[4] or ''})"
