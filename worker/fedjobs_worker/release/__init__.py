"""What leaves the silo: results, failures and texts. Everything that goes to the coordinator passes the gate."""
