module gomap.invalid/lab/tools

go 1.21
