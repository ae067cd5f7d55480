"""Runs that differ only in numbers, trained as one: each is what it would have been alone, to the rounding of floats."""

import json
import os
import signal

import pytest
import torch

from aerun import Loss
from aerun.core.errors import AerunError, TrainingError
from aerun.settings.naming import job_name
from aerun.trainer.base import Job
from aerun.trainer.fused import passes
from aerun.trainer.fused.fit import equivalence_error, fit, unsupported_reason
from aerun.trainer.fused.training import FusedTraining
from tests import loaded
from tests.conftest import built, composed
from tests.shell import here, metrics, stopped, timeless

SMALL = ["model.arch.hidden=[16]", "trainer.progress=false", "trainer.limit_batches=3", "trainer.steps_per_call=2"]
MODELS = {
    "ae": ["model=ae", *SMALL],
    "vae": ["model=vae", *SMALL, "reg.terms.kl.warmup=0.5"],
    "denoising": ["model=denoising", *SMALL],
    "salt and pepper": ["model=ae", *SMALL, "model/corruption=salt_pepper"],
    "inpainting": ["model=inpainting", *SMALL],
    "dropout, layer norm": ["model=ae", *SMALL, "model.arch.dropout=0.3", "model.arch.norm=layer"],
    "tied": ["model=ae", *SMALL, "model.arch.tied=true"],
    "mmd": ["model=wae", *SMALL],
    "beta_tcvae": ["model=beta_tcvae", *SMALL],
    "full": ["model=vae", *SMALL, "model.bottleneck.posterior=full"],
    "planar": ["model=vae", *SMALL, "model.bottleneck.posterior=planar"],
    "iaf": ["model=vae", *SMALL, "model.bottleneck.posterior=iaf"],
    "ladder": ["model=lvae", *SMALL],
    "ball": ["model=poincare_vae", *SMALL],
    "iwae": ["model=iwae", *SMALL, "reg.terms.iwae.samples=3"],
    "sparse": ["model=sparse", *SMALL[1:]],
    "rate": ["model=sparse_kl", *SMALL[1:]],
    "top-k": ["model=topk", *SMALL[1:]],
    "gated": ["model=sae_gated", *SMALL[1:]],
    "jumprelu": ["model=sae_jumprelu", *SMALL[1:]],
    "contractive": ["model=contractive", *SMALL[1:]],
    "unit atoms": ["model=linear", *SMALL[1:], "model.arch.atoms=unit"],
    "two terms": ["model=ae", *SMALL, "regularizer=[decorrelation,l2]", "reg.lambda=0.1"],
    "hsic": ["model=ae", *SMALL, "regularizer=hsic", "reg.terms.hsic.rows=32", "reg.lambda=0.1"],
    "compression": ["model=compression", *SMALL],
    "clipped sgd": ["model=ae", *SMALL, "optimizer=sgd", "optimizer.lr=1e-3", "trainer.gradient_clip=0.5"],
    "told": ["model=vae", *SMALL, "dataset.condition=label", "dataset.condition_drop=0.3", "model/prior=conditional"],
    "told, decoder": ["model=ae", *SMALL, "dataset.condition=label", "dataset.condition_to=decoder"],
    "few labels": [
        *("model=ae", *SMALL, "model/bottleneck=joint", "model.latent_dim=13", "model.bottleneck.classes=10", "regularizer=m2"),
        *("dataset.condition=label", "dataset.condition_to=terms", "dataset.labelled=50", "reg.lambda=1", "model/loss=bce"),
    ],
    "patch": ["dataset=sines", "model/arch=patch", "model/corruption=patches", "model.arch.width=16", *SMALL[1:]],
    "double": ["model=ae", *SMALL, "trainer.precision=64-true"],
}
FAST = ("ae", "vae", "told", "dropout, layer norm", "sparse")
NUMBERS = [["seed=0"], ["seed=1", "optimizer.lr=0.002"], ["seed=2", "optimizer.lr=0.002"]]


