"""What every use case works with: records, models, calibrations, a clock."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assent.calibration.profile import CalibrationProfile
from assent.config import Settings
from assent.errors import AssentError, Forbidden
from assent.models.store import ModelStore
from assent.service.galleries import Galleries
from assent.service.indexes import Indexes
from assent.service.profiles import find_profile
from assent.service.saved_galleries import SavedGalleries
from assent.store.access import AccessKey, Role
from assent.store.records import Records

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

Clock = Callable[[], datetime]


def default_actor() -> str:
    """Who asks when nobody says so: the operating system's user number, which names nobody."""
    return f"os-user-{os.getuid()}" if hasattr(os, "getuid") else "os-user"


class _Loaded:
    """What is loaded when first used, shared by every view of one data folder."""

    def __init__(self, engine: FaceEngine | None) -> None:
        self.lock = threading.Lock()
        self.engine = engine
        self.profiles: dict[str, CalibrationProfile] = {}


class Context:
    """The parts of one open data folder; networks and galleries are loaded when first used.

    Args:
        settings: where things are.
        records: the open records.
        clock: gives the present moment.
        actor: who acts, where nobody came with a key.
        engine: networks that are loaded already.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        *,
        clock: Clock,
        actor: str,
        engine: FaceEngine | None = None,
    ) -> None:
        self.settings = settings
        self.records = records
        self.clock = clock
        self.actor = actor
        self.caller: AccessKey | None = None
        self.models = ModelStore(settings.models_path)
        self.galleries = Galleries(
            Indexes.of(settings),
            SavedGalleries(settings.data_dir / "galleries", min_people=settings.save_galleries_from),
        )
        self._loaded = _Loaded(engine)

    def acting_as(self, key: AccessKey) -> Context:
        """The same data folder for the holder of a key: logged as theirs, and held to the key's roles."""
        view = copy.copy(self)
        view.records = self.records.acting_as(key.actor)
        view.actor, view.caller = key.holder, key
        return view

    def acting_for(self, actor: str) -> Context:
        """The same data folder for somebody who has it, and who is not the one at work now: logged as theirs."""
        view = copy.copy(self)
        view.records = self.records.acting_as(actor)
        view.actor = actor
        return view

    def require(self, *roles: Role) -> None:
        """Refuse what the caller's key does not open; whoever has the data folder itself may do everything.

        Raises:
            Forbidden: the key has none of these roles.
        """
        if self.caller is not None and not self.caller.has(*roles):
            needed = " or ".join(sorted({*roles, Role.ADMIN}))
            raise Forbidden(
                f"this needs a key with the role {needed}, yours has {', '.join(sorted(self.caller.roles))}; "
                "ask whoever runs this server (assent keys make)"
            )

    @property
    def engine(self) -> FaceEngine:
        """The networks; opened on first use.

        Raises:
            ModelMissing: not pulled yet.
            ModelCorrupt: a file is not what it was.
        """
        from assent.vision.engine import FaceEngine  # ONNX Runtime loads only when a photo comes

        with self._loaded.lock:
            if self._loaded.engine is None:
                self._loaded.engine = FaceEngine.open(
                    self.models,
                    detector=self.settings.detector,
                    embedder=self.settings.embedder,
                    threads=self.settings.threads,
                )
            return self._loaded.engine

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
        with self._loaded.lock:
            if model_digest not in self._loaded.profiles:
                self._loaded.profiles[model_digest] = find_profile(self.calibrations_dir, model_digest)
            return self._loaded.profiles[model_digest]

    def forget_profiles(self) -> None:
        """Read the calibrations anew at the next search."""
        with self._loaded.lock:
            self._loaded.profiles.clear()

    def close(self) -> None:
        """Save large galleries; drop templates and networks from memory and close the records."""
        with suppress(AssentError):  # they are derived: the next process reads the records
            self.galleries.save(self.records)
        self.galleries.close()
        self._loaded.engine = None
        self.records.close()
