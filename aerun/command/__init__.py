"""What stands between the shell and a run: Hydra's entry, verbs, help, completion, errors in words.

Nothing here imports torch before a run needs it.
"""

from aerun.inference.verbs import VERBS as USE

VERBS = {
    "resume": "continue an interrupted run from its folder",
    "evaluate": "ask of trained runs what they are good for, beside the baselines that make it honest",
    **{name: verb.line for name, verb in USE.items()},
    "features": "what each unit of a code is on for: samples, atoms, logits, as a page that is searched",
    "export": "a trained model as one file: ONNX, torch.export, safetensors, SAELens",
    "import": "a run's folder made of a sparse autoencoder in the files of SAELens or sparsify",
    "rerun": "a new run with the settings of an old one, changed",
    "clean": "remove failed, interrupted or old runs, or all but their best checkpoints; it shows first what it would",
    "runs": "past runs and live ones, newest first; their notes and tags",
    "status": "how far a sweep is: done, running, waiting and failed jobs; --watch looks again until it is over",
    "show": "what a run is, in one screen",
    "data": "what a run would read: shape, range, duplicates, leaks, intrinsic dimension, what fits",
    "solve": "a plan from the data, carried out within a budget of time: a run at its end, or the words that PCA is enough",
    "compare": "runs side by side: only what differs, mean and deviation over seeds, the best two held against each other",
    "report": "a sweep as one page: what was asked, what came out, how sure it is",
    "board": "look at the runs in TensorBoard",
    "experiment": "run what must hold, and print it against what was obtained",
}
