"""BibTeX of cards: only what they say, and every paper once."""

import re

import pytest

import benchkit as bk
from benchkit.api.exports.citations import cite_methods, cite_sources, parse_paper, render_bibtex
from benchkit.cards import list_cards
from benchkit.data.sources import describe_sources
from tests.support.command_line import invoked


@pytest.mark.parametrize(
    ("paper", "fields", "remark"),
    [
        (
            "Shani, Heckerman and Brafman, An MDP-Based Recommender System, JMLR 2005",
            {
                "author": "Shani and Heckerman and Brafman",
                "title": "An MDP-Based Recommender System", "journal": "JMLR", "year": "2005",
            },
            "",
        ),
        (
            "Park et al., Think Wise, Collaborate: A Recommender (TWiCE-Rec)",
            {"author": "Park and others", "title": "Think Wise, Collaborate: A Recommender"},
            "TWiCE-Rec",
        ),
        (
            "Gao et al., Chat-REC: Towards X, arXiv 2303.14524, 2023",
            {"author": "Gao and others", "title": "Chat-REC: Towards X", "eprint": "2303.14524",
             "archiveprefix": "arXiv", "year": "2023"}, "",
        ),
        ("C-APO, appendix F (form)", {"note": "C-APO, appendix F (form)"}, ""),
        ("EAPO: Expert, under review, 2025", {"note": "EAPO: Expert, under review, 2025"}, ""),
        ("Just words", {"note": "Just words"}, ""),
    ],
)  # fmt: skip
def test_papers_in_words(paper, fields, remark):
    assert parse_paper(paper) == (fields, remark)


def test_nothing_is_said_that_a_card_does_not_say():
    for card in list_cards().values():
        fields, remark = parse_paper(card.paper)
        words = set(re.findall(r"\w+", card.paper)) | {"others"}
        for name, text in [*fields.items(), ("remark", remark)]:
            if name != "archiveprefix":
                assert set(re.findall(r"\w+", text)) - {"and"} <= words, (card.name, name)


def test_a_paper_has_one_entry_and_keys_are_unique():
    cards = list_cards()
    text = render_bibtex(cite_methods((name, card.paper) for name, card in cards.items()))
    keys = re.findall(r"^@\w+\{([^,]+),$", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) > 40
    assert text.count("Beyond Noisy User Preferences") == 1
    assert "% c-apo, c-apo/frozen (control: the calibrator is never trained), c-apo/raw" in text
    assert "none" not in {key[:4] for key in keys}


def test_special_characters():
    (entry,) = cite_methods([("a_b", "Ng, 100% of $x_1 & {y}, KDD 2020")])
    text = render_bibtex([entry])
    assert r"title = {{100\% of \$x\_1 \& \{y\}}}," in text


def test_sources_name_their_papers():
    cited = cite_sources(describe_sources().items())
    uses = {use.removeprefix("dataset ") for entry in cited for use in entry.uses}
    assert {"amazon2018", "amazon2023", "ml-100k", "steam"} <= uses
    assert not {"table", "toy", "recbole", "huggingface"} & uses


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(
        'title = "S"\n[[datasets]]\nname = "toy"\nsource = "toy"\n'
        "options = { users = 40, items = 50 }\ncandidates = { count = 10 }\n"
        '[[methods]]\nmethod = "ease"\n[[methods]]\nmethod = "random"\n'
    )
    bk.run("s.toml", progress=False)
    done = invoked("report", "--suite", "s.toml", "--cite")
    assert done.stdout.startswith("% ease\n@inproceedings{steck2019embarrassingly,\n")
    assert "random: its card names no paper" in done.stderr
    assert "dataset toy: source 'toy' names no paper" in done.stderr
