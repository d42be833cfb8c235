"""What the promises' tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PURPOSE = "club-photos"


def files_under(*folders: Path) -> dict[Path, bytes]:
    """Every file of these folders."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a result, with the names and keys that lead to it; an array or list of numbers is one thing."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from walk(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, f"{path}.{key.value if isinstance(key, Enum) else key}")
    elif isinstance(value, list | tuple) and not (value and all(isinstance(v, int | float) for v in value)):
        for item in value:
            yield from walk(item, f"{path}[]")
    else:
        yield path, value


def num_numbers(value: Any) -> int:
    """How many numbers one thing of ``walk`` holds."""
    if isinstance(value, np.ndarray):
        return value.size
    return len(value) if isinstance(value, list | tuple | bytes | bytearray | memoryview) else 1


def side_by_side(*photos: Path) -> Image.Image:
    """Photographs of one height, left to right."""
    parts = []
    for photo in photos:
        with Image.open(photo) as image:
            parts.append(np.asarray(image.convert("RGB").resize((500, 600))))
    return Image.fromarray(np.concatenate(parts, axis=1))
