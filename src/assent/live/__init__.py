"""Live video: newest frames in, names of the consenting and pictures of nobody else out. Knows no database."""
