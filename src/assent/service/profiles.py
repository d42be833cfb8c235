"""Which calibration counts for a model: the user's own before the one that comes with Assent."""

from __future__ import annotations

from pathlib import Path

from assent.calibration.profile import CalibrationProfile, builtin_profile
from assent.errors import CalibrationError, NoCalibration


def find_profile(folder: Path, model_digest: str) -> CalibrationProfile:
    """The newest calibration of a model.

    Args:
        folder: of the user's own profiles; need not be there.
        model_digest: of the model and recipe.

    Raises:
        NoCalibration: there is none; without one there is no score.
        CalibrationError: a file in the folder cannot be read.
    """
    own = [_read_profile(path) for path in sorted(folder.glob("*.json"))]
    matching = [profile for profile in own if profile.model_digest == model_digest]
    if matching:
        return max(matching, key=lambda profile: profile.created)
    profile = builtin_profile(model_digest)
    if profile is None:
        raise NoCalibration(
            f"there is no calibration for the model {model_digest[:12]}, and no score without an error rate; "
            f"make one with `assent calibrate --images DIR` (a folder per person)"
        )
    return profile


def _read_profile(path: Path) -> CalibrationProfile:
    try:
        return CalibrationProfile.from_json(path.read_bytes())
    except OSError as error:
        raise CalibrationError(
            f"the calibration {path} cannot be read: {error.strerror}; make it readable, or remove it"
        ) from error
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error.message}") from error
