module merges

go 1.21

require github.com/google/btree v1.1.3
