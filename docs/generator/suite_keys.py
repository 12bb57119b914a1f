"""Pages of every key of a suite, and of the suites that come with benchkit."""

from dataclasses import replace

from pydantic import BaseModel

from benchkit.config.decoding_spec import DecodingSpec
from benchkit.config.judging import JudgeSpec, JudgingSpec
from benchkit.config.setting_texts import list_settings
from benchkit.config.suite import MethodSpec, Suite, TaskSpec, list_shipped_suites, load_suite
from benchkit.data.spec import CandidateFileSpec, CandidateSpec, ColdStartSpec, DatasetSpec
from benchkit.data.splits.files import SplitFiles
from docs.generator.markdown import anchor, heading, page, prose, settings_table

TABLES: dict[type[BaseModel], tuple[str, str]] = {
    Suite: ("The suite", "Keys at the top of the file, before the first table."),
    DatasetSpec: ("[[datasets]]", "One dataset: where it is from, and how cases are made of it."),
    CandidateSpec: ("candidates, drawn", "`candidates` of a dataset: lists that benchkit draws."),
    CandidateFileSpec: ("candidates, from a file", "`candidates` of a dataset: lists of others."),
    SplitFiles: ("split, from files", "`split` of a dataset: files that somebody else split."),
    ColdStartSpec: ("cold", "`cold` of a dataset: what training does not see."),
    TaskSpec: ("[[tasks]]", "A group of columns; without any, each dataset is a task."),
    MethodSpec: ("[[methods]]", "A row of the table."),
    DecodingSpec: ("[decoding]", "How answers of the protocol `sampled` are drawn."),
    JudgingSpec: ("[judging]", "Judges that grade the rationales of all runs."),
    JudgeSpec: ("[[judging.judges]]", "One judge and its settings."),
}
"""Model of each table of a suite -> its title, and what it is."""
DEFAULTS = {"name": "the file's, without `.toml`", "title": "the name"}
"""What is set where a file leaves out a key that Python requires."""


def write_suite_keys() -> dict[str, str]:
    """Return path -> text of the page of every key of a suite."""
    links: dict[type, str] = {
        model: f"#{anchor(model.__qualname__)}" for model in TABLES if model is not Suite
    }
    sections = []
    for model, (title, summary) in TABLES.items():
        sections += [
            heading(2, title.replace("[", "\\["), model.__qualname__),
            prose(summary),
            settings_table(
                replace(setting, default=DEFAULTS[setting.name])
                if model is Suite and setting.name in DEFAULTS
                else setting
                for setting in list_settings(model, links)
            ),
        ]
    return {
        "reference/suite.md": page(
            "# Keys of a suite",
            "Generated from the models that read suite files. Unknown keys are refused; all faults"
            " of a file are reported at once (`benchkit validate FILE`).",
            *sections,
        )
    }


def write_suites() -> dict[str, str]:
    """Return path -> text of the page of shipped suites."""
    sections = []
    for name in list_shipped_suites():
        suite = load_suite(name)
        facts = {
            "Datasets": ", ".join(f"`{dataset.name}`" for dataset in suite.datasets),
            "Rows": ", ".join(f"`{row.name}`" for row in suite.methods),
            "Protocols": ", ".join(f"`{protocol}`" for protocol in suite.protocols),
            "Seeds": str(len(suite.seeds)),
            "Stands beside": ", ".join(f"`{entry}`" for entry in suite.published),
        }
        sections += [
            heading(2, name),
            prose(f"{suite.title.rstrip('.')}. {suite.description}"),
            "\n".join(f"- {key}: {text}" for key, text in facts.items() if text),
        ]
    return {
        "reference/suites.md": page(
            "# Suites that come with benchkit",
            "`benchkit ls suites` lists them, `benchkit ls suites NAME --toml > mine.toml` copies"
            " one, and `benchkit run --suite NAME --demo` runs one on generated data.",
            *sections,
        )
    }
