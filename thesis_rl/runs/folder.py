"""A run's folder: claimed by one run, and taken up again by the same."""

import json
from pathlib import Path

from thesis_rl import configs, files


def claim(workdir: str | Path, config: dict) -> Path:
    """Makes the folder of a new run and writes its config, before anything is computed.

    Raises:
      FileExistsError: the folder holds another run, or its path is a file.
      OSError: the folder cannot be made or written.
    """
    workdir = Path(workdir)
    if workdir.is_file():
        raise FileExistsError(f"--workdir {workdir} is a file; name a folder")
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        (workdir / "config.json").touch(exist_ok=False)  # One of two runs at once.
    except FileExistsError as error:
        raise FileExistsError(
            f"--workdir {workdir} already holds a run (config.json); name another "
            "folder, or delete that one first"
        ) from error
    try:
        files.write_json(workdir / "config.json", config)
    except BaseException:
        (workdir / "config.json").unlink()
        raise
    return workdir


def reclaim(workdir: str | Path, config: dict) -> Path:
    """Takes up the folder of a run that was cut off, or makes that of a new one.

    Args:
      workdir: the folder.
      config: the experiment's, as plain values.

    Raises:
      ValueError: the folder holds a run of another config; says where they differ.
      FileExistsError: the run is through.
    """
    workdir = Path(workdir)
    kept = workdir / "config.json"
    if not kept.is_file() or not kept.read_text("utf-8").strip():
        kept.unlink(missing_ok=True)  # Cut off between the claim and its content.
        return claim(workdir, config)
    if (workdir / "results.json").is_file():
        raise FileExistsError(
            f"--workdir {workdir} holds a run that is through (results.json); there is "
            "nothing to resume"
        )
    before = configs.flatten(json.loads(kept.read_text("utf-8")))
    now = configs.flatten(json.loads(files.to_json(config)))
    other = sorted(k for k in before | now if before.get(k) != now.get(k))
    if other:
        raise ValueError(
            f"--workdir {workdir} holds a run of another config: config.{other[0]} was "
            f"{before.get(other[0])!r} and is {now.get(other[0])!r}; resume it as it "
            "was started, or name another folder"
        )
    return workdir
