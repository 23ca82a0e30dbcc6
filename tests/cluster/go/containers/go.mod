module fedjobs.dev/tests/cluster/containers

go 1.24.0
