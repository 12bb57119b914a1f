"""Comment a table on a pull request, or replace the comment of the same title. Uses `gh`.

From the environment: TABLE (a Markdown file), TITLE, PULL_REQUEST (its number), GITHUB_REPOSITORY,
and GH_TOKEN, which `gh` reads itself.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

LONGEST = 65_000  # characters; GitHub refuses comments above 65,536


def make_body(table: str, title: str) -> str:
    """Return the comment: a hidden mark, the heading, and as many whole lines as fit."""
    head = f"{make_mark(title)}\n## {title}\n\n"
    lines = table.splitlines()
    note = "\n\nThe rest is left out: a comment has no room for it."
    if len(head) + len(table) <= LONGEST:
        return head + table
    room = LONGEST - len(head) - len(note)
    while lines and len("\n".join(lines)) > room:
        lines.pop()
    return head + "\n".join(lines) + note


def make_mark(title: str) -> str:
    """Return the line by which a later call finds the comment."""
    return f"<!-- benchkit-report: {title.replace('--', '- -')} -->"


def find_comment(comments: list[dict], title: str) -> int | None:
    """Return the id of the comment with this title, None where there is none."""
    for comment in comments:
        if str(comment.get("body", "")).startswith(make_mark(title)):
            return int(comment["id"])
    return None


def call_api(*arguments: str, payload: dict | None = None) -> str:
    """Return what `gh api` printed."""
    command = ["gh", "api", *arguments]
    done = subprocess.run(  # noqa: S603
        command if payload is None else [*command, "--input", "-"],
        input=None if payload is None else json.dumps(payload),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"gh api {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    """Write the comment."""
    number, repository = os.environ["PULL_REQUEST"], os.environ["GITHUB_REPOSITORY"]
    if not number.isdecimal():
        sys.exit("there is no pull request: run this on pull_request, or give its number")
    path = Path(os.environ["TABLE"])
    if not path.is_file():
        sys.exit(f"{path}: no such table; benchkit run writes LEADERBOARDS/SUITE/table.md")
    title = os.environ["TITLE"]
    body = {"body": make_body(path.read_text(encoding="utf-8"), title)}
    place = f"repos/{repository}/issues/{number}/comments"
    pages = json.loads(call_api(place, "--paginate", "--slurp"))
    comment = find_comment([comment for page in pages for comment in page], title)
    if comment is None:
        call_api(place, "--method", "POST", payload=body)
    else:
        call_api(f"repos/{repository}/issues/comments/{comment}", "--method", "PATCH", payload=body)


if __name__ == "__main__":
    main()
