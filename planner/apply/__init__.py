"""A saved migration plan carried out: checked against this machine, journalled, resumable, and taken back on request."""
