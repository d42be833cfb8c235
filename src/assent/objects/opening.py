"""The object store that the settings name."""

from __future__ import annotations

from assent.config import Settings
from assent.objects.base import ObjectStore
from assent.objects.folders import FolderBuckets
from assent.objects.s3 import S3Buckets, S3Options


def open_objects(settings: Settings) -> ObjectStore:
    """Folders by default, an S3 where ``settings.objects`` says so; nothing is opened or asked yet."""
    if settings.objects == "folders":
        return FolderBuckets(settings.objects_path)
    secret = settings.s3_secret_access_key
    return S3Buckets(
        S3Options(
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=secret.get_secret_value() if secret is not None else None,
            timeout_s=settings.s3_timeout_s,
        )
    )
