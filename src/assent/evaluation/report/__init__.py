"""What an audit found, as one page for two readers: a first screen in plain words, and everything behind it."""
