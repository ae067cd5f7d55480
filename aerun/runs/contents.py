"""What a run's folder holds: each name with what is in it. The page docs/reference/run-folder.md is made from here."""

import re

from aerun.runs.folder import CHECKPOINTS
from aerun.runs.log import LOG

CONFIG, ABOUT, RESULTS = "config.yaml", "run.json", "results.json"
PICTURES, PHASES, RUNGS = "pictures", "phases", "rungs.json"
EVENTS, LAYER = re.compile(r"events\.out\.tfevents\.\S+"), re.compile(r"layer_\d+")

# Files that a run writes; Markdown.
OF_THE_RUN = {
    CONFIG: "every setting, resolved, as plain YAML",
    ABOUT: "the format of the folder, the exact command, versions, machine and git state; rows, columns and a hash of each "
    "split of the data, so that `resume` and a sweep notice when they change",
    "facts.json": "shape, kind and range of a sample, how the data were read, and the fitted preparation",
    RESULTS: "flat: `test/se`, `test/mse`, `test/psnr`, `pca/se`, `objective`, `seed`, `status`, seconds, versions, and what "
    "aerun changed or left out",
    "metrics.csv": "one row per epoch: each loss term as it is (`reg/NAME`) and weighted (`reg_w/NAME`), effective lambda, "
    "learning rate, samples per second, `val/mse`",
    "loggers.json": "the run's name at MLflow or W&B, if one of them is chosen",
    "test_errors.npy": "the squared error of each test sample, which paired comparisons of runs need",
    "scores.json": "the threshold of scores and how it follows from the validation split",
    "bill.json": "of a run that had a bill: the time predicted beside the time it took",
    "codes.npz": "statistics and a sample of the training codes, for `generate`, `compress` and others",
    "projector_config.pbtxt": "tells TensorBoard's Projector where the codes are",
    RUNGS: "of a job of a pruned sweep: its figure at each rung, and what was decided there",
    "frame.json": "of a run on a data frame: names, types and index of its columns",
    LOG: "what the run said, with times",
}
# Folders that a run writes, with the files in them.
FOLDERS = {
    CHECKPOINTS: ("best.ckpt", "last.ckpt"),
    "projector": ("codes.tsv", "labels.tsv", "thumbnails.png"),
}
IN_FOLDERS = {
    CHECKPOINTS: "`best.ckpt` and `last.ckpt`: weights and plain data only (`torch.load(..., weights_only=True)`)",
    PICTURES: "input, what the encoder saw, reconstruction and error of validation samples, and whatever `pictures=` names",
    "projector": "codes of validation samples for TensorBoard's Projector",
    PHASES: "of `trainer=stacked`: a folder `layer_N` for each layer that was trained by itself",
}
# Files that verbs, experiments and Python add.
ADDED = {
    "evaluation.json": "what `aerun evaluate` found",
    "report.html": "the page of `aerun report`",
    "judge_*.npz": "what another score (`--by NAME`) learned, its validation scores, and of which weights",
    "sampler_*.npz": "a density of codes that `aerun generate` or `compress` fitted, and of which weights",
    "figures.json": "what `aerun experiment` measured",
}
GIVEN = {"samples.*": "the array or frame that `aerun.train(x=...)` was given"}
EVENT_FILES = {"events.*": "curves, pictures and the run's card for [TensorBoard](../logging.md)"}

# The order in which files are removed: first the one that says that the run is complete, last those that say whose it is.
CLEARED = (RESULTS, *(name for name in reversed(OF_THE_RUN) if name != RESULTS))
