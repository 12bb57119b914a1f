"""All generated pages of the documentation."""

from functools import cache

from docs.generator.commands import write_commands
from docs.generator.methods import write_judges, write_methods, write_shared_settings
from docs.generator.parts import write_data, write_engines, write_metrics
from docs.generator.python_api import write_interfaces, write_python_api
from docs.generator.schemas import write_schemas
from docs.generator.speed import write_speed
from docs.generator.suite_keys import write_suite_keys, write_suites

WRITERS = (
    write_python_api, write_interfaces, write_commands, write_suite_keys, write_suites,
    write_methods, write_judges, write_shared_settings, write_engines, write_data, write_metrics,
    write_schemas, write_speed,
)  # fmt: skip


@cache
def generate_pages() -> dict[str, str]:
    """Return path below docs/ -> Markdown, of every page of the reference."""
    pages: dict[str, str] = {}
    for write in WRITERS:
        pages |= write()
    return pages
