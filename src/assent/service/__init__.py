"""Use cases: consent, purpose, policy and log are decided here and nowhere else."""

from assent.service.app import Assent

__all__ = ["Assent"]
