module gomap.invalid/lab/go-flags

go 1.21
