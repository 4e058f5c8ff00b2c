"""Engines that say what a set of jobs does to a set of records, and the job sets that conda and mamba would build."""
