"""Ways by which one environment reaches another thing: read from disk, one kind of reference a module, nothing run."""
