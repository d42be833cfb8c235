"""Rekognition's service model, as botocore ships it: loaded when first needed, never copied.

It is what the clients are made from, so what it says of a member's type, length, pattern or range is what a client
may send, and the errors it lists for an operation are those that a client knows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

TARGET_PREFIX: Final = "RekognitionService"


@lru_cache(maxsize=1)
def service_model() -> Any:
    """The ``botocore.model.ServiceModel`` of Rekognition; about 60 ms the first time.

    Only botocore's own data is looked at, not the models that a user may have put into ``~/.aws``.
    """
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("rekognition", "service-2"), service_name="rekognition")


@lru_cache(maxsize=1)
def operation_names() -> tuple[str, ...]:
    """Every operation of the service, by name."""
    return tuple(sorted(service_model().operation_names))


def input_shape(operation: str) -> Any:
    """What a request holds: a botocore structure shape; None where it holds nothing."""
    return service_model().operation_model(operation).input_shape


def output_shape(operation: str) -> Any:
    """What an answer holds: a botocore structure shape; None where it holds nothing."""
    return service_model().operation_model(operation).output_shape


@lru_cache(maxsize=128)
def declared_errors(operation: str) -> frozenset[str]:
    """The names of the errors that an operation may answer with."""
    return frozenset(shape.name for shape in service_model().operation_model(operation).error_shapes)
