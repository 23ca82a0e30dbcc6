"""The implementation of `fedjobs silo`: managing the silos of a federation, and running one silo."""
