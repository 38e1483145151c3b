"""What a finished run says of one ticker and day; at home in `runs/predict.py`."""

from thesis_rl.runs.load import Run, load_run
from thesis_rl.runs.predict import Prediction, choose_fold, find_row, predict

__all__ = ["Prediction", "Run", "choose_fold", "find_row", "load_run", "predict"]
