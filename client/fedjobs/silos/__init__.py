"""The silos of a federation, and a silo's own side: what `fedjobs silo` does."""
