module gomap.invalid/lab/profiles

go 1.21
