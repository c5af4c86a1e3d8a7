module syncmap

go 1.21
