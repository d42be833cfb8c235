"""Networks that remember what they answered: many tests show them the same few photographs."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from assent.models.sessions import ModelSession, TensorInfo
from assent.models.store import ModelStore

_KEPT_BYTES = 64 << 20


class RememberingSession:
    """The real network behind the same interface; inputs that it has had before, bit for bit, are not run again.

    It is the same answer: a network on one thread is a function of its inputs' bytes, shapes and types, all of
    which are hashed (SHA-256), and what is handed out is a copy that the caller may write to. Everything before
    and after the network (decoding, scaling, choosing, aligning, judging) is done each time. Beyond 64 MiB the
    oldest answers are forgotten.
    """

    def __init__(self, session: ModelSession) -> None:
        self._session = session
        self._lock = Lock()
        self._answers: OrderedDict[bytes, list[npt.NDArray[Any]]] = OrderedDict()
        self._num_bytes = 0

    @property
    def inputs(self) -> Sequence[TensorInfo]:
        """What the network takes."""
        return self._session.inputs

    @property
    def outputs(self) -> Sequence[TensorInfo]:
        """What the network gives."""
        return self._session.outputs

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The network's outputs; see ``ModelSession.run``."""
        key = _key(inputs)
        with self._lock:
            known = self._answers.get(key)
            if known is not None:
                self._answers.move_to_end(key)
        if known is None:
            known = self._session.run(inputs)
            self._keep(key, known)
        return [answer.copy() for answer in known]

    def _keep(self, key: bytes, answer: list[npt.NDArray[Any]]) -> None:
        with self._lock:
            if key in self._answers:  # another thread asked the same meanwhile
                return
            self._answers[key] = answer
            self._num_bytes += sum(array.nbytes for array in answer)
            while self._num_bytes > _KEPT_BYTES:
                _, oldest = self._answers.popitem(last=False)
                self._num_bytes -= sum(array.nbytes for array in oldest)


class RememberingModels(ModelStore):
    """A model folder whose networks remember."""

    def load_session(self, name: str, *, threads: int = 0) -> ModelSession:
        """See ``ModelStore.load_session``."""
        return RememberingSession(super().load_session(name, threads=threads))


def _key(inputs: Mapping[str, npt.NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(inputs):
        array = np.ascontiguousarray(inputs[name])
        digest.update(f"{name} {array.dtype.str} {inputs[name].shape};".encode())
        digest.update(array.data.cast("B") if array.size else b"")
    return digest.digest()
