"""Pictures: what fits is drawn, what does not is refused in words before data are read, and what is drawn is true."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from aerun import pictures
from aerun.build import build
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.splits import Split
from aerun.metrics.lines import circle, straight
from aerun.pictures import projector, vector_field
from aerun.pictures.canvas import plane, rows, style
from aerun.pictures.canvas.code import centre, responses
from aerun.pictures.canvas.sheet import Row, sheet, shown, signed
from aerun.trained import Trained
from tests.conftest import composed
from tests.shell import here

IMAGE = Facts(shape=(1, 4, 4), kind="image", unit=1.0, low=0.0, high=1.0, classes=None)
MODELS = {
    "ae": [],
    "linear": ["model=linear"],
    "vae": ["model=vae"],
    "conv": ["model=conv"],
    "topk": ["model=topk"],
    "vq": ["model=vqvae"],
    "one unit": ["model.latent_dim=1"],
    "inpainting": ["model/corruption=masking"],
    "normal": ["dataset.normal=[0,1]"],
    "mixture": ["dataset=mixture", "dataset.n=300", "model=denoising", "model/corruption=gaussian"],
    "table": ["dataset=wine"],
    "ragged": ["dataset=japanese_vowels", "model=recurrent"],
    "series": ["dataset=sines", "model.latent_dim=3"],
}


def untrained(*overrides):
    """A model as it starts, with its data."""
    plan = build(composed(*overrides))
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    return Trained(plan.autoencoder.eval(), plan.dataset, torch.device("cpu"), 0, data)


def fitting(*overrides):
    """The pictures that fit, without any data."""
    plan = build(composed(*overrides))
    return pictures.select_pictures(["all"], plan.autoencoder, plan.dataset)


@pytest.mark.slow
@pytest.mark.parametrize("overrides", MODELS.values(), ids=MODELS)
def test_every_picture_that_fits_is_drawn(overrides, tmp_path):
    """Whatever the kind of data or code: bytes of a picture that is not blank, or files for the Projector."""
    trained = untrained(*overrides)
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,train/loss,val/loss,val/mse,lr,train/reg_w/l1\n0,5,2,1.5,0.1,0.01,0.3\n1,10,-1,1.2,0.08,0.005,0.2\n"
    )
    names = pictures.select_pictures(["all"], trained.autoencoder, trained.dataset)
    for name in names:
        if name == "codes_tsne":
            continue  # slow; has a test of its own
        found = pictures.module(name).draw(trained, tmp_path)
        if name == "projector":
            assert found is None
            continue
        assert found.dtype == np.uint8
        assert found.shape[2] == 3
        assert found.min() < 100 < 200 < found.max(), name
    assert {"curves", "errors", "activations"} <= set(names)


def test_what_fits_is_known_without_data():
    """Images, tables and sequences have their own pictures; a codebook has no in-between; one number is no plane."""
    image = {"reconstructions", "extremes", "heat_maps", "filters"}
    moved = {"traversals", "interpolations", "atoms"}
    assert image | moved <= set(fitting())
    assert image <= set(fitting("model=vqvae"))
    assert not moved & set(fitting("model=vqvae"))
    assert not (image | moved) & set(fitting("dataset=wine"))
    assert "columns" in fitting("dataset=wine")
    assert "sequences" in fitting("dataset=japanese_vowels", "model=recurrent")
    assert not {"codes_pca", "projector"} & set(fitting("model.latent_dim=1"))
    assert "prior" in fitting("model=vae")
    assert "prior" not in fitting("model=vae", "reg.lambda=0")
    assert "prior" not in fitting()
    assert "vector_field" in fitting("dataset=mixture", "model/corruption=gaussian")
    assert "vector_field" not in fitting("dataset=mixture")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("[traversal]", "no such picture (nearest: traversals)"),
        ("[columns]", "columns: draws tables only"),
        ("[prior]", "needs a model whose codes are trained to follow a prior"),
        ("[1]", "must be default, all, or a list of pictures"),
        ("{a: 1}", "must be default, all, or a list of pictures"),
    ],
)
def test_what_does_not_fit_is_refused_before_data(asked, words, tmp_path):
    told = here(tmp_path, f"pictures={asked}", "trainer=smoke")
    assert told.code == 2
    assert words in told.err
    assert not (tmp_path / "outputs" / "runs").exists() or not list((tmp_path / "outputs").rglob("results.json"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a short run with its default pictures."""
    work = tmp_path_factory.mktemp("drawn")
    told = here(work, "trainer=smoke", "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert not told.err
    return work / "run"


def images(folder):
    found = EventAccumulator(str(folder), size_guidance={"images": 0})
    found.Reload()
    return found


def test_default_set_lies_in_the_run_and_in_tensorboard(run):
    names = {p.stem for p in (run / "pictures").glob("*.png")}
    assert names == {"reconstructions", "extremes", "heat_maps", "codes_pca", "activations", "errors", "curves"}
    events = images(run)
    tags = {t for t in events.Tags()["tensors"] if t.startswith("Pictures/")}
    assert tags == {f"Pictures/{n.replace('_', ' ')}" for n in names}
    (found,) = events.Tensors("Pictures/errors")
    with Image.open(run / "pictures" / "errors.png") as picture:
        assert found.tensor_proto.string_val[:2] == [b"%d" % side for side in picture.size]
    about = events.SummaryMetadata("Pictures/heat maps")
    assert (about.display_name, about.summary_description) == ("heat maps", pictures.summary("heat_maps"))
    assert (run / "projector_config.pbtxt").exists()


def test_results_are_scalars_that_runs_are_compared_by(run):
    results, events = json.loads((run / "results.json").read_text()), images(run)
    ratio = results["test/se"] / results["pca/se"]
    named = {"MSE per element, val": "val/mse", "PSNR (dB), test": "test/psnr", "SE per sample, test": "test/se"}
    for name, value in {**{n: results[k] for n, k in named.items()}, "SE relative to PCA, test": ratio}.items():
        assert events.Scalars(f"Error/{name}")[-1].value == pytest.approx(value, rel=1e-5)
    first = sorted(events.Tags()["scalars"])[:4]
    assert [tag.partition("/")[0] for tag in first] == ["Error"] * 4, "HParams shows the first five"


def test_a_finished_run_is_drawn_from_its_folder_alone(run, tmp_path):
    told = here(tmp_path, "evaluate", str(run), "--pictures", "atoms,filters")
    assert told.code == 0, told.err
    assert not told.err
    assert {"atoms", "filters"} <= {p.stem for p in (run / "pictures").glob("*.png")}
    assert not (run / "evaluation.json").exists(), "nothing was asked"
    assert "Pictures/atoms" in images(run).Tags()["tensors"]
    assert here(tmp_path, "evaluate", str(run), "--pictures", "atom").code == 2


def test_pictures_change_nothing_else(tmp_path):
    """Training, and what is drawn from chance after it, is the same with and without them."""
    found = []
    for name in ("default", "[]"):
        assert here(tmp_path, "model=vae", "trainer=smoke", f"pictures={name}", f"hydra.run.dir=run_{len(name)}").code == 0
        found.append(json.loads((tmp_path / f"run_{len(name)}" / "results.json").read_text()))
    same = [{k: v for k, v in f.items() if k.startswith(("test/", "val/", "pca/"))} for f in found]
    assert same[0] == same[1]
    assert not (tmp_path / "run_2" / "pictures").exists()


@pytest.mark.slow
def test_matplotlib_waits_until_a_chart_is_drawn():
    """Neither the command line nor building and judging a run imports it."""
    code = (
        "import sys; from tests.conftest import composed; from aerun.build import build; import aerun.train\n"
        "plan = build(composed('pictures=default')); assert 'activations' in plan.pictures\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_charts_ask_for_no_window_and_ignore_the_users_style(monkeypatch):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "font.size", 40.0)
    before = dict(matplotlib.rcParams)
    with style.chart() as (figure, (ax,)):
        ax.set_title("title")
        assert matplotlib.rcParams["font.size"] == 9
        drawn = style.pixels(figure)
    assert dict(matplotlib.rcParams) == before
    assert drawn.shape == (352, 462, 3)
    assert type(figure.canvas).__name__ == "FigureCanvasAgg"


@pytest.mark.slow
def test_nothing_is_said_of_fonts_and_caches(tmp_path):
    """Not even on a first run, or where the home folder cannot be written to."""
    nowhere = dict.fromkeys(("HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/proc/none")
    code = "from aerun.__main__ import main; main()"
    command = [sys.executable, "-c", code, "trainer=smoke", "hydra.run.dir=run", "trainer.progress=false"]
    told = subprocess.run(command, cwd=tmp_path, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=300)
    assert (told.returncode, told.stderr) == (0, "")
    assert "atplotlib" not in told.stdout + (tmp_path / "run" / "aerun.log").read_text()
    assert (tmp_path / "run" / "pictures" / "curves.png").exists()


# -- what they say is true ---------------------------------------------------------------------------------------------


def test_trustworthiness_is_that_of_scikit_learn():
    """P46: a map of points onto themselves keeps every neighbour; a permuted one about half."""
    x = np.random.default_rng(0).normal(size=(200, 2))
    assert plane.trust(x, x) == 1
    assert 0.4 < plane.trust(x, x[np.random.default_rng(1).permutation(200)]) < 0.6
    assert math.isnan(plane.trust(x[:2], x[:2]))


def test_samples_are_spread_over_the_split():
    """A split sorted by class is seen whole, and no sample twice."""
    split = Split(torch.arange(1000.0)[:, None], torch.arange(1000) // 100)
    found = rows.stride_sample(split, 20)
    assert len(found) == 20
    assert found.y.unique().tolist() == [*range(10)]
    assert len(found.x.unique()) == 20
    assert rows.stride_sample(split, 5000) is split


def test_errors_are_those_of_the_report():
    from aerun.evaluate.reconstruction import report

    for overrides in ([], ["dataset=japanese_vowels", "model=recurrent"]):
        trained = untrained(*overrides)
        figures = report(trained)
        assert float(rows.errors(trained, trained.data.test).mean()) == pytest.approx(figures["test/se"], rel=1e-5)
        assert float(rows.errors(trained, trained.data.test, pca=True).mean()) == pytest.approx(figures["pca/se"], rel=1e-5)


def test_atoms_of_a_linear_decoder_are_its_columns(double):
    """Times the unit's deviation, which is what it is moved by."""
    trained = untrained("model=linear", "model.latent_dim=5")
    trained.autoencoder.double()
    found = centre(trained)
    atoms = responses(trained, found).flatten(1)
    columns = trained.autoencoder.arch.decoder_weights()[0].t() * found.units.std(0)[:, None]
    assert torch.allclose(atoms, columns, atol=1e-9)


def test_a_traversal_moves_one_unit():
    trained = untrained("model=conv")
    found = centre(trained)
    values = torch.tensor([-1.0, 2.0])
    z = found.moved(3, values)
    assert z.shape == (2, *found.code.shape)
    others = [j for j in range(z.shape[1]) if j != 3]
    assert torch.equal(z[:, others], found.code[others].expand(2, -1, *found.code.shape[1:]))
    assert all(torch.equal(z[i, 3], values[i].expand_as(z[i, 3])) for i in range(2))


def test_interpolations_start_and_end_at_the_codes(double):
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 6, generator=g)
    t = torch.linspace(0, 1, 5)
    for way in (straight, circle):
        assert torch.allclose(way(a, b, t)[[0, -1]], torch.stack([a, b]))
    b = b * a.norm() / b.norm()
    assert torch.allclose(circle(a, b, t).norm(dim=1), a.norm().expand(5)), "a great circle keeps the norm"
    assert straight(a, b, t)[2].norm() < 0.95 * a.norm()
    assert circle(a, a, t).isfinite().all()


def test_errors_are_shown_with_their_sign():
    x = torch.zeros(3, 1, 2, 2)
    x[1], x[2] = 1.0, -1.0
    white, above, below = signed(x, 1.0).flatten(2).mean(2)
    assert white.tolist() == [1, 1, 1]
    assert above[0] > above[2] + 0.5, "too bright is orange"
    assert below[2] > below[0] + 0.5, "too dark is blue"


def test_images_are_shown_on_the_range_of_the_data():
    """Not each on its own: a dim image stays dim."""
    x = torch.full((2, 1, 4, 4), 0.25)
    assert shown(x, IMAGE).unique().tolist() == [0.25]
    assert shown(x + 2, IMAGE).unique().tolist() == [1]
    assert shown(torch.rand(2, 5, 4, 4), IMAGE).shape == (2, 1, 4, 4)


def test_sheet_lays_cells_where_they_belong():
    cells = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    found = sheet([Row("", cells), Row("", 1 - cells)])
    middle = found[[4 + 32, 4 + 68 + 32]][:, [4 + 32, 4 + 68 + 32], 0]
    assert middle.tolist() == [[0, 255], [255, 0]]


def test_projector_files_belong_together(tmp_path):
    trained = untrained("dataset.normal=null")
    projector.draw(trained, tmp_path)
    codes = np.loadtxt(tmp_path / "projector" / "codes.tsv", ndmin=2)
    labels = (tmp_path / "projector" / "labels.tsv").read_text().splitlines()
    val = trained.data.val
    assert np.allclose(codes, trained.codes(val).numpy(), rtol=1e-4, atol=1e-5)
    assert labels[0] == "label\tsquared error"
    assert [int(line.split("\t")[0]) for line in labels[1:]] == val.y.tolist()
    with Image.open(tmp_path / "projector" / "thumbnails.png") as found:
        page = found.copy()
    across = math.ceil(len(val) ** 0.5)
    assert page.size == (40 * across, 40 * across)
    row, column = divmod(len(val) - 1, across)
    last = np.asarray(page)[row * 40 : row * 40 + 40, column * 40 : column * 40 + 40, 0]
    assert abs(last[::5, ::5].astype(int) - (val.x[-1, 0] / 16 * 255).round().int().numpy()).max() <= 1


def test_vector_field_of_the_best_denoiser_is_the_score(tmp_path):
    """r(x) = x + s^2 grad log p_s(x) agrees with the truth; the identity misses all of it."""
    trained = untrained(*MODELS["mixture"])
    x, s = trained.samples(trained.data.val), trained.autoencoder.corruption.sigma
    true = s**2 * trained.dataset.score(x, s)
    assert vector_field.agreement(true, true) == pytest.approx((1, 0), abs=1e-6)
    assert vector_field.agreement(-true, true)[0] == pytest.approx(-1, abs=1e-5)
    assert vector_field.agreement(torch.zeros_like(true), true)[1] == 1


def test_tsne_is_drawn_of_few_samples_too(tmp_path):
    trained = untrained("dataset=wine")
    assert pictures.module("codes_tsne").draw(trained, tmp_path).shape[2] == 3


def test_umap_says_what_it_needs(monkeypatch):
    plan = build(composed())
    umap = pictures.module("codes_umap")
    monkeypatch.setattr(umap, "find_spec", lambda name: None)
    assert "pip install umap-learn" in umap.unsupported_reason(plan.autoencoder, plan.dataset)
    monkeypatch.setattr(umap, "find_spec", lambda name: object())
    assert umap.unsupported_reason(plan.autoencoder, plan.dataset) == ""


def test_filters_of_an_encoder_that_sees_a_mask_leave_it_out():
    from aerun.pictures.filters import _images

    plan = build(composed("model/corruption=block"))
    found = _images(plan.autoencoder)
    weight = next(m for m in plan.autoencoder.arch.encoder.modules() if isinstance(m, nn.Linear)).weight
    assert found.shape[1:] == (1, 8, 8)
    assert torch.equal(found.flatten(1), weight[:, :64])


def test_a_picture_that_the_data_do_not_allow_is_told_and_left_out(tmp_path, caplog, monkeypatch):
    from aerun.pictures.canvas import album

    def refuse(trained, folder):
        raise AerunError("too few samples.")

    monkeypatch.setattr(pictures.module("codes_pca"), "draw", refuse)
    trained = untrained()
    assert [p.stem for p in album.draw_all(["codes_pca", "extremes"], trained, tmp_path)] == ["extremes"]
    assert "pictures: codes_pca: too few samples." in caplog.text