def jobs(folder, words, numbers=NUMBERS, epochs=3):
    """Jobs of these compositions, and the trainer that they share."""
    found = []
    for i, more in enumerate(numbers):
        config = composed(*words, *more, f"trainer.max_epochs={epochs}")
        plan = built(*words, *more, f"trainer.max_epochs={epochs}")
        data = plan.dataset.load()
        plan.autoencoder.start_from(data.train.x)
        found.append(Job(plan.autoencoder, data, plan.optimizer, plan.schedule, plan.seed, folder / str(i), config))
        found[-1].folder.mkdir(parents=True, exist_ok=True)
    return found, plan.trainer


def same(one, other):
    """The rows of two runs are equal but for their speed."""
    assert [list(row) for row in metrics(one)] == [list(row) for row in metrics(other)]
    for a, b in zip(timeless(one), timeless(other), strict=True):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-6)


@pytest.fixture(autouse=True)
def replayed(monkeypatch):
    """Passes are written down at once: short tests would end before."""
    monkeypatch.setattr(passes, "USES", 1)


def compared(tmp_path, words, numbers):
    """The same runs as one and one by one: every figure and weight is equal."""
    fused, trainer = jobs(tmp_path / "fused", words, numbers)
    assert not unsupported_reason(fused[0], trainer)
    assert not equivalence_error(fused, trainer)
    assert fit(fused, trainer, resume=False) == [None] * len(fused)
    alone, trainer = jobs(tmp_path / "alone", words, numbers)
    for one, other in zip(fused, alone, strict=True):
        found = trainer.fit(other, resume=False)
        same(one.folder, other.folder)
        again = trainer.fit(one, resume=True)  # finds its training done
        assert (again.best_epoch, again.epochs, again.fused) == (found.best_epoch, found.epochs, len(fused))
        for a, b in zip(one.autoencoder.state_dict().values(), other.autoencoder.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_each_is_what_it_would_be_alone(tmp_path, name):
    strengths = [[], ["reg.lambda=0.02"], []] if built(*MODELS[name]).autoencoder.terms else [[], [], []]
    compared(tmp_path, MODELS[name], [[*n, *s] for n, s in zip(NUMBERS, strengths, strict=True)])


SIZES = [[f"seed={n}", f"model.latent_dim={n}", f"optimizer.lr=0.00{min(n, 5)}"] for n in (5, 3, 8)]


@pytest.mark.parametrize(
    "words",
    [
        ["model=ae", *SMALL],
        ["model=denoising", *SMALL, "optimizer=adamw", "trainer.gradient_clip=0.5"],
        ["model=ae", *SMALL, "model/bottleneck=sigmoid"],
    ],
)
def test_codes_of_several_sizes_are_trained_as_one(tmp_path, words):
    compared(tmp_path, words, SIZES)


def test_rates_of_dropout_may_differ(tmp_path):
    compared(tmp_path, ["model=ae", *SMALL], [["seed=0", "model.arch.dropout=0.1"], ["seed=1", "model.arch.dropout=0.5"]])


def test_noise_of_other_sizes_is_noticed(tmp_path):
    found, trainer = jobs(tmp_path, ["model=vae", *SMALL], SIZES)
    assert equivalence_error(found, trainer) == "as one, their figures are not those of each alone"


@pytest.mark.slow
def test_each_draws_its_own_binary_pictures(tmp_path, mnist):
    root = f"dataset.root={os.environ['AERUN_DATA']}"
    words = ["model=vae", *SMALL, "dataset=mnist", "dataset.binarize=dynamic", "dataset.download=false", root]
    compared(tmp_path, [*words, "model.arch.hidden=[8]", "trainer.batch_size=16"], NUMBERS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=ae"], "too large to gain"),
        (["model=conv"], "only fully connected models"),
        (["model=ae", *SMALL, "model.arch.norm=batch"], "batch norm"),
        (["model=adversarial", *SMALL], "opponent"),
        (["model=ae", *SMALL, "trainer.precision=bf16-mixed"], "only full precision"),
        (["model=stacked"], "only trainer=joint"),
    ],
)
def test_what_gains_nothing_is_left_alone(tmp_path, words, said):
    found, trainer = jobs(tmp_path, words, NUMBERS[:1])
    assert said in unsupported_reason(found[0], trainer)


