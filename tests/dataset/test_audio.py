"""Sounds: what is read is what was written; log-mel energies are what their formula says."""

import io
import os
import struct
import sys
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from aerun.core.errors import AerunError
from aerun.dataset.base import validate_data
from aerun.dataset.sequences.mel import filters, log_mel
from aerun.formats.audio import UnreadableError, read
from tests.conftest import built
from tests.shell import here

RNG = np.random.default_rng(0)


def wav(path, samples, width=2, rate=8000):
    """PCM of whole numbers (n,) or (n, channels)."""
    samples = np.asarray(samples, np.int64)
    samples = samples[:, None] if samples.ndim == 1 else samples
    if width == 1:
        body = (samples + 128).astype(np.uint8).tobytes()
    else:
        body = b"".join(int(v).to_bytes(width, "little", signed=True) for v in samples.flatten())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], width, rate, 0, "NONE", ""))
        file.writeframes(body)


def noise(n, width=2):
    top = 2 ** (8 * width - 1)
    return RNG.integers(-top, top, n)


def folder(root, names, n=600):
    """name -> samples of a file."""
    found = {name: noise(n) for name in names}
    for name, samples in found.items():
        wav(root / name, samples)
    return found


def loaded(path, *settings):
    plan = built("dataset=audio", f"dataset.path={path}", *(f"dataset.{s}" for s in settings))
    return validate_data(plan.dataset.load(), plan.facts, "audio"), plan.facts


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_of_every_width_is_read_exactly(tmp_path, width):
    samples = np.concatenate([noise(50, width), [-(2 ** (8 * width - 1)), 0, 2 ** (8 * width - 1) - 1]])
    wav(tmp_path / "x.wav", samples, width, 11025)
    with (tmp_path / "x.wav").open("rb") as file:
        sound = read(file)
    assert sound.rate == 11025
    assert sound.x.dtype == np.float32
    assert np.array_equal(sound.x, (samples / 2.0 ** (8 * width - 1)).astype(np.float32))


def test_channels_are_mixed_to_their_mean(tmp_path):
    left, right = noise(40), noise(40)
    wav(tmp_path / "x.wav", np.stack([left, right], 1))
    with (tmp_path / "x.wav").open("rb") as file:
        assert np.allclose(read(file).x, (left + right) / 2 / 2**15, atol=1e-6)


def test_frames_are_the_sound_itself(tmp_path):
    written = folder(tmp_path, [f"{i}.wav" for i in range(10)], 250)
    data, facts = loaded(tmp_path, "form=frames", "length=100")
    assert (facts.shape, facts.kind, facts.low, facts.high) == ((100, 1), "sequence", -1.0, 1.0)
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 4, 4]  # two from each file
    known = {(x[i : i + 100] / 2**15).astype(np.float32).tobytes() for x in written.values() for i in (0, 100)}
    assert {x.numpy().tobytes() for part in (data.train, data.val, data.test) for x in part.x} == known


def test_stretches_of_a_file_stay_in_one_split(tmp_path):
    for i in range(20):
        wav(tmp_path / f"{i}.wav", np.full(500, 1000 * i))
    data, _ = loaded(tmp_path, "form=frames", "length=100", "stride=10")
    files = [{round(float(v) * 2**15 / 1000) for v in part.x[:, 0, 0]} for part in (data.train, data.val, data.test)]
    assert not files[0] & files[1] | files[0] & files[2] | files[1] & files[2]
    assert len(data.train) == 14 * 41


def test_folders_are_labels_and_splits(tmp_path):
    names = [f"{part}/{c}/{i}.wav" for part in ("train", "val", "test") for c in ("off", "on") for i in range(4)]
    folder(tmp_path, names)
    data, facts = loaded(tmp_path, "length=256", "stride=100", "mels=8")
    assert facts.classes == 2
    assert [len(part) for part in (data.train, data.val, data.test)] == [32, 32, 32]
    assert all(part.y.bincount().tolist() == [16, 16] for part in (data.train, data.val, data.test))
    normal, _ = loaded(tmp_path, "length=256", "mels=8", "normal=[on]")
    assert set(normal.train.y.tolist()) == {1}
    assert set(normal.test.y.tolist()) == {0, 1}


