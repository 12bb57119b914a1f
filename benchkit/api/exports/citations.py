"""BibTeX of the methods and datasets of a table, made of nothing but what benchkit says of them.

A card names a paper in words: "Authors, Title, Venue Year (remark)". What can be told apart becomes
a field; where it cannot, the words are a `note`. Nothing is looked up and nothing is added.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Z][\w'’]*[a-z][\w'’]*(?:-[A-Z][\w'’]*)?")
_VENUE_YEAR = re.compile(r"(?:(?P<venue>\S.*?) )?(?P<year>(?:19|20)\d\d)")
_ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5})")
_REMARK = re.compile(r" \(([^()]+)\)\Z")
_SOURCE = re.compile(r"(?P<name>[^(:]+) \((?P<papers>[^()]*\d{4})\)")
_JOURNALS = ("TOIS", "JMLR", "JRSS", "TPAMI", "TKDE")
_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


@dataclass(frozen=True)
class Citation:
    """One entry of a bibliography."""

    fields: tuple[tuple[str, str], ...]
    """Fields of BibTeX."""
    uses: tuple[str, ...]
    """Rows and datasets that it is of, with what the card remarks."""


def cite_methods(papers: Iterable[tuple[str, str]]) -> list[Citation]:
    """Return the papers of rows, each once, in their order.

    Args:
        papers: Label of a row and the paper that its card, or its import, names; one that begins
            with "none" is none.
    """
    entries: list[tuple[dict[str, str], str]] = []
    for label, paper in papers:
        text = " ".join(paper.split())
        if not text or text.lower().startswith("none"):
            continue
        fields, remark = parse_paper(text)
        entries.append((fields, f"{label} ({remark})" if remark else label))
    return _merge(entries)


def cite_sources(sources: Iterable[tuple[str, str]]) -> list[Citation]:
    """Return what the sources of datasets name, each once.

    Args:
        sources: Name of a dataset, and the line that describes its source, such as "MovieLens 100K
            (Harper & Konstan, 2015), from ...".

    >>> cite_sources([("ml", "MovieLens 100K (Harper & Konstan, 2015), from a file")])[0].fields
    (('author', 'Harper and Konstan'), ('year', '2015'), ('note', 'Dataset: MovieLens 100K'))
    """
    entries = []
    for dataset, line in sources:
        match = _SOURCE.match(line)
        for paper in match["papers"].split("; ") if match else ():
            authors, _, year = paper.rpartition(", ")
            fields = {
                "author": _format_authors(authors.replace(" & ", " and ")),
                "year": year,
                "note": f"Dataset: {match['name'] if match else ''}",
            }
            entries.append((fields, f"dataset {dataset}"))
    return _merge(entries)


def _merge(entries: Iterable[tuple[dict[str, str], str]]) -> list[Citation]:
    uses: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for fields, use in entries:
        uses.setdefault(tuple(fields.items()), []).append(use)
    return [Citation(fields, tuple(dict.fromkeys(names))) for fields, names in uses.items()]


def render_bibtex(citations: Iterable[Citation]) -> str:
    """Return the entries as BibTeX; a comment names what each is of."""
    keys = set[str]()
    return "\n".join("\n".join(_entry_lines(citation, keys)) + "\n" for citation in citations)


def parse_paper(paper: str) -> tuple[dict[str, str], str]:
    """Return the fields of BibTeX that a paper in words gives, and its remark.

    >>> parse_paper("Steck, Embarrassingly Shallow Autoencoders, WWW 2019 (EASE)")
    ... # doctest: +NORMALIZE_WHITESPACE
    ({'author': 'Steck', 'title': 'Embarrassingly Shallow Autoencoders', 'booktitle': 'WWW',
      'year': '2019'}, 'EASE')
    >>> parse_paper("the model's own; see RecBole's documentation")
    ({'note': "the model's own; see RecBole's documentation"}, '')
    """
    remark = _REMARK.search(paper)
    parts = _REMARK.sub("", paper).split(", ")
    n_authors = _count_author_parts(parts)
    if ";" in paper or not 0 < n_authors < len(parts):
        return {"note": paper}, ""
    fields = {"author": _format_authors(", ".join(parts[:n_authors]))}
    rest = parts[n_authors:]
    venue = year = ""
    match = _VENUE_YEAR.fullmatch(rest[-1])
    if match and len(rest) > 1:
        venue, year = match["venue"] or "", match["year"]
        rest.pop()
    if len(rest) > 1 and _ARXIV.fullmatch(rest[-1]):
        venue = rest.pop()
    fields["title"] = ", ".join(rest)
    if arxiv := _ARXIV.fullmatch(venue):
        fields |= {"eprint": arxiv[1], "archiveprefix": "arXiv"}
    elif venue:
        is_journal = any(word in venue.split() for word in _JOURNALS)
        fields["journal" if is_journal else "booktitle"] = venue
    if year:
        fields["year"] = year
    return fields, remark[1] if remark else ""


def _count_author_parts(parts: list[str]) -> int:
    """Return how many of the first parts are names: "A", "A and B", "A, B and C", "A et al."."""
    if parts[0].endswith(" et al."):
        return int(bool(_NAME.fullmatch(parts[0].removesuffix(" et al."))))
    for number, part in enumerate(parts, 1):
        names = part.split(" and ")
        if not all(_NAME.fullmatch(name) for name in names):
            # What follows a single name is no name: it is the title.
            return 1 if number > 1 else 0
        if len(names) > 1:
            return number
    return 0


def _format_authors(text: str) -> str:
    names = re.split(r", | and ", text.removesuffix(" et al."))
    return " and ".join([*names, "others"] if text.endswith(" et al.") else names)


def _entry_lines(citation: Citation, keys: set[str]) -> Iterator[str]:
    fields = dict(citation.fields)
    base = key = _make_key(fields)
    number = 1
    while key in keys:
        number += 1
        key = f"{base}-{number}"
    keys.add(key)
    kind = "article" if "journal" in fields else "misc"
    kind = "inproceedings" if "booktitle" in fields else kind
    yield f"% {', '.join(' '.join(use.split()) for use in citation.uses)}"
    yield f"@{kind}{{{key},"
    for name, text in fields.items():
        # Braces keep the capitals of a title.
        value = _escape(text)
        yield f"  {name} = {{{{{value}}}}}," if name == "title" else f"  {name} = {{{value}}},"
    yield "}"


def _make_key(fields: dict[str, str]) -> str:
    words = [fields.get("author", "").split(" and ")[0], fields.get("year", "")]
    title = re.findall(r"[A-Za-z0-9]+", fields.get("title") or fields.get("note", ""))
    words += [next((word for word in title if len(word) > 2), "paper")]
    text = unicodedata.normalize("NFKD", "".join(words)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", text.lower()) or "paper"


def _escape(text: str) -> str:
    return text.translate(_SPECIAL)
