"""What mkdocs calls while it builds: adds the generated pages, and files from outside of docs/."""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # mkdocs loads this file without a package

from docs.generator.outside import OUTSIDE, fill_tables, rewrite_links  # noqa: E402
from docs.generator.pages import generate_pages  # noqa: E402


def on_files(files: Files, config: Any) -> Files:
    """Add the reference, and the pages and pictures that lie elsewhere in the repository."""
    for path, text in generate_pages().items():
        files.append(File.generated(config, path, content=text))
    for source, path in OUTSIDE.items():
        if source.endswith(".md"):
            text = (ROOT / source).read_text(encoding="utf-8")
            text = rewrite_links(text, source, path)
            files.append(File.generated(config, path, content=text))
        else:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files of the repository lead to their copies on the site."""
    path = page.file.src_uri
    if path in OUTSIDE.values() or path.startswith("reference/"):
        return markdown
    return rewrite_links(fill_tables(markdown), f"docs/{path}", path)


def on_post_build(config: Any) -> None:
    """Remove source maps, which no reader of the site needs."""
    for path in Path(config.site_dir).rglob("*.map"):
        path.unlink()
    pattern = re.compile(r"\n?(//#|/\*#) sourceMappingURL=\S+( \*/)?")
    for path in Path(config.site_dir, "assets").rglob("*.*s"):
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub("", text), encoding="utf-8")