def test_what_cannot_be_stacked_is_noticed(tmp_path):
    found, trainer = jobs(tmp_path, ["model=contractive", "model/arch=mlp", *SMALL])
    assert equivalence_error(found, trainer)


def test_a_run_that_fails_leaves_the_others_alone(tmp_path):
    words = ["model=ae", *SMALL, "optimizer=sgd", "optimizer.lr=0.001"]
    numbers = [["seed=0"], ["seed=1", "optimizer.lr=1e30"], ["seed=2"]]
    fused, trainer = jobs(tmp_path / "fused", words, numbers)
    first, bad, last = fit(fused, trainer, resume=False)
    assert first is None
    assert last is None
    alone, trainer = jobs(tmp_path / "alone", words, numbers)
    with pytest.raises(TrainingError) as error:
        trainer.fit(alone[1], resume=False)
    assert str(bad) == str(error.value)
    for i in (0, 2):
        trainer.fit(alone[i], resume=False)
        same(fused[i].folder, alone[i].folder)


def test_each_stops_early_by_itself(tmp_path):
    words = ["model=ae", *SMALL, "optimizer=sgd", "trainer.patience=2", "schedule=constant"]
    numbers = [["seed=0", "optimizer.lr=0.02"], ["seed=1", "optimizer.lr=0.001"], ["seed=2", "optimizer.lr=0.06"]]
    fused, trainer = jobs(tmp_path / "fused", words, numbers, epochs=25)
    assert fit(fused, trainer, resume=False) == [None] * 3
    alone, _ = jobs(tmp_path / "alone", words, numbers, epochs=25)
    lengths = set()
    for one, other in zip(fused, alone, strict=True):
        found, again = trainer.fit(other, resume=False), trainer.fit(one, resume=True)
        same(one.folder, other.folder)
        assert (again.best_epoch, again.epochs) == (found.best_epoch, found.epochs)
        lengths.add(found.epochs)
    assert len(lengths) > 1


def sweep(tmp_path, name, *words):
    """Folders of the jobs of a sweep, and what was said."""
    told = here(tmp_path, "-m", f"sweep={name}", *words)
    folder = tmp_path / "outputs" / "sweeps" / name
    return told, {p.name: p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith(".")}


@pytest.mark.slow
def test_a_sweep_of_fused_jobs_is_the_same_sweep(tmp_path):
    words = ["seed=0,1", "model.latent_dim=2,300", *SMALL[:2], "trainer.max_epochs=2", "pictures=[]"]
    told, fused = sweep(tmp_path, "f", "sweep.fuse=true", *words)
    assert told.code == 0, told.err
    assert "sweep.fuse: 4 of 4 jobs trained as 1 model" in told.out
    assert told.out.count("trained as one of 4") == 4
    _, alone = sweep(tmp_path, "s", *words)
    assert list(fused) == list(alone)
    for name, folder in fused.items():
        same(folder, alone[name])
        one, other = (json.loads((f / "results.json").read_text()) for f in (folder, alone[name]))
        assert set(one) == set(other)
        assert one["test/se"] == pytest.approx(other["test/se"], rel=1e-5)
        assert (one["fused"], other["fused"]) == (4, 1)
    again, _ = sweep(tmp_path, "f", "sweep.fuse=true", *words)
    assert again.out.count("complete already") == 4
    assert "sweep.fuse" not in again.out.replace("sweep.fuse=True", "")


