"""Amazon Rekognition's protocol (AWS JSON 1.1), answered by the service.

``wire_app`` makes the application that stands at ``POST /``; ``throttled_response`` is what a server answers in its
place when there is too much to do.
"""

from assent.wire.app import throttled_response, wire_app

__all__ = ["throttled_response", "wire_app"]
