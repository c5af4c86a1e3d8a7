module sharing

go 1.18
