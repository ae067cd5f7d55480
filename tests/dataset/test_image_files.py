"""Images in archives, in several folders and in HuggingFace's columns: as in a folder, or refused in words."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from aerun.core.errors import AerunError
from aerun.formats import archives
from tests.conftest import built
from tests.inference.test_own_files import read, reader, same
from tests.served import served

G = np.random.default_rng(0)
NAMES = [f"{split}/{kind}/{i}.png" for split in ("train", "val", "test") for kind in ("cat", "dog") for i in range(4)]


def png():
    out = io.BytesIO()
    Image.fromarray(G.integers(0, 255, (6, 6), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


FILES = {name: png() for name in NAMES}


def loaded(path):
    source = built("dataset=images", f"dataset.path={path}").dataset
    data = source.load()
    return source.class_names, [(part.x.tolist(), part.y.tolist()) for part in (data.train, data.val, data.test)]


def unpacked(folder):
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def packed(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, content in files.items():
                out.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as out:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_an_archive_is_the_folder_that_it_was_made_of(tmp_path, name):
    unpacked(tmp_path / "all")
    packed(tmp_path / name, {**FILES, "notes.txt": b"none", ".hidden.png": b"none"})
    assert loaded(tmp_path / name) == loaded(tmp_path / "all")


def test_several_folders_are_classes(tmp_path):
    unpacked(tmp_path)
    classes, _ = loaded(f"[{tmp_path}/train/cat,{tmp_path}/train/dog]")
    assert classes == ("cat", "dog")
    assert loaded(f"'{tmp_path}/train/*'")[0] == ("cat", "dog")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("outside", ["../a.png", "/a.png", "a/../../b.png"])
def test_names_that_lead_outside_are_refused(tmp_path, name, outside):
    packed(tmp_path / name, {**FILES, outside: png()})
    with pytest.raises(AerunError, match="leads outside"):
        loaded(tmp_path / name)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_a_broken_or_huge_member_is_named(tmp_path, name, monkeypatch):
    packed(tmp_path / name, {**FILES, "train/cat/bad.png": b"no image"})
    with pytest.raises(AerunError, match=r"train/cat/bad\.png \(not an image\)"):
        loaded(tmp_path / name)
    packed(tmp_path / name, {**FILES, "train/cat/big.png": bytes(5000)})
    monkeypatch.setattr(archives, "LARGEST", 4000)
    with pytest.raises(AerunError, match=r"big\.png \(5,000 bytes, more than the 4,000"):
        loaded(tmp_path / name)


def test_verbs_read_archives_patterns_and_urls_of_them(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    unpacked(tmp_path / "all")
    for name in ("x.zip", "x.tar", "x.tar.gz"):
        packed(tmp_path / name, FILES)
    found, rows = reader("dataset=images", f"dataset.path={tmp_path / 'all'}")
    own = read(found, tmp_path / "all")
    assert same(own, rows)
    with served(tmp_path) as host:
        for name in ("x.zip", "x.tar", "x.tar.gz"):
            for place in (tmp_path / name, f"{host}/{name}"):
                assert same(read(found, place), rows)
        assert same(read(found, tmp_path / "x*.gz"), rows)
        one = sorted(FILES)[0]
        assert same(read(found, f"{host}/all/{one}"), read(found, tmp_path / "all" / one))


def test_a_cut_archive_is_refused(tmp_path):
    packed(tmp_path / "x.zip", FILES)
    (tmp_path / "x.zip").write_bytes((tmp_path / "x.zip").read_bytes()[:-200])
    with pytest.raises(AerunError, match=r"x\.zip: not an archive, cut short or damaged"):
        loaded(tmp_path / "x.zip")


def test_images_that_huggingface_saves_have_its_classes_and_splits(tmp_path):
    pa = pytest.importorskip("pyarrow")
    unpacked(tmp_path / "all")
    notes = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    for split in ("train", "validation", "test"):
        chosen = [n for n in NAMES if n.startswith(split[:3])]
        kind = pa.struct({"bytes": "binary", "path": "string"})
        table = pa.table(
            {
                "image": pa.array([{"bytes": FILES[n], "path": None} for n in chosen], kind),
                "label": [int("dog" in n) for n in chosen],
            }
        ).replace_schema_metadata({"huggingface": json.dumps(notes)})
        (tmp_path / "saved" / split).mkdir(parents=True)
        where = tmp_path / "saved" / split / "data-00000-of-00001.arrow"
        with pa.OSFile(str(where), "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        (where.parent / "dataset_info.json").write_text("{}")
        (where.parent / "state.json").write_text(json.dumps({"_data_files": [{"filename": where.name}]}))
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')
    assert loaded(tmp_path / "saved") == loaded(tmp_path / "all")
