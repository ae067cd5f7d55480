"""Files of a run made as large, as deep or as crowded as their formats allow: what is done to each, by name."""

import io
import json
import struct
import zipfile
import zlib

import numpy as np
import yaml


def change(path, action):
    read, write = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    found = read(path.read_text())
    action(found)
    path.write_text(write(found))


def text(content):
    return lambda path: path.write_text(content)


def more(content):
    return lambda path: path.write_text(path.read_text() + content)


def with_key(key, raw):
    """The table with one more key, whose value is what `raw` returns: megabytes, made where they are needed."""

    def put(path):
        found = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**found, key: "@raw@"}).replace('"@raw@"', raw()))

    return put


def setting(*keys, value):
    def put(path):
        def inner(config):
            for key in keys[:-1]:
                config = config[key]
            config[keys[-1]] = value

        change(path, inner)

    return put


def sparse(size):
    def put(path):
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(size)

    return put


def laughs():
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    return "\n".join([*lines, *(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))])


JSON = {
    "deep": with_key("a", lambda: "[" * 10**6 + "]" * 10**6),
    "nested": with_key("a", lambda: '{"a":' * 500 + "1" + "}" * 500),
    "many": with_key("a", lambda: "[" + "1," * 5_000_000 + "1]"),
    "as many as are read": with_key("a", lambda: "[" + ",".join(f'"{i} \U0001f600"' for i in range(290_000)) + "]"),
    "keys": with_key("a", lambda: "{" + ",".join(f'"{i}":{i}.5' for i in range(290_000)) + "}"),
    "tables": with_key("a", lambda: "[" + ",".join(["{}"] * 149_000) + "]"),
    "a long word": with_key("a", lambda: '"' + "x" * 7_000_000 + "\U0001f600" + '"'),
    "a huge word": with_key("a", lambda: '"' + "x" * 60_000_000 + '"'),
    "digits": with_key("a", lambda: "1" * 5_000_000),
    "spaces": sparse(10 << 30),
}


def header(shape, kind="<f4"):
    """An npy file whose header promises more than it holds."""

    def put(path):
        out = io.BytesIO()
        np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
        path.write_bytes(out.getvalue() + bytes(64))

    return put


def array(size):
    return lambda path: np.save(path, np.ones(size, np.float32))


def archive(kind=zipfile.ZIP_DEFLATED, **members):
    """The archive with more members, or others."""

    def put(path):
        with zipfile.ZipFile(path) as packed:
            kept = {n: packed.read(n) for n in packed.namelist()}
        kept.update({next((n for n in kept if n.endswith(k.replace("__", "."))), k): v for k, v in members.items()})
        with zipfile.ZipFile(path, "w", kind, compresslevel=1) as packed:
            for name, content in kept.items():
                packed.writestr(name, content)

    return put


def crowded(count):
    def put(path):
        with zipfile.ZipFile(path, "a") as packed:
            for i in range(count):
                packed.writestr(f"x/{i}", b"")

    return put


NPZ = {
    "a bomb": archive(mean=bytes(400 << 20)),
    "half a bomb": archive(more=bytes(120 << 20)),
    "members": crowded(30_000),
    "huge": sparse(10 << 30),
}
CKPT = {
    "a bomb": archive(data__pkl=bytes(400 << 20)),
    "members": crowded(30_000),
    "more members": crowded(19_000),
    "lists": archive(zipfile.ZIP_STORED, data__pkl=b"\x80\x02" + b"]" * 599_000 + b"."),
    "words": archive(zipfile.ZIP_STORED, data__pkl=b"\x80\x02X" + struct.pack("<I", 16_000_000) + b"x" * 16_000_000 + b"."),
    "a memo": archive(zipfile.ZIP_STORED, data__pkl=b"\x80\x02}r\xff\xff\xff\xff."),
    "huge": sparse(10 << 30),
}


