"""A trained model as one file: ONNX, torch.export, or its weights alone."""

import contextlib
import copy
import importlib
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.core.files import replace
from aerun.core.paths import names_alone
from aerun.core.version import __version__
from aerun.inference.exported import OUTPUTS, Exported, example
from aerun.inference.model import Model
from aerun.metrics.conformal import alarms, shortage

_SUFFIXES = {".onnx": "onnx", ".pt2": "torch", ".safetensors": "safetensors"}
_BATCH = "batch"
_SAME = 1e-5  # The largest difference of an output over its largest value.
_SIZES = (1, 3, 64)  # The sizes of the batches that are compared.

Run = Callable[[Tensor], list[NDArray[Any]]]


def export(model: Model, output: Path, kind: str | None, alpha: float = 0.05, check: bool = False) -> list[str]:
    """Write the file, and return in lines what was done.

    check: compare the file with the model, and write OUTPUT.json. Raises AerunError where a library is missing, where the file
    cannot be written, and where the two differ by more than 1e-5.
    """
    kind = kind or _SUFFIXES.get(output.suffix.lower())
    if kind is None:
        raise AerunError(f"{output}: an export's name ends in {', '.join(_SUFFIXES)}; or say --format.")
    one_of("--format", kind, tuple(_SUFFIXES.values()))
    if not output.parent.is_dir():
        raise AerunError(f"{output}: there is no folder {output.parent}.")
    suffix = next(k for k, v in _SUFFIXES.items() if v == kind)
    part = output.with_name(f".{output.stem}.{os.getpid()}{suffix}")
    try:
        differences = {"onnx": _onnx, "torch": _torch, "safetensors": _weights}[kind](_plain(model), alpha, part, check)
        worst = max(differences.values(), default=0.0)
        if worst > _SAME:
            shown = ", ".join(f"{k} {v:.2g}" for k, v in differences.items())
            raise AerunError(f"{output}: not written: it differs from the model by more than {_SAME:g} ({shown}).")
        part.replace(output)
    except AerunError:
        raise
    except OSError as e:
        raise AerunError(f"{output}: cannot be written: {e.strerror or e}.") from e
    except Exception as e:  # The exporters raise errors of many kinds.
        why = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise AerunError(f"{output}: this model cannot be written as {kind}: {why}") from e
    finally:
        with contextlib.suppress(OSError):  # of a folder that can only be read, which has been told
            part.unlink()
    lines = [f"{output}: {model.name} as {kind}, {output.stat().st_size:,} bytes"]
    if differences:
        about = {"largest relative difference": differences, "batches": _SIZES, "aerun": __version__}
        replace(output.with_name(f"{output.name}.json"), json.dumps(about, indent=1) + "\n")
        lines.append(f"checked on batches of {', '.join(map(str, _SIZES))}: largest relative difference {worst:.2g}")
    if kind != "safetensors" and (short := shortage(len(model.validation_scores), alpha)):
        lines.append(short)
    return lines


def _plain(model: Model) -> Model:
    """Return a copy of the model on the CPU in 32 bits; the run's own model stays as it is."""
    autoencoder = copy.deepcopy(model.autoencoder).cpu().float().eval()
    return Model(autoencoder, model.config, model.folder, torch.device("cpu"), model.seed)


