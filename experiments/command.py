"""The frame of every command: how its arguments are read, and how it ends."""

import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from absl import flags
from ml_collections import config_flags
from rich.console import Console


class Command(NamedTuple):
    """What a command is called with, and what it does."""

    page: str  # Its docstring.
    declare: Callable[[flags.FlagValues], None]  # Defines its flags there.
    main: Callable[..., int | None]  # Of flags and words; returns the exit code.
    needs: Mapping[str, str] = {}  # Flags that must be given, each with an example.
    takes_words: bool = False  # Arguments that are no flags.


def parse(command: Command, argv: Sequence[str]) -> tuple:
    """Reads the arguments of a command; prints its page where they ask for it.

    A command that needs a `config` has the flag from here, and may change its keys.

    Args:
      command: the command.
      argv: without the program's name.

    Returns:
      What its `main` takes: the flags, and every word beside them.

    Raises:
      ValueError: an argument is wrong, missing or unknown.
    """
    given, argv = flags.FlagValues(), [sys.argv[0], *argv]
    if "config" in command.needs:
        config_flags.DEFINE_config_file(
            "config", help_string="Lab book.", flag_values=given, sys_argv=argv
        )
    command.declare(given)
    if {"-h", "--help"} & set(argv):
        print(help_page(command, given))
        sys.exit()
    try:
        _, *words = given(argv)
    except (KeyError, AttributeError) as error:
        raise ValueError(f"the config has no such key: {error}") from error
    except (flags.Error, TypeError, ValueError, OSError) as error:
        # A lab book that fails brings its whole traceback; the cause comes last.
        raise ValueError(str(error).strip().splitlines()[-1]) from error
    missing = [name for name in command.needs if given[name].value is None]
    if missing:
        examples = (f"--{name}={command.needs[name]}" for name in missing)
        raise ValueError(f"an argument is missing. Give {' '.join(examples)}, say")
    if words and not command.takes_words:
        raise ValueError(f"unknown argument {words[0]!r}; --help lists what there is")
    return given, *words


def help_page(command: Command, declared: flags.FlagValues) -> str:
    """Returns what a command is for, and its flags, a line each."""
    lines = [command.page.strip(), ""]
    for flag in map(declared.__getitem__, declared):
        default = f" [{flag.default_as_str[1:-1]}]" if flag.default else ""
        lines.append(f"  --{flag.name}  {' '.join(flag.help.split())}{default}")
    return "\n".join(lines)


def call(command: Command, argv: Sequence[str]) -> int | None:
    """Runs a command as the shell would, but lets its errors through."""
    return command.main(*parse(command, argv))


def run_from_shell(command: Command) -> None:
    """Runs a command; whatever a user can get wrong ends in one clear line.

    The work is done in a thread that nobody waits for: while XLA compiles it answers
    no signal, and Ctrl-C must not wait for it.
    """
    done = concurrent.futures.Future()

    def work(given: tuple) -> None:
        try:
            done.set_result(command.main(*given))
        except BaseException as error:
            done.set_exception(error)

    try:
        given = parse(command, sys.argv[1:])
        threading.Thread(target=work, args=(given,), daemon=True).start()
        sys.exit(done.result())
    except KeyboardInterrupt:
        Console().show_cursor()  # Whatever drew a bar has hidden it.
        print("Stopped by Ctrl-C; every file written is whole.", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"Error: {' '.join(str(error).split())}")


def prepare_machine() -> None:
    """Makes use of every core, and of programs that were compiled before."""
    from thesis_rl.runs import machine

    machine.use_every_core()
    machine.keep_compiled_programs()
