"""The verbs of a trained model: what each reads, which options it has, and what it answers. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.core.errors import AerunError
from aerun.inference.rules import seed, threshold
from aerun.inference.verb import Answer, Flag, Verb

if TYPE_CHECKING:
    from argparse import Namespace

    from aerun.inference.model import Model


def _samples(x: Any) -> Answer:
    """Return samples by the name that they have in files; tables by their columns."""
    if isinstance(x, Mapping):
        return x
    return {"text": x} if isinstance(x, list) else {"x": x}


def _scored(model: "Model", x: Any, args: "Namespace") -> Answer:
    # deferred: the help page of the verbs does without numpy
    from aerun.inference.scoring import scored

    return scored(model, x, args)


def _imputed(model: "Model", x: Any, args: "Namespace") -> Answer:
    # deferred: the help page of the verbs does without numpy
    from aerun.inference.imputed import imputed

    return imputed(model, x, args)


def _coded(model: "Model", x: Any, args: "Namespace") -> Answer:
    if args.layer is not None and args.size is not None:
        raise AerunError(f"--size {args.size}: is of the code; --layer {args.layer} is another output.")
    return {"z": model.encode(x, args.size) if args.layer is None else model.features(x, args.layer)}


def _generated(model: "Model", x: Any, args: "Namespace") -> Answer:
    if args.count < 1:
        raise AerunError(f"--count {args.count}: how many samples, from 1.")
    return _samples(model.generate(args.count, args.seed, args.sampler, args.data, args.guidance))


def _between(model: "Model", x: Any, args: "Namespace") -> Answer:
    first, last = x
    return _samples(model.interpolate(first, last, args.steps, args.way))


def _moved(model: "Model", x: Any, args: "Namespace") -> Answer:
    if args.unit is None and not args.each:
        raise AerunError("traverse: --unit J moves a unit of the code; --condition label, of a run that is told it, the class.")
    return _samples(model.traverse(x, args.unit, args.values, args.each or None))


_SIZE: Flag = ("--size", {"type": int, "metavar": "K", "help": "of a nested code (regularizer=nested) its first K units alone"})
_SEED: Flag = ("--seed", {"type": seed, "default": 0, "metavar": "N", "help": "of the draw (default: 0)"})
_DATA: Flag = ("--data", {"metavar": "PATH", "help": "where the training data are, to which samplers are fitted"})
_JUDGES = ("error", "code_knn", "code_mixture", "probability", "expected", "novelty")
_CODE_PRIORS = ("counts", "transformer")

VERBS: dict[str, Verb] = {
    "encode": Verb(
        "samples to codes",
        "The deterministic codes of samples, as array z or columns z1, z2, ...",
        "samples.npy --output codes.npz",
        "samples",
        "codes",
        _coded,
        (
            (
                "--layer",
                {"metavar": "NAME", "help": "the output of this layer of the encoder instead, such as encoder.1"},
            ),
            _SIZE,
        ),
    ),
    "decode": Verb(
        "codes to samples",
        "Samples from codes: array z of npz, npy, or columns z1, z2, ... of csv or parquet.",
        "codes.npz --output samples.npz",
        "codes",
        "samples",
        lambda model, x, args: _samples(model.decode(x)),
    ),
    "reconstruct": Verb(
        "samples, as they come back from their codes",
        "What is left of samples after the code, within the range of the data.",
        "samples.npy --output again.npz",
        "samples",
        "samples",
        lambda model, x, args: _samples(model.reconstruct(x, args.size)),
        (_SIZE,),
    ),
    "denoise": Verb(
        "noisy samples to clean ones",
        "Noise removed by a run that was trained to do it, such as model=denoising.",
        "noisy.npy --output clean.npz",
        "samples",
        "samples",
        lambda model, x, args: _samples(model.denoise(x)),
    ),
    "inpaint": Verb(
        "fill in what is hidden",
        "What a mask hides, or what is missing (NaN, empty cells), filled in by a run that was trained with holes, such as "
        "model=inpainting. All else stays as it is.",
        "broken.npy --mask mask.npy --output whole.npz",
        "samples",
        "samples",
        lambda model, x, args: _samples(model.inpaint(x, args.hidden)),
        (
            (
                "--mask",
                {"metavar": "FILE", "help": "npy, npz or an image: not 0 where hidden; one for all samples, or one each"},
            ),
        ),
    ),
    "impute": Verb(
        "fill in cells that are missing",
        "A file whose gaps (empty cells, NaN) are filled in; what is there stays as it is written. Of a run with a posterior, "
        "such as model=iwae model/loss=gaussian dataset.missing=keep, what is expected of a cell is a mean over codes, weighed "
        "by how well they explain the rest of the row, and of words the most probable one; others fill in what "
        "they reconstruct.",
        "broken.npy --output whole.npz",
        "samples",
        "samples",
        _imputed,
        (
            (
                "--draws",
                {"type": int, "default": 0, "metavar": "M", "help": "each row M times, gaps filled by draws; column draw"},
            ),
            ("--codes", {"type": int, "default": 1000, "metavar": "L", "help": "of a row, that are weighed (default: 1000)"}),
            (
                "--interval",
                {
                    "type": float,
                    "metavar": "P",
                    "help": "columns NAME_low and NAME_high, between which P of a cell's draws lie: 0.9",
                },
            ),
            (
                "--ess",
                {"action": "store_true", "help": "column ess: how many of a row's codes count, 1 / sum of squared weights"},
            ),
            _SEED,
        ),
        True,
    ),
    "generate": Verb(
        "new samples",
        "Samples decoded from drawn codes.",
        "--count 64 --output new.npz",
        "nothing",
        "samples",
        _generated,
        (
            ("--count", {"type": int, "default": 64, "metavar": "N", "help": "how many (default: 64)"}),
            _SEED,
            (
                "--sampler",
                {
                    "choices": ("auto", "prior", "gaussian", "mixture", "flow", "second_stage", "aggregate", *_CODE_PRIORS),
                    "default": "auto",
                    "help": "where codes come from: the prior; fitted to training codes: a Gaussian, a mixture of ten, a "
                    "flow, a second VAE; aggregate: the posteriors of training samples; of discrete codes: counts of their "
                    "numbers, or a transformer over them. All but prior and gaussian read the training data, once. auto: the "
                    "prior where codes were trained to follow it, else gaussian",
                },
            ),
            _DATA,
            (
                "--guidance",
                {
                    "type": float,
                    "default": 1.0,
                    "metavar": "W",
                    "help": "of a run with dataset.condition_drop: exaggerate (above 1) or soften what --condition tells "
                    "(default: 1)",
                },
            ),
        ),
    ),
    "interpolate": Verb(
        "from one sample to another through the code",
        "Rows of samples between those of FILE A and those of FILE B, the first with the first, and so on.",
        "a.npy b.npy --steps 9 --output between.npz",
        "pairs",
        "samples",
        _between,
        (
            (
                "--steps",
                {"type": int, "default": 9, "metavar": "N", "help": "samples in a row, both ends included (default: 9)"},
            ),
            (
                "--way",
                {
                    "choices": ("linear", "spherical"),
                    "default": "linear",
                    "help": "straight lines (of curved codes geodesics), or great circles",
                },
            ),
        ),
    ),
    "traverse": Verb(
        "what one unit of the code does",
        "Each sample with one unit of its code moved through values.",
        "samples.npy --unit 0 --output moved.npz",
        "samples",
        "samples",
        _moved,
        (
            ("--unit", {"type": int, "metavar": "J", "help": "number of the unit, from 0; or --condition NAME: every class"}),
            ("--values", {"type": float, "nargs": "+", "metavar": "V", "help": "default: 7 quantiles of it in training"}),
        ),
    ),
    "score": Verb(
        "how unusual samples are, and which are anomalies",
        "Anomaly score (mean squared error of the reconstruction), threshold and verdict of each sample. A new normal sample "
        "is above the threshold with a probability of at most ALPHA: of the run's n validation scores it is the one of rank "
        "ceil((n + 1)(1 - ALPHA)); fewer than 1/ALPHA - 1 of them raise no alarm. Of series cut into windows a row is a "
        "time step: its score is the mean, over the windows that cover it, of the error at that step alone, and thresholds "
        "are of validation steps.",
        "samples.npy --output scores.csv",
        "samples",
        "rows",
        _scored,
        (
            ("--alpha", {"type": float, "metavar": "A", "help": "largest false-alarm rate (default: 0.05)"}),
            (
                "--threshold",
                {
                    "type": threshold,
                    "metavar": "T",
                    "help": "this score instead; or pot: where ALPHA (default: 0.001) of normal scores would lie behind a "
                    "generalized Pareto tail of the highest 2 %% of them; or blocks, of series: at most ALPHA of normal "
                    "stretches as long as a window raise any alarm",
                },
            ),
            (
                "--fdr",
                {
                    "type": float,
                    "metavar": "Q",
                    "help": "verdicts over all samples of this call together, of which at most a share Q are false on average "
                    "(Benjamini-Hochberg); with a column p of conformal p-values",
                },
            ),
            (
                "--map",
                {
                    "action": "store_true",
                    "help": "also the error of each element, column or channel; as png, html or DIR/ images under their "
                    "errors, or series over time with the score below",
                },
            ),
            (
                "--by",
                {
                    "choices": _JUDGES,
                    "default": "error",
                    "help": "another score: code_knn, code_mixture, how far the code lies from those of training; probability, "
                    "expected, -log E_q p(x|z) and E_q[-log p(x|z)] in nats, of random codes; novelty, what a part itself "
                    "finds unusual, such as regularizer=svdd, sad or usad (default: error)",
                },
            ),
            (
                "--with",
                {
                    "dest": "others",
                    "nargs": "+",
                    "action": "extend",
                    "default": [],
                    "type": Path,
                    "metavar": "RUN",
                    "help": "score by these runs of the same data too: 1 less the mean of the conformal p-values of all",
                },
            ),
            ("--data", {"metavar": "PATH", "help": "where the training data are, which --by reads once"}),
            ("--top", {"type": int, "metavar": "N", "help": "print the N highest and why; then --output may be left out"}),
            (
                "--events",
                {"metavar": "FILE", "help": "of series: consecutive alarms as one, with start, end and peak; csv or the like"},
            ),
            (
                "--smooth",
                {
                    "type": int,
                    "nargs": "?",
                    "const": 0,
                    "metavar": "K",
                    "help": "of series: the mean of K scores in a row (without K a quarter of the window)",
                },
            ),
            ("--online", {"action": "store_true", "help": "of series: each step from itself and those before it alone"}),
            (
                "--merge",
                {"type": int, "metavar": "G", "help": "of --events: alarms up to G steps apart are one (default: 1)"},
            ),
            ("--least", {"type": int, "metavar": "N", "help": "of --events: those of fewer than N steps are left out"}),
            (
                "--follow",
                {
                    "action": "store_true",
                    "help": "score rows as they come, of a file that grows (until Ctrl-C) or of - until it ends, and append "
                    "them to --output; a step of a series once its windows are there, by the scores of the whole file",
                },
            ),
            ("--windows", {"action": "store_true", "help": "of series: a row a window, not a time step"}),
        ),
    ),
    "retrieve": Verb(
        "the nearest samples of an index",
        "For each sample the K of an index whose codes are nearest: their places in it (from 0), distances, and "
        "ids where the run has dataset.id.",
        "queries.npy --index samples.npy --k 5 --output near.csv",
        "samples",
        "rows",
        lambda model, x, args: args.search(x),
        (
            ("--index", {"nargs": "+", "required": True, "metavar": "FILE", "help": "files to search in"}),
            ("--k", {"type": int, "default": 10, "metavar": "K", "help": "how many (default: 10)"}),
            ("--metric", {"choices": ("euclidean", "cosine"), "default": "euclidean", "help": "distance between codes"}),
        ),
    ),
    "compress": Verb(
        "samples to a small file of their codes",
        "The codes of samples in an entropy-coded file that only this run's model can read. With model=compression and "
        "model=vqvae, whose codes are whole numbers, decompress gives what reconstruct gives; other codes are rounded to STEP "
        "standard deviations of training codes, and decompress gives what these decode to.",
        "samples.npy --output samples.aez",
        "samples",
        "packed",
        lambda model, x, args: args.packer.arrays(x),
        (
            ("--step", {"type": float, "metavar": "STEP", "help": "of rounding; not of whole numbers (default: 0.1)"}),
            (
                "--prior",
                {
                    "choices": _CODE_PRIORS,
                    "help": "code discrete codes by what this sampler expects, which is fitted as in generate; the run's "
                    "folder keeps it, its size is not counted, and decompress needs it",
                },
            ),
            _DATA,
        ),
    ),
    "decompress": Verb(
        "samples from a file of compress",
        "What compress wrote, decoded by the same model: another one, a damaged file and one that is cut short are refused.",
        "samples.aez --output samples.npz",
        "packed",
        "samples",
        lambda model, x, args: _samples(x),
    ),
}
