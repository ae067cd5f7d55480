"""`aerun report --figures`: charts and tables as files for a paper."""

import csv
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from aerun.report.figures import latex, markdown
from aerun.runs.readable import in_words, readable
from tests.command.test_compare import N, made
from tests.shell import here


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    for model in ("ae", "=v&e_"):
        for size in (2, 8, 32):
            made(folder / "s", f"{size}-{model[1:]}", error=np.full(N, 3.0 / size), model=model, size=size, parameters=size)
    told = here(folder, "report", "s", "--figures", "out", "--front", "parameters,test/se")
    assert told.code == 0, told.err
    return folder / "out"


def test_every_chart_in_three_formats_and_the_table_in_three(figures):
    names = {path.name for path in figures.iterdir()}
    charts = {name.rpartition(".")[0] for name in names} - {"settings"}
    assert charts == {"test_error_model_latent_dim", "test_se_parameters"}
    assert names == {f"{c}.{k}" for c in charts for k in ("svg", "pdf", "png")} | {
        f"settings.{k}" for k in ("tex", "csv", "md")
    }


def test_charts_have_the_size_of_a_column_and_letters_that_are_letters(figures):
    with Image.open(figures / "test_error_model_latent_dim.png") as image:
        assert image.size[0] == 1050  # 3.5 inches at 300 dots; as high as the lines of the legend below the axes need
    text = " ".join(ElementTree.parse(figures / "test_error_model_latent_dim.svg").getroot().itertext())
    for words in ("numbers in the code", "PCA of the same size", "test squared error per sample"):
        assert words in text
    assert "model=" not in text
    assert (figures / "test_error_model_latent_dim.pdf").read_bytes().startswith(b"%PDF")


def test_tables_hold_what_the_sweep_holds(figures):
    with (figures / "settings.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head[:3] == ["model", "code size", "objective"]
    assert len(rows) == 6
    assert {row[0] for row in rows} == {"ae", "'=v&e_"}  # no spreadsheet runs it
    tex = (figures / "settings.tex").read_text()
    assert r"=v\&e\_ & 32 & " in tex
    assert tex.count(r"\\") == 7


def test_latex_and_markdown_escape_what_acts_there():
    assert r"50\% & a\_b\{\}\textbackslash{} & 1 $\pm$ 2 \\" in latex(["a", "b", "c"], [["50%", "a_b{}\\", "1 ± 2"]], 2)
    assert "| a\\|b | 1 |" in markdown(["x", "y"], [["a|b", "1"]], 1)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("model.latent_dim", "code size"),
        ("reg.terms.kl.weight", "kl weight"),
        ("reg.lambda", "regularization weight"),
        ("test/psnr", "test PSNR (dB)"),
        ("anomaly/model/auroc", "anomaly AUROC"),
        ("model.arch.hidden", "hidden"),
    ],
)
def test_settings_and_figures_have_names_for_readers(key, words):
    assert readable(key) == words


def test_labels_in_words():
    keys = ["model", "model.latent_dim", "reg.lambda"]
    assert in_words("model=vae model.latent_dim=8 reg.lambda=1e-3", keys) == "vae, code size 8, regularization weight 1e-3"
