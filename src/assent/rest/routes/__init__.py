"""The operations: each parses, calls one method of the service, and formats."""
