module objects

go 1.21
