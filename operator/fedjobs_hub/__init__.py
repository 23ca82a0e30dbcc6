"""The hub: the one service of a federation that silos know."""
