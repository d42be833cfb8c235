"""The console: Assent in a browser, as plain pages made on the server."""

from assent.console.app import console_routes

__all__ = ["console_routes"]