def test_an_archive_is_its_folder(tmp_path):
    folder(tmp_path / "x" / "inner", [f"{c}/{i}.wav" for c in "ab" for i in range(10)])
    (tmp_path / "x" / "inner" / "LICENSE").write_text("free")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for path in sorted((tmp_path / "x").rglob("*"), reverse=True):
            archive.add(path, path.relative_to(tmp_path / "x"), recursive=False)
    one, two = loaded(tmp_path / "x", "length=300"), loaded(tmp_path / "x.tar.gz", "length=300")
    assert one[1] == two[1]
    for a, b in zip(vars(one[0]).values(), vars(two[0]).values(), strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)


# -- log-mel -----------------------------------------------------------------------------------------------------


def direct(x, rate, window, hop, mels, floor):
    """The formula, written out: a sum for each frequency, a triangle for each band."""
    n = np.arange(window)
    w = 0.5 - 0.5 * np.cos(2 * np.pi * n / window)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    hz = [700 * (10 ** (top * j / (mels + 1) / 2595) - 1) for j in range(mels + 2)]
    out = []
    for t in range(1 + (len(x) - window) // hop):
        part = x[t * hop : t * hop + window]
        power = [abs((w * part * np.exp(-2j * np.pi * k * n / window)).sum() / w.sum()) ** 2 for k in range(window // 2 + 1)]
        row = []
        for low, centre, high in zip(hz, hz[1:], hz[2:], strict=False):
            f = rate * np.arange(window // 2 + 1) / window
            weight = np.where(f <= centre, (f - low) / (centre - low), (high - f) / (high - centre)).clip(0)
            row.append(1 - max(10 * np.log10((weight * power).sum() / weight.sum()), floor) / floor)
        out.append(row)
    return np.array(out)


def test_log_mel_is_its_formula(double):
    x = RNG.uniform(-1, 1, 300)
    found = log_mel(torch.from_numpy(x)[None], filters(8000, 64, 10), 64, 20, -80.0)[0]
    assert found.shape == (12, 10)
    assert np.allclose(found.numpy(), direct(x, 8000, 64, 20, 10, -80.0), atol=1e-9)


def test_the_dataset_gives_that_formula(tmp_path):
    written = folder(tmp_path, [f"{i}.wav" for i in range(8)], 400)
    settings = ("length=300", "window=64", "hop=20", "mels=10", "floor=-60")
    data, facts = loaded(tmp_path, *settings)
    assert (facts.shape, facts.kind, facts.low, facts.high) == ((12, 10), "sequence", 0.0, 1.0)
    wanted = [direct(x[:300] / 2**15, 8000, 64, 20, 10, -60.0) for x in written.values()]
    for x in data.train.x:
        assert min(np.abs(x.numpy() - w).max() for w in wanted) < 1e-4
    picture, about = loaded(tmp_path, *settings, "form=image")
    assert (about.shape, about.kind) == ((1, 10, 12), "image")
    assert torch.equal(picture.train.x[:, 0].flip(1).transpose(1, 2), data.train.x)


def test_log_mel_lies_in_zero_to_one_whatever_the_sound(double):
    """No sound in [-1, 1] exceeds 0 decibels: not a sine in the middle of a band, not a constant, not noise of signs."""
    t = torch.arange(256.0)
    bank = filters(8000, 64, 10)
    loud = torch.stack(
        [torch.sin(2 * torch.pi * t * k / 64) for k in range(33)] + [torch.ones(256), torch.ones(256) * (-1) ** t]
    )
    v = log_mel(torch.cat([loud, torch.zeros(1, 256)]), bank, 64, 32, -80.0)
    assert 0 <= v.min() <= v.max() <= 1
    assert v[-1].max() == 0
    assert v[-3, :, 0].max() > 0.9  # a constant is as loud as can be, in the lowest band
    quieter = log_mel(0.1 * loud[5:6], bank, 64, 32, -80.0).max()
    assert torch.isclose(log_mel(loud[5:6], bank, 64, 32, -80.0).max() - quieter, torch.tensor(20 / 80), atol=1e-6)


def test_a_tone_is_in_its_band(double):
    rate, window, mels = 16000, 512, 40
    t = torch.arange(window) / rate
    top = 2595 * np.log10(1 + rate / 2 / 700)
    for hz in (300.0, 1000.0, 4000.0):
        v = log_mel(torch.sin(2 * torch.pi * hz * t)[None], filters(rate, window, mels), window, window, -80.0)[0, 0]
        mel = 2595 * np.log10(1 + hz / 700)
        assert abs(int(v.argmax()) + 1 - mel / top * (mels + 1)) < 1


# -- settings and bad input --------------------------------------------------------------------------------------


SETTINGS = ["form=frames", "form=image", "length=500", "stride=100", "window=128", "hop=64", "mels=20", "floor=-40", "val=0.3"]


@pytest.mark.parametrize("setting", [*SETTINGS, "test=0.3"])
def test_every_setting_changes_the_samples(tmp_path, setting):
    folder(tmp_path, [f"{i}.wav" for i in range(10)], 1200)
    base = ("length=600", "mels=10")
    a, b = loaded(tmp_path, *base)[0], loaded(tmp_path, *base, setting)[0]
    assert a.train.x.shape != b.train.x.shape or not torch.equal(a.train.x, b.train.x)


def test_short_files_are_dropped_and_counted_or_padded(tmp_path, caplog):
    folder(tmp_path, [f"{i}.wav" for i in range(20)])
    for name in ("3.wav", "4.wav"):
        wav(tmp_path / name, np.full(60, 2**14))
    assert sum(len(part) for part in vars(loaded(tmp_path, "form=frames", "length=100")[0]).values()) == 18 * 6
    assert "2 of 20 files are shorter than dataset.length=100" in caplog.text
    data, _ = loaded(tmp_path, "form=frames", "length=100", "short=pad")
    whole = torch.cat([part.x[..., 0] for part in vars(data).values()])
    padded = whole[(whole[:, 60:] == 0).all(1)]
    assert len(padded) == 2
    assert (padded[:, :60] == 0.5).all()


def test_a_corrupt_file_among_good_ones_is_left_out_counted_and_named(tmp_path, caplog):
    folder(tmp_path, [f"{c}/{i}.wav" for c in "ab" for i in range(60)])
    before, _ = loaded(tmp_path, "form=frames", "length=600")
    cut = tmp_path / "a" / "7.wav"
    cut.write_bytes(cut.read_bytes()[:700])
    data, _ = loaded(tmp_path, "form=frames", "length=600")
    assert "1 of 120 sound files cannot be read and are left out: a/7.wav (ends early: 328 of 600 samples" in caplog.text
    assert sum(len(part) for part in vars(data).values()) == 119
    kept = {x.numpy().tobytes(): int(y) for part in vars(before).values() for x, y in zip(part.x, part.y, strict=True)}
    assert all(kept[x.numpy().tobytes()] == y for part in vars(data).values() for x, y in zip(part.x, part.y, strict=True))
    (tmp_path / "b" / "8.wav").write_text("no sound")
    with pytest.raises(AerunError, match=r"more than 1 % of its 120 sound files.*b/8.wav"):
        loaded(tmp_path, "length=600")


def sound(kind, subtype=None, x=None, rate=8000):
    """The bytes of a file that libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, RNG.uniform(-1, 1, 600) if x is None else x, rate, format=kind, subtype=subtype)
    return file.getvalue()


WHOLE = {"PCM_U8": 7, "PCM_16": 15, "PCM_24": 23, "PCM_32": 31}
KINDS = [(k, s) for k in ("WAV", "WAVEX") for s in (*WHOLE, "FLOAT", "DOUBLE")] + [("FLAC", "PCM_16"), ("FLAC", "PCM_24")]


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
@pytest.mark.parametrize("opened", [True, False], ids=["file", "memory"])
def test_what_was_written_is_read(tmp_path, kind, subtype, opened):
    """Plain and extensible headers, whole and floating-point numbers, in files and in memory: the channels' mean."""
    x = RNG.uniform(-1, 1, (600, 2)).astype(np.float32)
    if bits := WHOLE.get(subtype):
        x = np.round(x.astype(np.float64) * (2**bits - 1)) / 2**bits
    (tmp_path / "x").write_bytes(content := sound(kind, subtype, x, 11025))
    with (tmp_path / "x").open("rb") if opened else io.BytesIO(content) as file:
        found = read(file)
    assert (found.rate, found.x.dtype) == (11025, np.float32)
    assert np.allclose(found.x, x.mean(1), atol=1e-7 if bits != 7 else 1e-2)


@pytest.mark.parametrize("kind", ["OGG", "MP3"])
def test_lossy_kinds_are_read_as_they_sound(kind):
    x = 0.5 * np.sin(np.arange(32000) / 8)
    found = read(io.BytesIO(sound(kind, x=x, rate=16000)))
    assert len(found.x) == pytest.approx(32000, abs=2400)
    assert abs(np.std(found.x[2000:30000]) - 0.5 / 2**0.5) < 0.02


@pytest.mark.parametrize(
    ("whole", "promised"),
    [
        (b"\xff" * 4, b"\xff" * 4),
        (b"\0" * 4, b"\0" * 4),
        (b"\x24\0\0\0", b"\0" * 4),
        (b"\xff\xff\xff\x7f", b"\xdb\xff\xff\x7f"),
    ],
)
def test_a_stream_without_its_sizes_is_read_to_its_end(whole, promised):
    """As a program writes it into a pipe."""
    content = sound("WAV", "PCM_16")
    piped = content[:4] + whole + content[8:40] + promised + content[44:]
    assert np.array_equal(read(io.BytesIO(piped)).x, read(io.BytesIO(content)).x)


def test_several_channels_are_told(tmp_path, caplog):
    for i in range(10):
        (tmp_path / f"{i}.wav").write_bytes(sound("WAV", "PCM_16", RNG.uniform(-1, 1, (600, 1 + (i == 3)))))
    loaded(tmp_path, "form=frames", "length=600")
    assert "1 of 10 files have several channels: their mean is used" in caplog.text


def test_an_archive_holds_every_kind(tmp_path):
    for i, (name, kind) in enumerate({"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}.items()):
        for k in range(4):
            path = tmp_path / "x" / f"{i}{k}.{name}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sound(kind, x=0.5 * np.sin(np.arange(600) / (1 + i + k))))
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x", "x")
    folder, packed = (loaded(tmp_path / name, "form=frames", "length=600")[0] for name in ("x", "x.tar.gz"))
    assert sum(map(len, vars(folder).values())) == 12
    assert all(torch.equal(a.x, b.x) for a, b in zip(vars(folder).values(), vars(packed).values(), strict=True))


def test_what_goes_beyond_full_scale_is_cut_off_and_told_or_refused(tmp_path, caplog):
    for i in range(10):
        (tmp_path / f"{i}.wav").write_bytes(sound("WAV", "FLOAT", np.linspace(-1.5 if i == 3 else -1.0, 1.0, 600)))
    data, _ = loaded(tmp_path, "form=frames", "length=600")
    assert min(float(part.x.min()) for part in vars(data).values()) == -1
    assert "1 of 10 files go beyond full scale and are cut off there" in caplog.text
    with pytest.raises(UnreadableError, match="its numbers reach 30000, and full scale is 1"):
        read(io.BytesIO(sound("WAV", "FLOAT", np.full(60, 30000.0))))


def test_without_the_library_it_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(AerunError, match=r"pip install 'aerun\[data\]'"):
        read(io.BytesIO(riff()))


def riff(kind=1, bits=16, data=b"\0" * 64, promised=None):
    body = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    body += struct.pack("<4sI", b"data", len(data) if promised is None else promised) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"RIFF\x10\0\0\0WAVE", "no sound"),
        (b"MP3 or so", "no sound"),
        (b"ID3\x03\0\0\0\0\0\0", "no sound"),
        (sound("WAV", "FLOAT", np.array([0.0, np.nan])), "its numbers reach nan"),
        (riff(data=b""), "no samples"),
        (riff(promised=2**31), "ends early: 32 of 1073741824 samples"),
        (riff()[:30], "no sound"),
        (riff(bits=64), "no sound"),
        (sound("FLAC")[:400], "damaged, cut short"),
        (sound("FLAC")[:20], "damaged, cut short"),
        (sound("OGG")[:1000], "damaged, cut short"),
    ],
    # Names of their own: libsndfile writes the time into its headers, and every process must call a test the same.
    ids=[
        "empty",
        "riff",
        "text",
        "id3",
        "nan",
        "no_samples",
        "cut",
        "half_a_header",
        "64_bits",
        "flac_cut",
        "flac_header",
        "ogg_cut",
    ],
)
def test_what_is_wrong_with_a_file_is_told(content, words):
    with pytest.raises(UnreadableError, match=words):
        read(io.BytesIO(content))


REFUSED = {
    "no path": ("", ["dataset.path"]),
    "no such path": ("dataset.path=nowhere", ["dataset.path=nowhere"]),
    "no sounds": ("dataset.path=empty", ["dataset.path=empty", "no sound files"]),
    "no archive": ("dataset.path=x/0.wav", ["x/0.wav", "not a tar archive"]),
    "archive cut": ("dataset.path=cut.tar.gz", ["cut.tar.gz", "truncated"]),
    "all short": ("dataset.path=x dataset.length=9999", ["dataset.length=9999", "shorter"]),
    "another rate": ("dataset.path=x dataset.rate=16000", ["0.wav", "8000", "dataset.rate=16000"]),
    "two rates": ("dataset.path=rates", ["5.wav", "16000", "8000"]),
    "empty bands": ("dataset.path=x dataset.window=64 dataset.mels=60", ["dataset.mels=60", "dataset.window=64"]),
    "window longer than the sample": ("dataset.path=x dataset.length=100", ["dataset.window=256", "dataset.length=100"]),
    "floor above 0": ("dataset.path=x dataset.floor=3", ["dataset.floor=3"]),
    "no hop": ("dataset.path=x dataset.hop=0", ["dataset.hop=0"]),
    "form misspelt": ("dataset.path=x dataset.form=logmell", ["dataset.form=logmell", "nearest: logmel"]),
    "too few files": ("dataset.path=few dataset.length=300", ["dataset.path=few", "2 files"]),
}


@pytest.mark.parametrize(("line", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_words(tmp_path, line, words):
    folder(tmp_path / "x", [f"{i}.wav" for i in range(9)], 400)
    folder(tmp_path / "few", [f"{i}.wav" for i in range(2)], 400)
    folder(tmp_path / "rates", [f"{i}.wav" for i in range(9)], 5000)
    wav(tmp_path / "rates" / "5.wav", noise(5000), rate=16000)
    (tmp_path / "empty").mkdir()
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x", "x")
    whole = (tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    told = here(tmp_path, "dataset=audio", *line.split(), "trainer=smoke")
    assert (told.code, len(told.err.splitlines())) == (2, 1)
    for word in words:
        assert word in told.err


def test_a_file_larger_than_memory_is_refused_unread(tmp_path, monkeypatch):
    folder(tmp_path / "x", [f"{i}.wav" for i in range(9)])
    monkeypatch.setattr("aerun.core.memory.memory_limit", lambda: 1000)
    with pytest.raises(AerunError, match="in memory"):
        loaded(tmp_path / "x")


def test_the_voice_prompts():
    """A real archive: 568 prompts, 8 kHz."""
    path = Path(os.environ.get("AERUN_DATA", "")) / "audio" / "asterisk_en_US_f_Allison.tar.gz"
    if not path.is_file():
        pytest.skip("AERUN_DATA does not name a folder with audio/")
    data, facts = loaded(path)
    assert facts.shape == (31, 40)
    assert sum(len(part) for part in vars(data).values()) == 2691
    assert 0.05 < data.train.x.std() < 0.5
