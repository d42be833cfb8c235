"""Score to error rate: profiles as used at search time, and how they are measured.

``profile`` needs NumPy and pydantic only; ``intervals`` and ``measure`` also need SciPy (the extra
``calibrate``).
"""
