"""What is wrong with a trained model, each in one sentence with what to do."""

from collections.abc import Mapping

from aerun.autoencoder import Autoencoder

_SHIFT = 1.3  # growth of the decoder's scale that is told
_CONSTANT = 0.98  # share of the training mean's error from which a reconstruction counts as constant


def decoder_scale(model: Autoencoder) -> float:
    """Mean norm of the decoder's columns over that of the encoder's rows: who carries the scale of the code (tied: 1)."""
    columns = model.arch.decoder_weights()[0].detach().transpose(0, 1).flatten(1).norm(dim=1)
    rows = model.arch.encoder_weights()[-1].detach().flatten(1).norm(dim=1)
    return float(columns.mean() / rows.mean().clamp_min(1e-12))


def scale_shift(model: Autoencoder, growth: float) -> list[str]:
    """A penalty on the code's size may have been met by a larger decoder instead of a better code."""
    fooled = [k for k, t in model.terms.items() if t.regularizer.shrinks_code and model.weight(k, None) > 0]
    if not fooled or growth <= _SHIFT:
        return []
    other = " or reg.terms.l1.norm_weighted=true" if "l1" in fooled else ""
    return [
        f"ScaleShift: under {', '.join(fooled)} the decoder grew {growth:.2f} times against the encoder, so the penalty may "
        f"have shrunk the code instead of shaping it. Use model.arch.tied=true{other}."
    ]


def collapse(model: Autoencoder, figures: Mapping[str, float]) -> list[str]:
    """The code carries nothing."""
    if figures["test/se"] < _CONSTANT * figures["mean/se"]:
        return []
    other = ", lower reg.lambda, or let it rise slowly with reg.terms.NAME.warmup=0.5" if model.terms else ""
    return [f"Collapse: the reconstruction is no better than the training mean: the code carries nothing. Train longer{other}."]
