"""The model that the lab's whisper reads: the same numbers in another container."""

import struct
from pathlib import Path

import pytest

from lab import whisper_model

WORDS = ["!", "Ġthe", "Ċ", "<|endoftext|>", "<|startoftranscript|>"]


def source(folder: Path, tensors: dict[str, tuple[tuple[int, ...], bytes]], spec: str) -> Path:
    """Write a CTranslate2 model: version 6, 16-bit tensors, one number beside them."""

    def text(word: str) -> bytes:
        return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"

    out = struct.pack("<I", 6) + text(spec) + struct.pack("<2I", 3, len(tensors) + 1)
    out += text("decoder/num_heads") + struct.pack("<BBI", 0, 2, 2) + b"\6\0"
    for name, (shape, data) in tensors.items():
        out += text(name) + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
        out += struct.pack("<BI", whisper_model.FLOAT16, len(data)) + data
    (folder / "model.bin").write_bytes(out + struct.pack("<I", 0))
    (folder / "vocabulary.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


def tensors(ggml: bytes) -> dict[str, tuple[tuple[int, ...], int, bytes]]:
    """Read the tensors of a ggml file of three words: name -> shape, kind, data."""
    at = 4 * 12 + 8 + 4 * 80 * 201
    assert struct.unpack_from("<i", ggml, at) == (3,)
    at += 4
    for word in (b"!", b" the", b"\n"):
        assert ggml[at + 4 : at + 4 + len(word)] == word
        at += 4 + len(word)
    found = {}
    while at < len(ggml):
        rank, size, kind = struct.unpack_from("<3i", ggml, at)
        shape = struct.unpack_from(f"<{rank}i", ggml, at + 12)
        at += 12 + 4 * rank
        name = ggml[at : at + size].decode()
        count = (2 if kind else 4) * (shape[0] * (shape[1] if rank > 1 else 1))
        found[name] = (shape, kind, ggml[at + size : at + size + count])
        at += size + count
    return found


def test_queries_keys_and_values_are_told_apart(tmp_path: Path) -> None:
    halves = struct.pack("<12e", *range(12))
    place = "encoder/layer_0/self_attention/linear_0"
    folder = source(
        tmp_path,
        {f"{place}/weight": ((6, 2), halves), f"{place}/bias": ((6,), halves[:12])},
        "WhisperSpec",
    )
    whisper_model.convert(folder, tmp_path / "out.bin")
    ggml = (tmp_path / "out.bin").read_bytes()
    assert ggml[:4] == b"lmgg"
    block = "encoder.blocks.0.attn"
    assert tensors(ggml) == {
        f"{block}.query.weight": ((2, 2), 1, halves[:8]),
        f"{block}.key.weight": ((2, 2), 1, halves[8:16]),
        f"{block}.value.weight": ((2, 2), 1, halves[16:]),
        f"{block}.query.bias": ((2,), 0, struct.pack("<2f", 0, 1)),
        f"{block}.value.bias": ((2,), 0, struct.pack("<2f", 4, 5)),
    }


def test_another_container_is_refused(tmp_path: Path) -> None:
    folder = source(tmp_path, {}, "TransformerSpec")
    with pytest.raises(ValueError, match="a TransformerSpec of version 6, expected a WhisperSpec"):
        whisper_model.convert(folder, tmp_path / "out.bin")


def test_the_filters_are_slaneys() -> None:
    filters = whisper_model.mel_filters()
    assert len(filters) == 80 * 201
    # 40 Hz in the first two rows, as librosa's `mel` has it.
    assert [filters[1], filters[202]] == pytest.approx([0.02486259, 0.00199083], abs=1e-7)