def _needed(module: str) -> Any:
    """Return an optional module. Raises AerunError that says how to install it where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise AerunError(f"this export needs {module}, which is not installed: pip install 'aerun[export]'") from e


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Suppress torch's remarks on its own exporter."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)


def _program(model: Model, limit: float) -> torch.export.ExportedProgram:
    batch = torch.export.Dim(_BATCH, min=1, max=1 << 20)
    function, samples = Exported(_plain(model), limit).eval(), example(model, 3, 0)
    torch.compiler.reset()
    with _quietly(), torch.no_grad():
        program = torch.export.export(function, (samples,), dynamic_shapes=({0: batch},), strict=False)
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # It names files of this machine.
    return program


def _onnx(model: Model, alpha: float, part: Path, check: bool) -> dict[str, float]:
    for module in ("onnx", "onnxscript", *(["onnxruntime"] if check else [])):
        _needed(module)
    limit = model.threshold(alpha)
    program = _program(model, limit)
    with _quietly():
        converted = torch.onnx.export(
            program, dynamo=True, optimize=True, verbose=False, input_names=["samples"], output_names=list(OUTPUTS)
        )
        assert converted is not None
        proto = converted.model_proto
    _name_batch(proto.graph)
    for part_of in (proto.graph, *proto.functions):
        for node in part_of.node:
            del node.metadata_props[:]  # What the exporter notes of source files.
    for key, value in _about(model).items():
        proto.metadata_props.add(key=key, value=value)
    part.write_bytes(proto.SerializeToString())
    if not check:
        return {}
    ort = _needed("onnxruntime")
    session = ort.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    return _compared(model, limit, lambda x: session.run(None, {"samples": x.numpy()}))


def _name_batch(graph: Any) -> None:
    """Name the first dimension of samples, codes and all that is between: the exporter calls it s98 or the like."""
    given = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = re.sub(rf"\b{re.escape(given)}\b", _BATCH, dim.dim_param)


def _torch(model: Model, alpha: float, part: Path, check: bool) -> dict[str, float]:
    limit = model.threshold(alpha)
    archive = io.BytesIO()  # In a file the archive's members would be named after it.
    torch.export.save(_program(model, limit), archive)
    part.write_bytes(archive.getvalue())
    if not check:
        return {}
    with _quietly():
        again = torch.export.load(part).module()
    return _compared(model, limit, lambda x: [v.detach().numpy() for v in again(x)])


def _weights(model: Model, alpha: float, part: Path, check: bool) -> dict[str, float]:
    st = _needed("safetensors.torch")
    state = {k: v.detach().cpu().clone().contiguous() for k, v in model.autoencoder.state_dict().items()}
    st.save_file(state, part, _about(model))
    if not check:
        return {}
    again = st.load_file(part)
    same = again.keys() == state.keys() and all(torch.equal(again[k], v) for k, v in state.items())
    return {"weights": 0.0 if same else float("inf")}


def _about(model: Model) -> dict[str, str]:
    """Return what a reader of the file should know, as words, without folders of this machine."""
    facts, config = names_alone(model.folder.read("facts.json")), names_alone(model.config)
    return {"aerun": __version__, "config": json.dumps(config), "facts": json.dumps(facts)}


def _compared(model: Model, limit: float, run: Run) -> dict[str, float]:
    """Return the largest difference of each output from what the verbs answer, over its largest value.

    The score's difference is taken over the threshold where that is larger. Verdicts count where the score is not next to the
    threshold.
    """
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for n in _SIZES:
        x = example(model, n, n)
        ours, theirs = _answers(model, limit, x), run(x)
        finite = np.isfinite(limit)
        near = np.abs(ours[2] - limit) <= _SAME * abs(limit) if finite else np.zeros(n, dtype=bool)
        for name, a, b in zip(OUTPUTS, ours, theirs, strict=True):
            worst[name] = max(worst[name], _difference(a, b, near, limit if name == "score" and finite else 1e-12))
    return worst


def _answers(model: Model, limit: float, x: Tensor) -> list[NDArray[Any]]:
    """Return what encode, reconstruct and score answer for stored samples."""
    score, own, valid = model.scores_of(x), model.rebuilt(x), model.facts.valid(x)
    if valid is not None and not model.facts.tokens:
        own = own.masked_fill(~valid[..., None], torch.nan)
    return [model.codes_of(x).numpy(), own.numpy(), score.numpy(), alarms(score.numpy(), limit)]


def _difference(a: NDArray[Any], b: NDArray[Any], near: NDArray[np.bool_], least: float) -> float:
    if a.shape != b.shape:
        return float("inf")
    if a.dtype == np.bool_:
        return float((a != b)[~near].any())
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    real = ~np.isnan(a)
    scale = np.abs(a[real]).max(initial=max(least, 1e-12))
    return float(np.abs(a[real].astype(np.float64) - b[real]).max(initial=0.0) / scale)
