"""A policy's output about one row as a checked dict and as a readable note."""

from thesis_rl.thesis.evidence import Row, collect
from thesis_rl.thesis.render import generate_thesis, to_dict, to_markdown
from thesis_rl.thesis.schema import ThesisError, load, problems, validate

__all__ = [
    "vocabulary",
    "schema",
    "render",
    "evidence",
    "claims",
    "Row",
    "ThesisError",
    "collect",
    "generate_thesis",
    "load",
    "problems",
    "to_dict",
    "to_markdown",
    "validate",
]
