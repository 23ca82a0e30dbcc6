"""The silo decides: its policy, its people's word, what was used so far, and the record of it all."""
