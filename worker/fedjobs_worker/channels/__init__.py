"""How the processes of one silo talk: messages and shared memory over a socket of the machine."""
