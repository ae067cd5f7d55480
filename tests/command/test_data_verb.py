"""`aerun data`: intrinsic dimensions of known surfaces, what is counted, and what is said of each kind of data."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from aerun.command.data_columns import counts, described, histograms
from aerun.command.data_fits import fitting, refusal
from aerun.core.facts import Facts
from aerun.dataset.splits import Data, Split
from aerun.evaluate.survey import Dimension, constant, dimension, survey
from aerun.metrics.intrinsic import maximum_likelihood, neighbours, two_nn
from aerun.pictures.canvas.samples import page
from aerun.preparation.feature import Feature
from tests.conftest import built, composed
from tests.shell import here

TABLE = Facts(shape=(4,), kind="table", unit=1.0, low=None, high=None, classes=None)
IMAGE = Facts(shape=(1, 8, 8), kind="image", unit=255.0, low=0.0, high=1.0, classes=None)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -- intrinsic dimension -----------------------------------------------------------------------------------------


def brute(x, k):
    """All distances, one after the other."""
    return torch.stack([(x - row).norm(dim=1).sort().values[1 : k + 1] for row in x])


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_neighbours_are_the_nearest_others(double, offset):
    x = torch.randn(1500, 7, generator=generator()) + offset
    found = neighbours(x, 5)
    assert torch.allclose(found.sort(0).values, brute(x, 5).sort(0).values, rtol=1e-6, atol=1e-9)


def test_equal_rows_count_once(double):
    x = torch.randn(200, 3, generator=generator())
    assert torch.equal(neighbours(torch.cat([x, x[:50]])), neighbours(x))
    assert (neighbours(torch.cat([x, x[:50]])) > 0).all()
    with pytest.raises(ValueError, match="neighbours"):
        neighbours(x[:1].expand(100, 3))


def test_a_far_shift_changes_nothing():
    """In 32 bits the squares of 4096 would swamp distances of 1."""
    x = (torch.randn(1000, 4, generator=generator()) * 2**10).round() / 2**10  # so that the shift itself is exact
    assert torch.equal(neighbours(x).sort(0).values, neighbours(x + 4096).sort(0).values)


def embedded(kind, n=4000):
    """Samples of a surface of known dimension in 12 dimensions."""
    g = generator()
    mixing = torch.linalg.qr(torch.randn(12, 12, generator=g))[0]
    if kind == "line":
        x = torch.rand(n, 1, generator=g)
    elif kind == "plane":
        x = torch.rand(n, 2, generator=g)
    elif kind == "sphere":
        x = torch.nn.functional.normalize(torch.randn(n, 3, generator=g), dim=1)
    elif kind == "roll":
        t, h = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=g)), 21 * torch.rand(n, generator=g)
        x = torch.stack([t * t.cos(), h, t * t.sin()], 1)
    else:
        x = torch.randn(n, 5, generator=g)
    return torch.nn.functional.pad(x, (0, 12 - x.shape[1])) @ mixing


@pytest.mark.parametrize(("kind", "wanted"), [("line", 1), ("plane", 2), ("sphere", 2), ("roll", 2), ("gaussian", 5)])
def test_known_surfaces(kind, wanted):
    distances = neighbours(embedded(kind))
    assert abs(two_nn(distances) - wanted) < 0.08 * wanted + 0.05
    assert abs(maximum_likelihood(distances) - wanted) < 0.08 * wanted + 0.05


def test_the_estimators_are_exact_on_their_own_law(double):
    """mu ~ Pareto(d) and T_j / T_k of k - 1 uniform points to the power 1/d: no geometry, only the formulas."""
    g, d = generator(), 6.5
    mu = torch.rand(200_000, generator=g) ** (-1 / d)
    assert abs(two_nn(torch.stack([torch.ones_like(mu), mu], 1)) - d) < 0.1
    inside = torch.rand(50_000, 9, generator=g).sort(1).values ** (1 / d)
    assert abs(maximum_likelihood(torch.cat([inside, torch.ones(50_000, 1)], 1)) - d) < 0.05


def test_the_largest_ratios_are_discarded(double):
    """Outliers in the upper tenth change nothing but its order."""
    mu = torch.rand(10_000, generator=generator()) ** (-1 / 3.0)
    spoiled = torch.where(mu > mu.quantile(0.95), mu * 1e3, mu)
    plain, other = (two_nn(torch.stack([torch.ones_like(m), m], 1)) for m in (mu, spoiled))
    assert plain == other


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_manifold_of_three_dimensions(seed):
    """P47: TwoNN in [2.7, 3.5] on the generated sheet."""
    plan = built("dataset=manifold", f"dataset.seed={seed}")
    found = dimension(plan.dataset.load(), plan.facts, plan.dataset.preparation())
    assert 2.7 < found.two_nn < 3.5
    assert found.rows == 5000
    assert found.codes(20) == (3, 6)


def test_mnist_in_the_literature_of_this_project():
    """12.4 and 11.6 on the first 5,000 rows of MNIST."""
    import os
    from pathlib import Path

    root = Path(os.environ.get("AERUN_DATA", "."))
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip("AERUN_DATA does not name a folder with MNIST")
    from torchvision import datasets

    rows = datasets.MNIST(str(root)).data[:5000]
    distances = neighbours(rows.flatten(1) / 255)
    assert abs(two_nn(distances) - 12.4) < 0.05
    assert abs(maximum_likelihood(distances) - 11.6) < 0.05


# -- what is counted ---------------------------------------------------------------------------------------------


def data(train, val, test):
    return Data(*(Split(x, None) for x in (train, val, test)))


def test_duplicates_and_leaks_are_counted():
    x = torch.randn(30, 4, generator=generator())
    seen = survey(data(torch.cat([x[:10], x[:3]]), torch.cat([x[10:15], x[10:12], x[:1]]), x[8:20]), TABLE)
    assert [s.repeated for s in seen] == [3, 2, 0]
    assert [s.shared for s in seen] == [0, 1, 2]


def test_missing_infinite_and_range():
    x = torch.randn(50, 4, generator=generator()).clamp(-2, 2)
    x[3, 1] = x[7, 1] = x[7, 2] = float("nan")
    x[5, 0] = float("inf")
    x[6, 3] = -2.5
    train = survey(data(x, x[:5], x[:5]), TABLE)[0]
    assert train.missing.tolist() == [0, 2, 1, 0]
    assert (train.infinite, train.low) == (1, -2.5)
    assert train.high <= 2


def test_constant_columns_and_pixels():
    x = torch.randn(50, 4, generator=generator())
    x[:, 2] = 7
    x[:, 3] = float("nan")
    x[0, 3] = 1
    assert constant(Split(x, None), TABLE).tolist() == [False, False, True, True]
    pixels = torch.randint(0, 255, (9000, 1, 8, 8), generator=generator()).to(torch.uint8)
    pixels[:, :, 0] = 9
    pixels[8500, 0, 0, 0] = 8  # in a late chunk
    assert constant(Split(pixels, None), IMAGE).sum() == 7
    steps = torch.randn(20, 6, 3, generator=generator())
    steps[..., 1] = 4
    steps[:5, 4:] = float("nan")
    ragged = Facts(shape=(6, 3), kind="sequence", unit=1.0, low=None, high=None, classes=None, ragged=True)
    assert constant(Split(steps, None), ragged).tolist() == [False, True, False]
    assert survey(data(steps, steps[:2], steps[:2]), ragged)[0].lengths.tolist() == [4] * 5 + [6] * 15


def test_code_sizes_span_both_estimates_and_few_samples_are_no_evidence():
    assert Dimension(3.1, 2.8, 1000).codes(20) == (3, 6)
    assert not Dimension(3.1, 2.8, 1000).unsure
    assert Dimension(238.0, 10.5, 42).codes(768) == (10, 238)
    assert Dimension(238.0, 10.5, 5000).unsure
    assert Dimension(3.1, 2.8, 42).unsure
    assert Dimension(9.0, 0.2, 500).codes(4) == (1, 2)  # at most half of the data's size


def test_dimension_is_that_of_what_the_model_sees(tmp_path):
    """A column in other units would hide the rest; the preparation takes its units away."""
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[:, 0] *= 1e6
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    plan = built("dataset=table", f"dataset.path={tmp_path / 'x.csv'}")
    assert 2.5 < dimension(plan.dataset.load(), plan.facts, plan.dataset.preparation()).two_nn < 3.5


# -- what fits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "losses", "archs"),
    [
        ("digits", {"bce", "mse"}, {"conv", "mlp", "linear"}),
        ("pendigits", {"mse", "l1"}, {"conv", "mlp", "linear", "recurrent", "tcn", "patch"}),
        ("manifold", {"mse"}, {"mlp", "linear"}),
        ("text", {"categorical"}, {"recurrent", "tcn"}),
    ],
)
def test_options_that_fit_are_those_that_build(dataset, losses, archs):
    plan = built(
        f"dataset={dataset}",
        "model=recurrent" if dataset == "text" else "model=ae",
        "model/loss=categorical" if dataset == "text" else "model/loss=mse",
    )
    found = fitting(composed(f"dataset={dataset}"), plan.facts)
    fit = {group: {o for o, why in reasons.items() if not why} for group, reasons in found.items()}
    assert losses <= fit["model/loss"]
    assert fit["model/arch"] == archs
    for group, reasons in found.items():
        for option, why in reasons.items():
            assert not why or option in why, (group, option, why)


def test_refusal_is_that_of_a_run():
    facts = built("dataset=manifold").facts
    assert "model/loss=bce" in refusal(composed("dataset=manifold", "model/loss=bce"), facts)[0]
    why, warnings = refusal(composed("dataset=manifold", "model.latent_dim=20"), facts)
    assert not why
    assert "IdentityRisk" in warnings[0]


# -- the verb ----------------------------------------------------------------------------------------------------


def test_digits(tmp_path):
    told = here(tmp_path, "data", "dataset=digits")
    assert (told.code, told.err) == (0, "")
    for words in (
        "digits: image, 1 x 8 x 8",
        "1,257",
        "[0, 1]",
        "0: 120",
        "3 of 64",
        "TwoNN",
        "model.latent_dim=",
        "not recurrent",
    ):
        assert words in told.out
    picture = tmp_path / "outputs" / "data" / "digits" / "samples.png"
    with Image.open(picture) as image:
        assert image.size == (8 * 68, 8 * 68)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["samples.png"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("dataset=japanese_vowels model=recurrent", 0, ["7 to 29 steps", "12 features", "samples.png", "not mlp"]),
        ("dataset=text model=recurrent model/loss=categorical", 0, ["27", "2 to 13 steps", "sample", "text has none"]),
        ("dataset=text", 0, ["recurrent", "categorical"]),
        ("dataset=text model/arch=mlp", 2, ["refused", "model/arch=mlp"]),
        ("dataset=wine", 0, ["table, 13", "classes", "TwoNN"]),
        ("model/loss=categorical", 2, ["refused", "model/loss=categorical"]),
        ("model.latent_dim=64 --no-dimension", 0, ["IdentityRisk", "not asked for"]),
    ],
)
def test_every_kind(tmp_path, line, code, words):
    told = here(tmp_path, "data", *line.split())
    assert (told.code, told.err) == (code, "")
    for word in words:
        assert word in told.out
    assert ("picture" in told.out) == ("text" not in line)


def test_a_table_is_told_by_its_columns(tmp_path):
    rows = [f"{i},{i % 7},5,{'' if i % 10 == 0 else i}" for i in range(100)]
    (tmp_path / "x.csv").write_text("\n".join(["a,kind,same,gaps", *rows, rows[3]]) + "\n")
    told = here(tmp_path, "data", "dataset=table", "dataset.path=x.csv", "dataset.label=kind", "--no-dimension")
    assert told.code == 0, told.err
    for words in ("gaps (10)", "1 of 3 columns", "same", "every cell is a number", "0: "):
        assert words in told.out


def test_columns_and_classes_are_called_by_their_names(tmp_path):
    rows = [f"{'' if i % 9 == 0 else 'uvw'[i % 3]},2020-01-{i % 28 + 1:02},{i},{'good' if i % 2 else 'odd'}" for i in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(["word,day,n,y", *rows]) + "\n")
    told = here(tmp_path, "data", "dataset=table", "dataset.path=x.csv", "dataset.label=y", "--no-dimension")
    assert told.code == 0, told.err
    for words in ("good: ", "odd: ", "word (7)", "text of few words", "every cell is a date", "dataset.label=y"):
        assert words in told.out
    with Image.open(tmp_path / "outputs" / "data" / "table-x.csv" / "samples.png") as image:
        assert image.size == (3 * 184, 114)


def test_the_spread_of_a_column():
    number, word = Feature("n", "number"), Feature("w", "category", ("a", "b"))
    assert counts(number, torch.tensor([0.0, 29.0, 30.0, float("nan")])) == [1, *[0] * 28, 2]
    assert counts(number, torch.full((5,), 7.0)) == [5]
    assert counts(word, torch.tensor([0.0, 1.0, 1.0, -1.0, float("nan")])) == [1, 2]
    assert described(number, torch.full((2,), float("nan"))) == "n (no value)"


def test_data_that_a_run_would_refuse_are_surveyed_all_the_same(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 5, 3)).astype(np.float32))
    told = here(tmp_path, "data", "dataset=array", "dataset.path=x.npy", "dataset.kind=sequence", "model/loss=bce")
    assert told.code == 2
    assert "refused" in told.out
    assert "sequence, 5 x 3" in told.out


def test_images_leak(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (tmp_path / "x" / part).mkdir(parents=True)
    for i in range(40):
        picture = Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8))
        picture.save(tmp_path / "x" / "train" / f"{i}.png")
        if i < 10:
            picture.save(tmp_path / "x" / "test" / f"copy{i}.png")
    told = here(tmp_path, "data", "dataset=images", "dataset.path=x", "--output", "pictures")
    assert told.code == 0, told.err
    assert "test samples are equal to training samples" in told.out
    assert (tmp_path / "pictures" / "images-x" / "samples.png").is_file()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dataset=dgits", ["dataset=dgits", "nearest: digits"]),
        ("digits", ["digits", "dataset="]),
        ("dataset=images", ["dataset.path"]),
        ("dataset=images dataset.path=nowhere", ["nowhere"]),
        ("dataset=digits model.latnet_dim=3", ["model.latnet_dim"]),
        ("dataset=mnist dataset.root=nowhere dataset.download=false", ["nowhere"]),
        ("--config-dir nowhere", ["nowhere"]),
        ("dataset=digits --output file", ["file", "--output"]),
    ],
)
def test_refused_in_words(tmp_path, line, words):
    (tmp_path / "file").write_text("")
    told = here(tmp_path, "data", *line.split())
    assert (told.code, len(told.err.splitlines())) == (2, 1)
    for word in words:
        assert word in told.err


def test_help_needs_nothing(tmp_path):
    told = here(tmp_path, "data", "--help")
    assert told.code == 0
    assert "example: aerun data dataset=images" in " ".join(told.out.split())


@pytest.mark.slow
def test_lightning_is_not_imported(tmp_path):
    """Half of a run's start is Lightning."""
    code = "import sys; from aerun.command.data import run; run([]); assert 'pytorch_lightning' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_options_of_ones_own(tmp_path):
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text("_target_: aerun.dataset.digits.Digits\n")
    told = here(tmp_path, "data", "--config-dir", "conf", "dataset=mine", "--no-dimension")
    assert told.code == 0, told.err
    assert "mine: image" in told.out


def test_a_page_of_images_shows_their_pixels():
    x = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    x[1] = 255
    sheet = page(x, IMAGE)
    assert sheet.shape == (68, 136, 3)
    assert (sheet[:64, :64] == 0).all()
    assert (sheet[:64, 68:132] == 255).all()


def test_features_of_their_own_units_are_drawn_on_their_own_scales():
    """A vibration of 1 beside a temperature of 60 would be a flat line."""
    x = torch.stack([60 + torch.arange(24.0), torch.rand(24, generator=generator())], 1)[None]
    free = Facts(shape=(24, 2), kind="sequence", unit=1.0, low=None, high=None, classes=None)
    prepared = replace(free, prepared_from=(24, 2))
    red = [(page(x, facts)[:120, :280] == (214, 39, 40)).all(2).any(1).sum() for facts in (free, prepared)]
    assert red[0] <= 3
    assert red[1] > 80


def test_names_in_pictures_have_their_letters():
    drawn = [histograms(torch.rand(9, 1), [Feature(name, "number")]) for name in ("Größe", "Grösse", "Тело", "Gr??e")]
    assert all((a != b).any() for i, a in enumerate(drawn) for b in drawn[:i])