def storages(count, times):
    """A checkpoint with more numbers than its model has."""

    def put(path):
        import torch

        found = torch.load(path, weights_only=True)
        found["more"] = [torch.zeros(count) for _ in range(times)]
        if "state_dict" in found and times > 1:
            found["state_dict"]["more"] = torch.zeros(count)
        torch.save(found, path)

    return put


def head(content):
    """A file of compress with another head, its checksum right."""

    def put(path):
        packed = zlib.compress(content, 9)
        start = struct.pack("<7sBQI", b"aerun z", 1, 6, len(packed)) + packed
        path.write_bytes(start + struct.pack("<I", zlib.crc32(start)))

    return put


def block(content):
    """A file of compress with one other block, its checksum right."""

    def put(path):
        whole = path.read_bytes()
        (size,) = struct.unpack_from("<I", whole, 16)
        start = whole[: 20 + size + 4]
        path.write_bytes(start + struct.pack("<II", len(content), zlib.crc32(content)) + content)

    return put


def own_tables(n, cells, latent=4):
    """Samples by tables of their own, with as many numbers in these as they may have."""
    widths = np.full(latent, cells // latent, "<u2")
    tables = np.zeros(latent, "<i8").tobytes() + widths.tobytes() + np.ones(int(widths.sum()), "<u4").tobytes()
    packed = zlib.compress(tables, 9)
    levels = struct.pack("<BI", 0, 0) + struct.pack("<I", len(packed)) + packed + struct.pack("<H", 1) + bytes(64)
    return struct.pack("<IB3s", n, 0, b"<f4") + struct.pack("<I", 0) + levels


BOMBS = {
    "config.yaml": {
        "aliases": more(laughs()),
        "deep": more("\na: " + "[" * 100_000),
        "many": more("\na: [" + "1," * 400_000 + "1]"),
        "as many as are read": more("\na: [" + "1," * 49_000 + "1]"),
        "a long word": more("\na: " + "x" * (2 << 20)),
        "huge": sparse(10 << 30),
        "many layers": setting("model", "arch", "hidden", value=[1] * 20_000),
        "wide layers": setting("model", "arch", "hidden", value=[10**9, 10**9]),
        "a large code": setting("model", "latent_dim", value=10**12),
    },
    **dict.fromkeys(("run.json", "facts.json", "results.json", "scores.json", "evaluation.json"), JSON),
    "metrics.csv": {
        "a long line": text("epoch,step\n" + "1," * (1 << 20)),
        "many columns": text(",".join(f"c{i}" for i in range(100_000)) + "\n" + ",".join("1" * 100_000) + "\n"),
        "many rows": text("epoch,step,train/loss\n" + "1,1,1\n" * 6_000_000),
        "huge": sparse(10 << 30),
    },
    "test_errors.npy": {
        "promises": header((1 << 40,)),
        "promises in words": header((1 << 20,) * 8),
        "as large as is read": array((63 << 20) // 4),
        "huge": sparse(10 << 30),
    },
    "codes.npz": NPZ,
    "checkpoints/best.ckpt": {**CKPT, "numbers": storages(120_000_000, 1), "weights": storages(2_000_000, 3)},
    "checkpoints/last.ckpt": {**CKPT, "numbers": storages(120_000_000, 1), "weights": storages(2_000_000, 3)},
    "events.out.tfevents.0000000001.there.1.0": {"huge": sparse(10 << 30)},
    "aerun.log": {"huge": sparse(10 << 30)},
    "pictures/reconstructions.png": {
        "huge": sparse(10 << 30),
        "many pixels": lambda path: path.write_bytes(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1 << 30, 1 << 30) + bytes(60)
        ),
    },
    "../packed": {
        "a head": head(b'{"model": "", "code": [8], "steps": [' + b"1.0," * 12_000_000 + b"1.0]}"),
        "a deep head": head(b"[" * 10_000_000),
        "tables": block(own_tables(6, 8 * 32_767)),
        "samples": block(own_tables(4096, 80)),
        "huge": sparse(10 << 30),
        "a huge block": lambda path: (head_of := path.read_bytes()[:-1], path.write_bytes(head_of)),
    },
}
