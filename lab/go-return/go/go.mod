module retain

go 1.23
