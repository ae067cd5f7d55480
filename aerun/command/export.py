"""`aerun export RUN --output FILE`: a trained model as one file for other programs."""

import argparse
from pathlib import Path

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.text import say


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_args(argv)

    # deferred: keeps --help without torch
    from aerun.inference.export import export
    from aerun.inference.loading import load
    from aerun.inference.saelens import export_sae

    model = load(args.run, args.weights, args.trust)
    if args.format == "saelens":
        _refuse_idle(args)
        lines = export_sae(model, args.output.expanduser())
    else:
        lines = export(model, args.output.expanduser(), args.format, args.alpha, args.check)
    for line in lines:
        say(line)
    return 0


def _refuse_idle(args: argparse.Namespace) -> None:
    if args.check:
        raise AerunError(
            "--check: compares ONNX, torch.export and safetensors. `aerun import FOLDER` reads a saelens folder back."
        )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun export",
        description="A trained model as one file: ONNX, a program of torch.export, or its weights as safetensors. ONNX and the "
        "program take stored samples in the data's own units and give code, reconstruction, score and anomaly: "
        "preparation and threshold are inside.",
        epilog="example: aerun export outputs/runs/RUN --output model.onnx --check",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a sweep's: its best run")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="ends in .onnx, .pt2 or .safetensors; of saelens a folder",
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "torch", "safetensors", "saelens"),
        help="where the name does not say it; saelens: of sparse autoencoders",
    )
    parser.add_argument(
        "--check", action="store_true", help="compare the file with the model and write the difference to FILE.json"
    )
    parser.add_argument(
        "--alpha", type=float, default=0.05, metavar="A", help="share of false alarms that sets the threshold (default: 0.05)"
    )
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    return parser
