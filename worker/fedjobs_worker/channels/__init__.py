"""Communication between the processes of one silo: messages and shared memory over a Unix socket."""
