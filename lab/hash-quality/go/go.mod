module hashes

go 1.23.0
