"""Runs a command from the shell; what a user can get wrong ends in one clear line."""

import sys
from collections.abc import Callable


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
