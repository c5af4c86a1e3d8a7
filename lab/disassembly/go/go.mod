module gomap.invalid/lab/disassembly

go 1.21
