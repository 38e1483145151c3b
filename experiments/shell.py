"""Runs a command from the shell; what a user can get wrong ends in one clear line."""

import argparse
import sys
from collections.abc import Callable


def make_parser(description: str) -> argparse.ArgumentParser:
    """Makes a parser that says in one line what is wrong with the arguments.

    Args:
      description: the command's own docstring, printed as it stands.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.error = lambda message: sys.exit(f"Error: {message}; --help lists them")
    return parser


def run_from_shell(main: Callable[[list[str]], int | None]) -> None:
    """Runs `main` on the arguments and leaves with its exit code, None being 0."""
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Stopped by Ctrl-C.")
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"Error: {' '.join(str(error).split())}")
    if code:
        sys.exit(code)
