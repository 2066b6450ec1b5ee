"""Files of safetensors (huggingface/safetensors on GitHub), as far as a state dict needs them.

Such a file is the length of its header (8 bytes, little-endian), the header in JSON, and the values. The header has for
each tensor its `dtype`, its `shape` and where it begins and ends among the values (`data_offsets`). It holds no code.
The package of that name is not in PyTorch's environment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError

DTYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"},
    **{"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"},
}


def read(path: Path) -> dict[str, Any]:
    """The tensors by name.

    Raises:
        DliflowError: when there is no such file, or it is not whole.
    """
    try:
        contents = bytearray(path.read_bytes())
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: there is no such file") from error
    start = 8 + int.from_bytes(contents[:8], "little")
    try:
        header = json.loads(contents[8:start])
        header.pop("__metadata__", None)
        return {name: _tensor(memoryview(contents)[start:], **described) for name, described in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise DliflowError(f"{path}: no file of safetensors, or cut off: {error}") from error


def _tensor(values: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> Any:
    import torch

    begin, end = data_offsets
    part, kind = values[begin:end], getattr(torch, DTYPES[dtype])
    if len(part) != end - begin:
        raise ValueError(f"its values end at {len(values):,} bytes")
    return (torch.frombuffer(part, dtype=kind) if len(part) else torch.empty(0, dtype=kind)).reshape(shape)
