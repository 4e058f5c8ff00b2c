"""One view of a plan, and its translations into text, Markdown and JSON."""
