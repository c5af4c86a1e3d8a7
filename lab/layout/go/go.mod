module layout

go 1.18
