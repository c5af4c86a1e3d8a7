module gomap.test/holders

go 1.19
