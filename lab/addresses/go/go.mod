module addresses

go 1.18
