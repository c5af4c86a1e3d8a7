module padding

go 1.18