def test_a_failed_job_is_told_once_and_what_cannot_be_fused_is_run(tmp_path):
    words = ["optimizer=sgd", "optimizer.lr=1e-3,2e-3,1e30", "trainer=smoke", "trainer.progress=false", "pictures=[]"]
    told, _ = sweep(tmp_path, "f", "sweep.fuse=true", "model.arch.hidden=[16]", *words)
    assert told.code == 1
    assert "2 of 3 jobs completed" in told.out
    assert "loss is not finite at step" in told.out
    told, _ = sweep(tmp_path, "b", "sweep.fuse=true", *words)
    assert "sweep.fuse: 0 of 3 jobs trained as 0 models; 3 one by one (too large to gain" in told.out


class Pulled(Exception):
    """The plug."""


def pulled(begin, epoch, error=Pulled):
    """`begin` of an epoch, cut off at one."""

    def beginning(training):
        if training.current_epoch == epoch:
            raise error
        begin(training)

    return beginning


def test_gone_on_with_from_its_checkpoints_it_is_the_same(tmp_path, monkeypatch):
    words = ["model=vae", *SMALL, "trainer.patience=3"]
    whole, trainer = jobs(tmp_path / "whole", words, epochs=6)
    assert fit(whole, trainer, resume=False) == [None] * 3
    cut, trainer = jobs(tmp_path / "cut", words, epochs=6)
    monkeypatch.setattr("aerun.trainer.fused.files.HELD", 0.0)
    monkeypatch.setattr(FusedTraining, "on_train_epoch_start", pulled(FusedTraining.on_train_epoch_start, 4))
    with pytest.raises(Pulled):
        fit(cut, trainer, resume=False)
    monkeypatch.undo()
    again, trainer = jobs(tmp_path / "cut", words, epochs=6)
    assert fit(again, trainer, resume=True) == [None] * 3
    for one, other in zip(whole, again, strict=True):
        assert timeless(one.folder) == timeless(other.folder)
        for name in ("best.ckpt", "last.ckpt"):
            a, b = (torch.load(j.folder / "checkpoints" / name, weights_only=True)["state_dict"] for j in (one, other))
            assert all(torch.equal(a[k], b[k]) for k in a)


def test_one_that_was_fused_goes_on_alone(tmp_path, monkeypatch):
    words = ["model=vae", *SMALL]
    whole, trainer = jobs(tmp_path / "whole", words, epochs=4)
    fit(whole, trainer, resume=False)
    monkeypatch.setattr("aerun.trainer.fused.files.HELD", 0.0)
    monkeypatch.setattr(FusedTraining, "on_train_epoch_start", pulled(FusedTraining.on_train_epoch_start, 2))
    cut, trainer = jobs(tmp_path / "cut", words, epochs=4)
    with pytest.raises(Pulled):
        fit(cut, trainer, resume=False)
    monkeypatch.undo()
    again, trainer = jobs(tmp_path / "cut", words, epochs=4)
    for one, other in zip(whole, again, strict=True):
        trainer.fit(other, resume=True)
        same(one.folder, other.folder)


def test_a_checkpoint_says_of_the_loops_what_one_of_a_run_alone_says(tmp_path):
    words = ["model=ae", *SMALL, "trainer.patience=2"]  # 3 steps an epoch, 2 a call
    fused, trainer = jobs(tmp_path / "fused", words, epochs=2)
    fit(fused, trainer, resume=False)
    alone, trainer = jobs(tmp_path / "alone", words, NUMBERS[:1], epochs=2)
    trainer.fit(alone[0], resume=False)
    one, other = (torch.load(j[0].folder / "checkpoints" / "last.ckpt", weights_only=True) for j in (fused, alone))
    assert one.keys() - {"run"} == other.keys()
    assert one["callbacks"].keys() == other["callbacks"].keys()
    assert all(one["callbacks"][k].keys() == other["callbacks"][k].keys() for k in other["callbacks"])
    same_in_both = ("loops", "epoch", "global_step", "pytorch-lightning_version", "lr_schedulers", "steps", "total", "ended")
    assert {k: one[k] for k in same_in_both} == {k: other[k] for k in same_in_both}


