"""Kills a process before each step by which a file becomes whole."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
# Each attempt is a fork of its own, in a copy of the folder it starts from.
SCRIPT = """
import itertools, os, pathlib, shutil, signal, sys
{imports}

start, attempts = map(pathlib.Path, sys.argv[1:])

def attempt(root, steps):
    left = iter(range(steps))

    def dies(step):
        def stepped(*args):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*args)
        return stepped

    os.fsync, os.replace = dies(os.fsync), dies(os.replace)
    {job}

for steps in itertools.count():
    root = attempts / f"{{steps:03d}}"
    shutil.copytree(start, root)
    child = os.fork()
    if not child:
        attempt(root, steps)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
"""


def before_each_step(imports, job, start, attempts):
    """Runs `job`, killed before its 1st, 2nd, … fsync or rename, and once to its end.

    Args:
      imports: source code of what the job needs.
      job: one line of source code; its store is `root`.
      start: the folder that each attempt gets a copy of.
      attempts: folder to make these copies in.

    Returns:
      The folders as the killed left them, and that of the one who was not killed.
    """
    attempts.mkdir()
    script = SCRIPT.format(imports=imports, job=job)
    command = [sys.executable, "-W", "error", "-c", script, str(start), str(attempts)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=60)
    *killed, whole = sorted(attempts.iterdir())
    return killed, whole
