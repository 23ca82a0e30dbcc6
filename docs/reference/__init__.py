"""Generates the parts of the pages that repeat what the code says, so that they cannot say something else."""
