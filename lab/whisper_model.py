"""A real, small Whisper model (tiny.en, 39 million weights) as whisper.cpp reads it.

No registry has ggml's files, but one Python package carries the weights in CTranslate2's format.
They are the same tensors under other names: this rewrites the container and leaves the numbers
alone. Sources: CTranslate2's model_spec.py (the container and the fused q, k and v), whisper.cpp's
models/convert-pt-to-ggml.py (the order of a ggml file), librosa's `mel` (the filter bank, which
CTranslate2 computes and ggml's file carries).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = 0x67676D6C
FLOAT16 = 4
"""CTranslate2's number for it."""
STATE, HEADS, LAYERS, AUDIO_CTX, TEXT_CTX, MELS = 384, 6, 4, 1500, 448, 80
FRAME_HZ, WINDOW = 16000, 400
WHOLE = {
    "encoder/conv1": "encoder.conv1", "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post", "decoder/layer_norm": "decoder.ln",
}  # fmt: skip
TABLES = {
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/embeddings/weight": "decoder.token_embedding.weight",
}
BLOCK = {
    "self_attention/layer_norm": "attn_ln", "self_attention/linear_1": "attn.out",
    "attention/layer_norm": "cross_attn_ln", "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
    "ffn/layer_norm": "mlp_ln", "ffn/linear_0": "mlp.0", "ffn/linear_1": "mlp.2",
}  # fmt: skip
FUSED = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
KIND = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


@dataclass(frozen=True)
class Tensor:
    """One tensor of 16-bit floats, row by row."""

    name: str
    shape: tuple[int, ...]
    data: bytes

    def parts(self, number: int) -> list[bytes]:
        """Split it along its first dimension."""
        size = len(self.data) // number
        return [self.data[i * size : (i + 1) * size] for i in range(number)]


def convert(source: Path, target: Path) -> None:
    """Write the ggml file of the CTranslate2 model in folder `source`. Raises ValueError."""
    with (source / "model.bin").open("rb") as file:
        tensors = list(_tensors(file))
    words = (source / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    with target.open("wb") as out:
        shape = (AUDIO_CTX, STATE, HEADS, LAYERS, TEXT_CTX, STATE, HEADS, LAYERS, MELS)
        out.write(struct.pack("<12i", MAGIC, len(words), *shape, 1))
        bank = mel_filters()
        out.write(
            struct.pack("<2i", MELS, len(bank) // MELS) + struct.pack(f"<{len(bank)}f", *bank)
        )
        ordinary = words[: words.index("<|endoftext|>")]
        out.write(struct.pack("<i", len(ordinary)))
        for word in ordinary:
            content = _bytes_of(word)
            out.write(struct.pack("<i", len(content)) + content)
        for tensor in tensors:
            for name, shape_, data in _renamed(tensor):
                _write(out, name, shape_, data)


def mel_filters() -> list[float]:
    """Return Slaney's 80 triangular filters over 201 frequencies, row by row."""
    bins = WINDOW // 2 + 1
    edges = [_hz(_mel(FRAME_HZ / 2) * i / (MELS + 1)) for i in range(MELS + 2)]
    rows: list[float] = []
    for left, middle, right in zip(edges, edges[1:], edges[2:], strict=False):
        for index in range(bins):
            hz = index * FRAME_HZ / WINDOW
            height = min((hz - left) / (middle - left), (right - hz) / (right - middle))
            rows.append(max(0.0, height) * 2 / (right - left))
    return rows


def _mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + math.log(hz / 1000) * 27 / math.log(6.4)


def _hz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)


def _tensors(file: BinaryIO) -> Iterator[Tensor]:
    version, spec = _number(file, "I"), _text(file)
    if (version, spec) != (6, "WhisperSpec"):
        raise ValueError(f"a {spec} of version {version}, expected a WhisperSpec of version 6")
    _number(file, "I")
    for _ in range(_number(file, "I")):
        name = _text(file)
        shape = tuple(_number(file, "I") for _ in range(_number(file, "B")))
        kind, data = _number(file, "B"), file.read(_number(file, "I"))
        if shape and kind == FLOAT16:
            yield Tensor(name, shape, data)


def _number(file: BinaryIO, form: str) -> int:
    found: int = struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0]
    return found


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _renamed(tensor: Tensor) -> Iterator[tuple[str, tuple[int, ...], bytes]]:
    """Yield whisper.cpp's names for a tensor, and its parts where q, k and v are one."""
    if tensor.name in TABLES:
        yield TABLES[tensor.name], tensor.shape, tensor.data
        return
    place, _, kind = tensor.name.rpartition("/")
    if place in WHOLE:
        yield f"{WHOLE[place]}.{KIND[kind]}", tensor.shape, tensor.data
        return
    side, layer, part = place.split("/", 2)
    block = f"{side}.blocks.{layer.removeprefix('layer_')}"
    if part in BLOCK:
        yield f"{block}.{BLOCK[part]}.{KIND[kind]}", tensor.shape, tensor.data
        return
    names = FUSED[part]
    shape = (tensor.shape[0] // len(names), *tensor.shape[1:])
    for name, data in zip(names, tensor.parts(len(names)), strict=True):
        # Keys have no bias in Whisper; CTranslate2 fuses them with zeros.
        if not (name.endswith("key") and kind == "bias"):
            yield f"{block}.{name}.{KIND[kind]}", shape, data


def _write(out: BinaryIO, name: str, shape: tuple[int, ...], data: bytes) -> None:
    """Write one tensor: what is small or a position as 32-bit floats, the rest as it is."""
    if name in {"encoder.conv1.bias", "encoder.conv2.bias"}:
        shape = (*shape, 1)
    wide = len(shape) < 2 or shape[-1] == 1 or name.endswith("positional_embedding")
    if wide:
        values = struct.unpack(f"<{len(data) // 2}e", data)
        data = struct.pack(f"<{len(values)}f", *values)
    title = name.encode()
    out.write(struct.pack("<3i", len(shape), len(title), 0 if wide else 1))
    out.write(struct.pack(f"<{len(shape)}i", *reversed(shape)) + title + data)


def _alphabet() -> dict[str, int]:
    """Return GPT-2's letters for bytes: printable ones stand for themselves, others from U+0100."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in own]
    return {chr(b): b for b in own} | {chr(0x100 + i): b for i, b in enumerate(rest)}


ALPHABET = _alphabet()


def _bytes_of(word: str) -> bytes:
    return bytes(ALPHABET[letter] for letter in word)
