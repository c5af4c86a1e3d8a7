module iteration

go 1.21
