module iterate

go 1.23.0
