"""`aerun --help`: a page a newcomer can act on."""

from aerun.command import VERBS
from aerun.core.version import __version__
from aerun.settings.catalog import catalog

_TOP = f"""aerun {__version__}: train, sweep and compare autoencoders from the command line.

  x --corruption--> x_in --encoder--> h --bottleneck--> z --decoder--> raw --loss.activate--> x_hat
  L = reconstruction(x, x_hat) + reg.lambda * sum_k w_k * Omega_k

WHAT TO TYPE
  aerun                                           an autoencoder on scikit-learn's digits, against PCA
  aerun model=sparse reg.lambda=1e-3              another recipe, another setting
  aerun model=vae model/arch=conv dataset=mnist dataset.root=DIR
  aerun regularizer=[l1,contractive] reg.lambda=1e-2   several regularizers at once
  aerun -m sweep=NAME model=ae,vae model.latent_dim=2,8,32   a sweep: every combination; again: goes on
  aerun -m sweep=NAME search=lambda model=sparse             a search: Optuna draws reg.lambda; again: goes on
  aerun compare outputs/sweeps/NAME               its runs side by side (aerun report: as a page)
  aerun data dataset=table dataset.path=FILE      what a run would read, before it does
  aerun resume RUN                                continue an interrupted run from its folder
  tensorboard --logdir outputs                    browse the runs

CHOOSE a part with GROUP=OPTION, change a setting with KEY=VALUE (aerun --cfg job shows every key)."""

_END = """SETTINGS used most
  model.latent_dim=8        size of the code              reg.lambda=1e-3        weight of all regularizers
  trainer.max_epochs=50     length of training            optimizer.lr=1e-3      (peak) learning rate
  seed=0                    of weights, order and noise   objective=val/mse      the figure a sweep compares

MORE
  --cfg job | --info        show the composed settings | what Hydra found       --config-dir DIR   add your own options
  --fresh                   clear what aerun wrote in the folder of the run or sweep, which is refused else
  --version                 the version                                         --hydra-help       Hydra's own flags
  eval "$(aerun -sc install=bash)"    completion with TAB (zsh, fish alike)"""


def page() -> str:
    """Return the text."""
    wide = max(map(len, VERBS))
    parts = [
        _TOP,
        "\n".join(["VERBS, each with a --help of its own", *(f"  {v:<{wide}}  {line}" for v, line in VERBS.items())]),
    ]
    for group, options in catalog().items():
        width = max(map(len, options))
        lines = [f"  {name:<{width}}  {line}" for name, line in options.items()]
        parts.append("\n".join([group, *lines]))
    return "\n\n".join([*parts, _END])
