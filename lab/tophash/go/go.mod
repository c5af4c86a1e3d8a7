module tophash

go 1.21
