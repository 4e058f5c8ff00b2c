"""What python sources import, before a change and after it: read, never imported."""
