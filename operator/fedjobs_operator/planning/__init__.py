"""What is to be done about a job: pure decisions. Nothing here reads or writes."""
