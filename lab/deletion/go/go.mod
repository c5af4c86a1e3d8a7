module deletion

go 1.21
