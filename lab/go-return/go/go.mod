module retain

go 1.23

require gomap.invalid/lab/gokit v0.0.0

replace gomap.invalid/lab/gokit => ../../gokit
