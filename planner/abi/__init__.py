"""What is in the binaries: read, never loaded, and judged the way the dynamic loader would."""