def emptied(folder, action):
    path = folder / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    action(checkpoint)
    torch.save(checkpoint, path)


def test_one_whose_optimizer_has_forgotten_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    words = ["seed=0,1,2,3", *SMALL[:2], "model.latent_dim=2", "trainer.max_epochs=2", "pictures=[]", "evaluate=[]"]
    monkeypatch.setattr("aerun.trainer.fused.files.HELD", 0.0)
    monkeypatch.setattr(FusedTraining, "on_train_epoch_start", pulled(FusedTraining.on_train_epoch_start, 1, KeyboardInterrupt))
    _, folders = sweep(tmp_path, "f", "sweep.fuse=true", *words)
    monkeypatch.undo()
    by_seed = {name.partition(",")[0]: folder for name, folder in folders.items()}
    emptied(by_seed["seed=1"], lambda c: c.update(optimizer_states=[]))
    emptied(by_seed["seed=2"], lambda c: c["optimizer_states"][0]["state"].pop(0))
    told, _ = sweep(tmp_path, "f", "sweep.fuse=true", *words)
    assert told.code == 1
    assert "sweep.fuse: 2 of 4 jobs trained as 1 model; 2 one by one (its last checkpoint is damaged; " in told.out
    assert "not complete: 2 jobs (seed=1; seed=2): checkpoints/last.ckpt: damaged: after" in told.out
    assert "2 of 4 jobs completed" in told.out


def test_runs_that_have_all_forgotten_do_not_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("aerun.trainer.fused.files.HELD", 0.0)
    monkeypatch.setattr(FusedTraining, "on_train_epoch_start", pulled(FusedTraining.on_train_epoch_start, 1))
    cut, trainer = jobs(tmp_path, ["model=ae", *SMALL], epochs=2)
    with pytest.raises(Pulled):
        fit(cut, trainer, resume=False)
    monkeypatch.undo()
    for job in cut:
        emptied(job.folder, lambda c: c["optimizer_states"][0]["state"].clear())
    again, trainer = jobs(tmp_path, ["model=ae", *SMALL], epochs=2)
    with pytest.raises(AerunError, match="it has no state of the optimizer for"):
        fit(again, trainer, resume=True)


@pytest.mark.slow
def test_killed_and_started_again_it_is_the_same_sweep(tmp_path):
    words = ["dataset=wine", "seed=0,1,2", *SMALL[:2], "trainer.max_epochs=300", "trainer.save_every=0", "pictures=[]"]
    first = [
        "dataset=wine",
        "seed=0",
        "model.arch.hidden=[16]",
        "trainer.progress=False",
        "trainer.max_epochs=300",
        "trainer.save_every=0",
        "pictures=[]",
    ]
    folder = tmp_path / "outputs" / "sweeps" / "k" / job_name(first)
    killed = stopped(loaded.start(tmp_path, "-m", "sweep=k", "sweep.fuse=true", *words), signal.SIGKILL, folder, epochs=1)
    assert killed.code == -signal.SIGKILL
    told, again = sweep(tmp_path, "k", "sweep.fuse=true", *words)
    assert told.code == 0, told.err
    assert "3 of 3 jobs trained as 1 model" in told.out
    _, whole = sweep(tmp_path, "w", "sweep.fuse=true", *words)
    assert len(whole) == 3
    for name, path in whole.items():
        assert timeless(path) == timeless(again[name])


