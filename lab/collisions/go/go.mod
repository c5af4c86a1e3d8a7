module flood

go 1.23.0
