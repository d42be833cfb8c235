"""Where pictures lie that a request names instead of sending: folders as buckets, or any S3."""

from assent.objects.base import ObjectStore
from assent.objects.folders import FolderBuckets
from assent.objects.opening import open_objects
from assent.objects.s3 import S3Buckets, S3Options

__all__ = ["FolderBuckets", "ObjectStore", "S3Buckets", "S3Options", "open_objects"]