def test_one_that_is_no_number_in_validation_leaves_the_others_alone(tmp_path):
    words = ["model=ae", *SMALL[:2], "trainer.limit_batches=1", "optimizer=sgd"]
    numbers = [["optimizer.lr=1e-3"], ["optimizer.lr=1e30"], ["optimizer.lr=2e-3"]]
    fused, trainer = jobs(tmp_path / "fused", words, numbers)
    found = fit(fused, trainer, resume=False)
    assert [e is None for e in found] == [True, False, True]
    assert "loss is not finite" in str(found[1])
    last = torch.load(fused[0].folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(v.isfinite().all() for v in last["state_dict"].values())
    assert not (fused[1].folder / "checkpoints" / "last.ckpt").exists()


def test_what_is_trained_is_not_trained_again(tmp_path):
    """Stopped early, then interrupted before its test: the same command only tests it."""
    words = [
        "seed=0,1,2",
        *SMALL,
        "optimizer=sgd",
        "optimizer.lr=0.06",
        "schedule=constant",
        "trainer.patience=1",
        "pictures=[]",
    ]
    told, first = sweep(tmp_path, "e", "sweep.fuse=true", "trainer.max_epochs=30", *words)
    assert told.code == 0, told.err
    before = {name: json.loads((path / "results.json").read_text()) for name, path in first.items()}
    for name, path in first.items():
        (path / "results.json").write_text(json.dumps({**before[name], "status": "running"}))
    told, again = sweep(tmp_path, "e", "sweep.fuse=true", "trainer.max_epochs=30", *words)
    assert "sweep.fuse:" not in told.out
    for name, path in again.items():
        found = json.loads((path / "results.json").read_text())
        assert [found[k] for k in ("epochs", "test/se")] == [before[name][k] for k in ("epochs", "test/se")]


def test_tables_are_gone_on_with_too(tmp_path, monkeypatch):
    words = ["dataset=wine", *SMALL]
    monkeypatch.setattr("aerun.trainer.fused.files.HELD", 0.0)
    monkeypatch.setattr(FusedTraining, "on_train_epoch_start", pulled(FusedTraining.on_train_epoch_start, 2))
    cut, trainer = jobs(tmp_path, words)
    with pytest.raises(Pulled):
        fit(cut, trainer, resume=False)
    monkeypatch.undo()
    again, trainer = jobs(tmp_path, words)
    assert fit(again, trainer, resume=True) == [None] * 3


class OnlySeen(Loss):
    """Squared error over the cells that are there: a loss as a stranger writes it, in the words of the vocabulary."""

    def __init__(self):
        super().__init__()

    def activate(self, raw):
        return raw

    def deactivate(self, x):
        return x

    def forward(self, raw, x, seen=None):
        there = torch.ones_like(x) if seen is None else 3.0 * seen  # 3: what is not told shows in every figure
        return ((raw - x).square() * there).flatten(1).sum(1)


def test_losses_are_told_which_cells_are_there(tmp_path):
    """As they are where each run is trained alone."""
    g = torch.Generator().manual_seed(0)
    cells = torch.randn(90, 3, generator=g).tolist()
    lines = [",".join("" if (i + j) % 4 == 0 else f"{v:.3f}" for j, v in enumerate(row)) for i, row in enumerate(cells)]
    (tmp_path / "gaps.csv").write_text("\n".join(["a,b,c", *lines]))
    data = ["dataset=table", f"dataset.path={tmp_path}/gaps.csv", "dataset.missing=keep", "trainer.batch_size=16"]
    loss = [f"model.loss._target_={__name__}.OnlySeen", "~model.loss.reduction", "~model.loss.activation"]
    compared(tmp_path, ["model=ae", *data, *loss, *SMALL, "model.latent_dim=2"], [["seed=0"], ["seed=1", "optimizer.lr=0.002"]])


def test_mistakes_are_told(tmp_path):
    told = here(tmp_path, "-m", "sweep=f", "seed=0,1", "sweep.fuse=maybe")
    assert told.code == 2
    assert "sweep.fuse=maybe: must be true or false" in told.err
