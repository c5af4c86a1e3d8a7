module misuse

go 1.23.0
