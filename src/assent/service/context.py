"""What every use case works with: records, models, calibrations, a clock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assent.calibration.profile import CalibrationProfile
from assent.config import Settings
from assent.models.store import ModelStore
from assent.service.galleries import Galleries
from assent.service.profiles import find_profile
from assent.store.records import Records

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

Clock = Callable[[], datetime]


def default_actor() -> str:
    """Who asks when nobody says so: the operating system's user number, which names nobody."""
    return f"os-user-{os.getuid()}" if hasattr(os, "getuid") else "os-user"


class Context:
    """The parts of one open data folder; networks and galleries are loaded when first used.

    Args:
        settings: where things are.
        records: the open records.
        clock: gives the present moment.
        engine: networks that are loaded already.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        *,
        clock: Clock,
        engine: FaceEngine | None = None,
    ) -> None:
        self.settings = settings
        self.records = records
        self.clock = clock
        self.models = ModelStore(settings.models_path)
        self.galleries = Galleries()
        self._lock = threading.Lock()
        self._engine = engine
        self._profiles: dict[str, CalibrationProfile] = {}

    @property
    def engine(self) -> FaceEngine:
        """The networks; opened on first use.

        Raises:
            ModelMissing: not pulled yet.
            ModelCorrupt: a file is not what it was.
        """
        from assent.vision.engine import FaceEngine  # ONNX Runtime loads only when a photo comes

        with self._lock:
            if self._engine is None:
                self._engine = FaceEngine.open(
                    self.models,
                    detector=self.settings.detector,
                    embedder=self.settings.embedder,
                    threads=self.settings.threads,
                )
            return self._engine

    @property
    def calibrations_dir(self) -> Path:
        """The folder of the user's own calibration profiles."""
        return self.settings.data_dir / "calibrations"

    def profile(self, model_digest: str) -> CalibrationProfile:
        """The newest calibration of a model: the user's own before the one that comes with Assent.

        Raises:
            NoCalibration: there is none; without one there is no score.
            CalibrationError: a file in the calibrations folder cannot be read.
        """
        with self._lock:
            if model_digest not in self._profiles:
                self._profiles[model_digest] = find_profile(self.calibrations_dir, model_digest)
            return self._profiles[model_digest]

    def forget_profiles(self) -> None:
        """Read the calibrations anew at the next search."""
        with self._lock:
            self._profiles.clear()

    def close(self) -> None:
        """Drop templates and networks from memory and close the records."""
        self.galleries.forget()
        self._engine = None
        self.records.close()
