"""Names: the field's terms, one definition each, no participles, small files and folders.

The lists hold the names that were replaced in version 0.2 (CHANGELOG has the new ones), so that
none of them comes back.
"""

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchkit", "baselines", "judges")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

OLD_MODULES = frozenset(
    """
lazy isolation identity evaluate asking measuring frozen coding words literals blocks jsonline
textlines foreign places many sign_flip multiple mixed weighting_class row_correlation
grade_bootstrap asked answering responses last_layer estimate stage_costs pool tuning family
preferring reinforcing shares exchange parcel launching fitting order builders triplets stages
exhibits work recording checks importing place replay wording grid rows parts layout plot_places
grade_sheets lists rejections later_choices rewarded
""".split()
)
# `training/distributed/worker`, `evaluation/protocols`, `data/audit/cases`, `paper/` and others of
# GLOSSARY's names are also new names, or names in another room; these modules are gone everywhere.

OLD_DEFINITIONS = frozenset(
    """
Family Pairs plain_pairs Exhibit Sitting Judged Showing Shown shown Reinforcer reinforce
GroupObjective Drawing Tuner SharedTuner Share LossOf from_first from_all total Written Reader
Selection with_reference Place place_of Answerer Asker answering choose Law any_order draws
of_lengths Joint detectable prepared home located stamps checked explained unknown_name assess
Sheet Look looks legible wrapped lacking listed printed priced papers_layout in_shape_of Work
left_out unable strangers
""".split()
)
OLD_MEMBERS = set("mend taught tuned asked_for usable revised fewest preferring remarks".split())
OLD_MEMBERS_OF = {
    "Store": {"claim", "held"}, "Ranks": {"better", "tied", "of"}, "Prompt": {"begun"},
    "Engine": {"choose"}, "RunOptions": {"whole"}, "RunPlan": {"left_out"},
    "LMRecommender": {"asked", "shared"}, "PreferenceRecommender": {"chosen", "family", "found"},
    "PreferenceObjective": {"around", "amount"}, "PlanRecord": {"drops"},
}  # fmt: skip


IRREGULAR = set(
    "own found given told asked kept said made shown written begun drawn done taken seen held built"
    " sent chosen met lost won paid worn grown thrown spent".split()
)
NOT_PARTICIPLES = {
    "seed", "need", "feed", "embed", "speed", "shed", "bed", "string", "ranking", "rating",
    "mapping", "setting", "padding",
    "fitted",  # a fixture of the conformance tests, which subclasses override
}  # fmt: skip
# Gerunds that are the field's nouns, and the names that suites and papers use.
NOUN_MODULES = set(
    "testing training judging parsing grounding scoring loading timing sampling finding rendering"
    " scored sampled precomputed paired said".split()
)
STORED_FIELDS = {
    (module, name) for module in ("preference_conflicts", "examples") for name in ("asked", "kept")
}  # keys of preferences.json
FORBIDDEN_LOCALS = set("own found given told asked kept said made".split())


def is_participle(word: str) -> bool:
    if word in NOT_PARTICIPLES:
        return False
    return word in IRREGULAR or bool(re.fullmatch(r"\w{2,}(ed|ing)", word))


def trees():
    for path in FILES:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def top_level(tree):
    return [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def is_property(node) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_replaced_modules_are_gone():
    stems = {path.parent.name if path.stem == "__init__" else path.stem for path in FILES}
    assert not stems & set(OLD_MODULES)


def test_replaced_names_are_gone():
    left = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in trees()
        for node in top_level(tree)
        if node.name in OLD_DEFINITIONS
    ]
    assert not left


def test_replaced_members_are_gone():
    left = []
    for path, tree in trees():
        for cls in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for node in cls.body:
                name = getattr(node, "name", None) or getattr(
                    getattr(node, "target", None), "id", None
                )
                if name in OLD_MEMBERS | OLD_MEMBERS_OF.get(cls.name, set()):
                    left.append(f"{path.relative_to(ROOT)}: {cls.name}.{name}")
    assert not left


def test_no_public_function_or_module_is_a_participle():
    """`missing_rows` is a noun with its adjective, `describe_judging` a verb with its object."""
    bad = []
    for path, tree in trees():
        if "_" not in path.stem and path.stem not in NOUN_MODULES and is_participle(path.stem):
            bad.append(str(path.relative_to(ROOT)))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            words = node.name.split("_")
            alone = len(words) == 1 and is_participle(words[0])
            trailing = len(words) == 2 and words[1] in IRREGULAR
            if (alone or trailing) and not is_property(node):
                bad.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")
    assert not bad


def test_locals_say_what_they_hold():
    bad = []
    for path, tree in trees():
        for node in ast.walk(tree):
            name = None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.arg):
                name = node.arg
            if name in FORBIDDEN_LOCALS and (path.stem, name) not in STORED_FIELDS:
                bad.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert not bad


def test_a_public_name_has_one_definition():
    places = defaultdict(list)
    for path, tree in trees():
        for node in top_level(tree):
            if not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_files_and_folders_are_small():
    lengths = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in FILES)
    assert lengths[-1] <= 320, "a file is longer than 320 lines"
    assert lengths[len(lengths) // 2] < 110
    folders = Counter(path.parent for path in FILES if path.stem != "__init__")
    assert not {str(folder): count for folder, count in folders.items() if count > 20}


@pytest.mark.parametrize("path", sorted((ROOT / "benchkit" / "cli").rglob("*.py")), ids=str)
def test_commands_are_wiring(path):
    if path.stem in ("options", "csv_option"):  # what options mean, not a command
        return
    assert len(path.read_text().splitlines()) <= 80
