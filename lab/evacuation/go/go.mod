module evacuation

go 1.21
