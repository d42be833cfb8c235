"""The REST interface at ``/v1``: parse, call one service method, format; OpenAPI from the types."""

from assent.rest.app import rest_app

__all__ = ["rest_app"]
