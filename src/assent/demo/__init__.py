"""``assent demo``: the main job on real photographs, from consent to withdrawal."""
