module gomap.invalid/lab/gokit

go 1.18
