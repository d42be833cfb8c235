"""The log's proofs, without a database: the Merkle tree of RFC 9162, signed checkpoints, and the audit of entries.

Pure: bytes and text in, frozen values out. Who keeps the files is ``assent.service.logbook``.
"""
