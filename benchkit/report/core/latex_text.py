"""Text of others in LaTeX: what it would interpret is escaped, what its fonts lack is written."""

import re
import unicodedata

from benchkit.report.core.text_table import FIGURES, SUPERSCRIPT_DIGITS
from benchkit.visible_text import make_visible

_ESCAPES = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
     "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
     "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--",
     # After the end of a line they would be read as an option of it.
     "[": "{[}", "]": "{]}", "*": "{*}"}
)  # fmt: skip
_DIRECTION = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi _ pi rho _ sigma tau"
    " upsilon phi chi psi omega"
)
_CAPITALS = {"Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi",
             "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"}  # fmt: skip
_SIGNS = {"−": "-", "≤": "le", "≥": "ge", "≠": "ne", "≈": "approx", "∞": "infty", "∈": "in",
          "∑": "sum", "√": "surd", "⇒": "Rightarrow", "⇐": "Leftarrow", "↔": "leftrightarrow",
          "★": "star", "☆": "star", "′": "prime", "∼": "sim"}  # fmt: skip
_MATHEMATICS = {
    character: rf"\ensuremath{{{name if name == '-' else chr(92) + name}}}"
    for character, name in (
        *((chr(0x3B1 + place), name) for place, name in enumerate(_GREEK.split()) if name != "_"),
        *_CAPITALS.items(),
        *_SIGNS.items(),
    )
}
_SUPERSCRIPT = re.compile(f"[{SUPERSCRIPT_DIGITS}]+")
_BASELINE = str.maketrans(SUPERSCRIPT_DIGITS, "0123456789")
# Found by setting each character with pdflatex and no package: Latin letters with accents, and
# signs. Letters that only the encoding T1 has are not among them.
_UNKNOWN = re.compile(
    "[^\x20-\x7e\xa0-\xaa\xac-\xba\xbc-\xcf\xd1-\xdd\xdf-\xef\xf1-\xfd\xff-\u0103\u0106-\u010f"
    "\u0112-\u0117\u011a-\u0125\u0128-\u012d\u0130-\u0137\u0139-\u013e\u0141-\u0148\u014c-\u0165"
    "\u0168-\u0171\u0174-\u017e\u0218-\u021b\u2010-\u2016\u2018\u2019\u201c\u201d\u2020-\u2022"
    "\u2026\u2030\u20ac\u2116\u2122\u2190-\u2193]+"
)


def escape_latex(text: str) -> str:
    r"""Return `text` in one paragraph, with everything that LaTeX would interpret escaped.

    Marks that turn the direction of text are left out, control characters written as their code;
    LaTeX takes no such character. Of other scripts than Latin, xelatex and lualatex set the text
    and pdflatex, which would stop, the code points.

    >>> escape_latex("50 % of a_b"), escape_latex("λ ≥ 2")
    ('50 \\% of a\\_b', '\\ensuremath{\\lambda} \\ensuremath{\\ge} 2')
    """
    if FIGURES.fullmatch(text):
        return text
    text = unicodedata.normalize("NFC", " ".join(text.split()).translate(_DIRECTION))
    return _write_unknown(make_visible(text).translate(_ESCAPES))


def _write_unknown(text: str) -> str:
    for character, command in _MATHEMATICS.items():
        text = text.replace(character, command)
    text = _SUPERSCRIPT.sub(lambda digits: f"$^{{{digits[0].translate(_BASELINE)}}}$", text)
    return _UNKNOWN.sub(_write_code_points, text)


def _write_code_points(match: re.Match[str]) -> str:
    """Return characters as code points for pdflatex alone, which has no such primitive."""
    codes = " ".join(f"U+{ord(character):04X}" for character in match[0])
    return rf"\ifdefined\Umathcode {match[0]}\else {codes}\fi{{}}"
