module source

go 1.21
