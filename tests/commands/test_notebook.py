"""The notebook runs from its first cell to its last."""

import pathlib

import nbclient
import nbformat

EXPERIMENTS = pathlib.Path(__file__).parents[2] / "experiments"


def test_notebook_runs_and_draws(monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # Its own draws inline.
    notebook = nbformat.read(EXPERIMENTS / "colab.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=240, resources={"metadata": {"path": str(EXPERIMENTS)}}
    )
    client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    drawn = [out for out in outputs if "image/png" in out.get("data", {})]
    written = [out for out in outputs if "text/markdown" in out.get("data", {})]
    assert (len(drawn), len(written)) == (2, 1)
