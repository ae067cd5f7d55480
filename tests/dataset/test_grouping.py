"""Words that few rows have, and ids: read as one word, or as groups of words."""

import pytest

from aerun import load
from aerun.core.errors import AerunError
from aerun.dataset.tables.grouping import group_of
from tests.conftest import built
from tests.shell import here

CITIES = ["Rome", "Oslo"] * 40 + ["Bonn"] * 12 + [f"village {i}" for i in range(8)]


def written(path, ids=False):
    rows = [f"{i % 7},{city},{f'id {i % 90}' if ids else 'x'}" for i, city in enumerate(CITIES)]
    path.write_text("\n".join(["n,city,key", *rows]) + "\n")
    return ("dataset=table", f"dataset.path={path}", *([] if ids else ["dataset.drop=[key]"]))


def city(*words):
    dataset = built(*words).dataset
    return next(f for f in dataset.known.features if f.name == "city"), dataset


def test_rare_words_and_those_beyond_the_most_frequent_become_one(tmp_path, caplog):
    words = written(tmp_path / "t.csv")
    feature, dataset = city(*words, "dataset.rare=5")
    assert feature.words == ("Bonn", "Oslo", "Rome", "other")
    assert "all of city but 3" in caplog.text
    assert any("dataset.rare=5" in note for note in dataset.notes)
    assert feature.words[int(dataset.load().train.x[:, 1].max())] == "other"
    assert city(*words, "dataset.most=2")[0].words == ("Oslo", "Rome", "other")
    assert city(*words, "dataset.most=50")[0].other is False
    assert "Rome" in city(*words, "dataset.rare=500")[0].words
    assert "city: no word is in 500 training rows (dataset.rare): all stay as they are." in caplog.text
    for setting in ("dataset.rare=1", "dataset.most=0", "dataset.hash=1"):
        with pytest.raises(AerunError, match=setting):
            built(*words, setting)


def test_ids_are_refused_or_read_as_groups_that_every_machine_has(tmp_path):
    words = written(tmp_path / "t.csv", ids=True)
    with pytest.raises(AerunError, match="'key' holds"):
        built(*words, "dataset.rare=3")
    dataset = built(*words, "dataset.hash=16", "dataset.rare=3").dataset
    feature = dataset.known.features[2]
    assert (feature.hash, len(feature.words)) == (16, 16)
    assert group_of("id 7", 16) == 12  # md5, as `md5sum` has it
    assert 0 <= int(dataset.load().train.x[:, 2].min()) <= int(dataset.load().train.x[:, 2].max()) < 16


def test_unseen_words_are_other_and_a_drawn_other_is_an_empty_cell(tmp_path):
    words = written(tmp_path / "t.csv")
    told = here(tmp_path, *words, "dataset.rare=5", "trainer.max_epochs=1", "model=vae", "evaluate=[]", "hydra.run.dir=run")
    assert told.code == 0, told.err
    model = load(tmp_path / "run")
    stored, _ = model.form.to_stored({"n": [1.0, 2.0], "city": ["Paris", "Rome"]})
    assert stored[:, 1].tolist() == [3, 2]
    drawn = model.generate(200)["city"]
    assert "" in drawn
    assert "other" not in drawn
