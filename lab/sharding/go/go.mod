module sharding

go 1.21
