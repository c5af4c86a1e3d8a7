module merges

go 1.21

require (
	github.com/google/btree v1.1.3
	gomap.invalid/lab/gokit v0.0.0
)

replace gomap.invalid/lab/gokit => ../../gokit
