"""Video: frames to tracks of faces, and tracks to frames with faces hidden."""
