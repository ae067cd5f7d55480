"""A nested run in use: codes of several sizes, what they come back as, and what is said of them."""

import json

import numpy as np
import pytest

import aerun
from aerun.core.errors import AerunError
from aerun.report.curves import curves
from aerun.runs.groups import selected
from tests.shell import here


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "told"])
def model(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("nested") / "run"
    words = (
        "regularizer=nested",
        f"reg.terms.nested.tell={str(request.param).lower()}",
        "model.latent_dim=8",
        "model.arch.hidden=[16]",
        "trainer.max_epochs=2",
        "trainer.progress=false",
    )
    return aerun.train(*words, "pictures=[prefixes]", folder=folder)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(0, 17, (5, 1, 8, 8)).astype(np.float32)


def test_a_prefix_is_the_first_units_and_comes_back_as_such(model, x):
    """P92: encode --size k is encode[:, :k]; decode of short codes puts 0 for the others, and tells a decoder that asks."""
    whole = model.encode(x)
    assert model.sizes == (1, 2, 4, 8)
    np.testing.assert_array_equal(model.encode(x, size=2), whole[:, :2])
    short = whole.copy()
    short[:, 2:] = 0
    told = model.autoencoder.tells_cuts
    assert np.array_equal(model.decode(whole[:, :2]), model.decode(short)) != told
    np.testing.assert_array_equal(model.reconstruct(x, size=2), model.decode(whole[:, :2]))
    np.testing.assert_array_equal(model.reconstruct(x, size=8), model.reconstruct(x))


def test_verbs_cut_codes(model, x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    run = str(model.folder.path)
    assert here(tmp_path, "encode", run, "x.npy", "--size", "4", "-o", "z.npz").code == 0
    assert np.load(tmp_path / "z.npz")["z"].shape == (5, 4)
    assert here(tmp_path, "decode", run, "z.npz", "-o", "again.npz").code == 0
    assert here(tmp_path, "reconstruct", run, "x.npy", "--size", "4", "-o", "same.npz").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "again.npz")["x"], np.load(tmp_path / "same.npz")["x"])
    odd = here(tmp_path, "encode", run, "x.npy", "--size", "3", "-o", "z.npz")
    assert odd.code == 0
    assert "size=3: was not trained; 1, 2, 4, 8 were." in odd.out + odd.err
    wide = here(tmp_path, "encode", run, "x.npy", "--size", "9", "-o", "z.npz")
    assert wide.code == 2
    assert "use 1 to 8" in wide.err


def test_a_run_of_one_size_has_no_others(x, tmp_path):
    plain = aerun.train("trainer=smoke", "pictures=[]", "evaluate=[]", "trainer.progress=false", folder=tmp_path / "run")
    assert plain.sizes == ()
    with pytest.raises(AerunError, match="regularizer=nested"):
        plain.encode(x, size=2)
    with pytest.raises(AerunError, match="codes of shape"):
        plain.decode(np.zeros((3, 2), np.float32))


def test_its_results_its_chart_and_compare_show_every_size(model, tmp_path):
    results = json.loads((model.folder.path / "results.json").read_text())
    assert results["size/8/se"] == pytest.approx(results["test/se"])
    assert results["size/8/pca_se"] == pytest.approx(results["pca/se"])
    _, keys, groups = selected([model.folder.path], [])
    (chart,) = curves(groups, keys, None)
    line, pca = chart.series
    assert [(p.x, p.y) for p in line.points] == [(k, pytest.approx(results[f"size/{k}/se"])) for k in (1, 2, 4, 8)]
    assert [p.y for p in pca.points] == [pytest.approx(results[f"size/{k}/pca_se"]) for k in (1, 2, 4, 8)]
    assert "upper bound" in chart.notes[0]
    assert f"2: {results['size/2/se']:.4g} (PCA {results['size/2/pca_se']:.4g})" in here(
        tmp_path, "compare", str(model.folder.path)
    ).out.replace("\n", " ")


def test_stages_of_a_residual_code_in_use(tmp_path, x):
    """`size` counts stages: each prefix is a whole code, with bits in place of the error of PCA."""
    words = ("model=vqvae", "model.bottleneck.stages=3", "model.bottleneck.codes=16", "regularizer=nested", "reg.lambda=1")
    run = aerun.train(*words, "trainer=smoke", "trainer.progress=false", "pictures=[prefixes]", folder=tmp_path / "run")
    assert run.sizes == (1, 2, 3)
    coarse = run.encode(x, size=1)
    assert coarse.shape == run.encode(x).shape
    np.testing.assert_array_equal(run.decode(coarse), run.reconstruct(x, size=1))
    np.testing.assert_array_equal(run.reconstruct(x, size=3), run.reconstruct(x))
    with pytest.raises(AerunError, match="size=4: this run's codes have 3 stages; use 1 to 3"):
        run.encode(x, size=4)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [results[f"stage/{k}/bits"] for k in (1, 2, 3)] == [16, 32, 48]
    assert results["stage/3/se"] == pytest.approx(results["test/se"])
    assert not [k for k in results if k.startswith("size/")]
