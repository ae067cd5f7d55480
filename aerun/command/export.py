"""`aerun export RUN`: a trained model as one file for other programs."""

import argparse
from pathlib import Path


def run(argv: list[str]) -> int:
    """The verb."""
    parser = argparse.ArgumentParser(
        prog="aerun export",
        description="A trained model as one file. onnx: samples in their own units to code, reconstruction, score and "
        "verdict, for any "
        "number of samples, with preparation and threshold inside. torch: the same for torch.export.load. "
        "safetensors: the weights, "
        "with the run's configuration.",
        epilog="example: aerun export outputs/runs/RUN --output model.onnx --check",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a sweep's: its best run")
    parser.add_argument(
        "--format", choices=("onnx", "torch", "safetensors"), help="default: by the suffix of FILE (.onnx, .pt2, .safetensors)"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the file")
    parser.add_argument(
        "--alpha", type=float, default=0.05, metavar="A", help="share of false alarms of the verdict (default: 0.05)"
    )
    parser.add_argument(
        "--check", action="store_true", help="run it beside the model, and write the largest difference to FILE.json"
    )
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    args = parser.parse_args(argv)

    from aerun.use.export import export
    from aerun.use.loading import load

    model = load(args.run, args.weights, args.trust)
    for line in export(model, Path(args.output), args.format, args.alpha, args.check):
        print(line)
    return 0
