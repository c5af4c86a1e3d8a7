module collector

go 1.23
