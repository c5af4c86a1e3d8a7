module seeds

go 1.23.0
