"""Chips to embeddings: one network, fed in batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assent.errors import ModelUnsupported, UsageError
from assent.models.sessions import ModelSession
from assent.types import Float32, UInt8

MAX_BATCH = 32  # beyond it throughput is flat and activations cost memory


@dataclass(frozen=True, slots=True)
class EmbedderFormat:
    """What the network expects of a chip: size, colour order, ``(x - mean) / std`` per channel.

    Attributes:
        size_px: side of the square chip.
        dim: length of the embedding.
        colour_order: "rgb" or "bgr".
        mean: three values in the order of ``colour_order``.
        std: three values in the order of ``colour_order``.
    """

    size_px: int
    dim: int
    colour_order: str = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Embedder:
    """Runs the network on chips. Safe for use from several threads, as its session is."""

    def __init__(self, session: ModelSession, fmt: EmbedderFormat) -> None:
        self._session = session
        self.fmt = fmt

    def embeddings(self, chips_rgb: UInt8) -> Float32:
        """The network's raw output.

        Args:
            chips_rgb: (N, S, S, 3) uint8, RGB, S the network's size; N may be 0.

        Returns:
            (N, D) float32, not normalised.

        Raises:
            UsageError: chips of another shape or dtype.
            ModelUnsupported: the network's output is not (N, D) or not finite.
        """
        size = self.fmt.size_px
        if chips_rgb.ndim != 4 or chips_rgb.shape[1:] != (size, size, 3) or chips_rgb.dtype != np.uint8:
            raise UsageError(
                f"chips must be (N, {size}, {size}, 3) uint8, got {chips_rgb.shape} {chips_rgb.dtype}; "
                "cut them with assent.vision.align.cut_chips"
            )
        parts = [self._run(chips_rgb[i : i + MAX_BATCH]) for i in range(0, len(chips_rgb), MAX_BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.fmt.dim), np.float32)

    def unit_embeddings(self, chips_rgb: UInt8) -> Float32:
        """``embeddings`` scaled to unit length, (N, D) float32."""
        return unit_rows(self.embeddings(chips_rgb))

    def _run(self, chips_rgb: UInt8) -> Float32:
        output = self._session.run({self._session.inputs[0].name: self._blob(chips_rgb)})[0]
        wanted = (len(chips_rgb), self.fmt.dim)
        if output.shape != wanted or not np.isfinite(output).all():
            raise ModelUnsupported(
                f"the embedder must give finite values of shape {wanted}, got shape {output.shape}; "
                "correct input_size and output_dim in its manifest entry, or take another file"
            )
        return np.asarray(output, np.float32)

    def _blob(self, chips_rgb: UInt8) -> Float32:
        """(N, 3, S, S) float32 in the network's colour order and range."""
        ordered = chips_rgb if self.fmt.colour_order == "rgb" else chips_rgb[..., ::-1]
        blob = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)
        if any(self.fmt.mean):
            blob -= np.array(self.fmt.mean, np.float32)[:, None, None]
        if self.fmt.std != (1.0, 1.0, 1.0):
            blob /= np.array(self.fmt.std, np.float32)[:, None, None]
        return blob


def unit_rows(vectors: Float32) -> Float32:
    """Rows (N, D) scaled to length 1; a row of zeros stays zeros (its cosine with anything is 0)."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0), np.float32)
