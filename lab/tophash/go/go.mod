module tophash

go 1.21

require gomap.invalid/lab/gokit v0.0.0

replace gomap.invalid/lab/gokit => ../../gokit
