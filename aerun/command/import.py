# ruff: noqa: N999 - a verb is its module
"""`aerun import FOLDER --output RUN`: a run's folder made of a sparse autoencoder that others have trained."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.text import say

if TYPE_CHECKING:
    from aerun.formats.saelens import Sae


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_args(argv)

    # deferred: keeps --help without torch
    from aerun.core.files import replaced_folder
    from aerun.formats.saelens import read_sae

    output = args.output.expanduser().absolute()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise AerunError(f"--output {args.output}: is there already. Choose another folder.")
    sae = read_sae(args.folder.expanduser(), args.scale)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replaced_folder(output) as folder:
            _write(sae, folder, args)
    except OSError as e:
        raise AerunError(f"--output {args.output}: cannot be written: {e.strerror or e}.") from e
    size, units = sae.encoder.shape
    what = f"{sae.k} of {units} units" if sae.k is not None else f"{units} units"
    say(f"{args.output}: {size} numbers to {what}, from {args.folder}; its weights are all that is known of its training")
    return 0


def _write(sae: "Sae", folder: Path, args: argparse.Namespace) -> None:
    # deferred: keeps --help without torch
    from aerun.build.composition import model_of
    from aerun.core.facts import Facts
    from aerun.inference.saelens import fill, settings_of
    from aerun.preparation.base import Preparation, Unchanged
    from aerun.preparation.pair import Pair
    from aerun.preparation.stored import plain
    from aerun.runs.checkpoint import BEST, FOLDER
    from aerun.runs.files import make_folder
    from aerun.runs.folder import Folder
    from aerun.settings.overrides import config_of, resolved
    from aerun.trainer.saved import best_of, save

    data = ["dataset=activations", "dataset.prepare=none", "dataset.context=1", "model/loss=mse"]
    cfg = resolved(config_of([*settings_of(sae), *data, "evaluate=[]", "pictures=[]"]))
    cfg["dataset"]["path"] = str(args.data or "unknown")
    read, size = len(sae.encoder), len(sae.encoder) + (sae.decoder.shape[1] if sae.transcodes else 0)
    facts = Facts(shape=(size,), kind="table", unit=1.0, low=None, high=None, classes=None)
    preparation: Preparation = Unchanged()
    if sae.transcodes:
        cfg["dataset"]["target"] = str(args.target or "unknown")
        facts, preparation = replace(facts, source=read, prepared_from=(size,)), Pair(shape=(size,), source=read, scaled=False)
    elif args.target is not None:
        raise AerunError(f"--target {args.target}: {args.folder} gives back what it reads. Leave it out.")
    model, _ = model_of(cfg, facts, preparation)
    fill(model.eval(), sae)
    own = Folder(folder)
    own.open(cfg, f"aerun import {args.folder} --output {args.output}")
    own.describe(asdict(facts), plain(model.preparation))
    make_folder(folder, FOLDER)
    save(folder, BEST, best_of(0, {f"autoencoder.{k}": v for k, v in model.state_dict().items()}))
    own.results(_results(sae))


def _results(sae: "Sae") -> dict[str, Any]:
    size, units = sae.encoder.shape
    return {"status": "completed", "seed": 0, "imported": True, "latent_dim": units, "code_elements": units, "features": size}


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun import",
        description="A run's folder made of a sparse autoencoder in the files of SAELens (standard, topk, jumprelu, gated, "
        "transcoders) or of sparsify. Verbs take it as any run: encode, decode, reconstruct, export; evaluate with --data. "
        "A scale and a mean that it takes off are folded into its weights.",
        epilog="example: aerun import gemma-layer-12 --output outputs/runs/gemma-layer-12",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with cfg.json and the weights in it")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="the run's folder, which is new")
    parser.add_argument("--data", type=Path, metavar="PATH", help="a store of activations that the run is to be judged on")
    parser.add_argument("--target", type=Path, metavar="PATH", help="of a transcoder: the store of what it is to compute")
    parser.add_argument(
        "--scale", type=float, metavar="F", help="of its inputs, where cfg.json says they were scaled, not by what"
    )
    return parser
