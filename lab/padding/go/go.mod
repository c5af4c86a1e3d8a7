module padding

go 1.18

require gomap.invalid/lab/gokit v0.0.0

replace gomap.invalid/lab/gokit => ../../gokit
