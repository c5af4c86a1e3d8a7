module gomap.example/goservice

go 1.19
