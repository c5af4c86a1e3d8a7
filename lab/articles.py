"""articles.py - what the lab puts to the test: the 42 numbers (N) and 111 claims (K) of five articles on Go maps.

    A0  memory layout and alignment of maps, diagnosis by profiler, debugger, disassembly
    A1  why profiles show maps on top without a leak; lifetime of bucket memory; hooks for monitoring
    A2  merging maps under load: hash seed, evacuation, execution trace, merge strategies
    A3  how maps work: hash quality, overflow buckets, collector modes, return of memory to the system
    A4  structs as values: copies, padding, escape analysis, pools

Each line: id | article and section | what it says, in our words.  None of the articles gives code, a Go version,
repetitions or spread.  They describe the map Go had up to 1.23.
"""
from collections import namedtuple

Entry = namedtuple("Entry", "id article claim")

TEXT = """
N01 | A0 ch1 | padding a one-byte struct value to 8 bytes: heap in use -12..18 %, collector pauses -35 %
N02 | A0 2.2 | padding 40-byte buckets to a cache line: write 42.7 -> 29.1 ns, invalidations 1.8M -> 0.2M a second
N03 | A0 2.4 | size/align/padding of two pairs: 8/4/2 and 16/8/5; key at 0, value at 8
N04 | A0 2.5 | Go 1.20: bucket of 136 bytes, tophash at 88; Go 1.21: 128 bytes, tophash at 0
N05 | A0 3.1 | aligned buckets live longer than 120 s; their allocation sites lie at +16, others at +8..+40
N06 | A0 3.2 | presized or grown to 1M string keys: 12K or 217K cache misses a second, IPC 1.8 or 0.43
N07 | A0 3.3, 4.3 | bucket addresses cluster at ...008 and ...018; 0xc0000a2018 is 24 modulo 64
N08 | A0 4.1 | B=5: 32 buckets of 16 bytes, 512 bytes, one page, span class 21
N09 | A0 4.2 | disassembly shows a bmap of 16 bytes, LEA 0x18, 8 bytes of padding missing
N10 | A0 4.4 | bucket of 128 bytes at GOAMD64=v1, 120 at v3 and v4, tophash [16]uint8
N11 | A0 2.3 | equal tophashes turn O(1) into O(8) and worse
N12 | A1 ch1 | one live bucket keeps a page of 8 KB
N13 | A1 2.4 | 100k writes and deletes a second: fragmentation ratio above 2.3, 38 % of the arena; above 1 MB mmap
N14 | A1 3.3 | heat map of buckets: 12 keys in bucket 0, 3 in bucket 1
N15 | A1 4.1 | a hook costs about 30 ns a call
N16 | A1 4.2 | a probe on allocation: stacks counted 142 and 89 times
N17 | A2 ch1 | an evacuation above 5 ms means a broken chain
N18 | A2 2.1 | iterating 1M strings with a fixed or a random seed: 12.3 or 18.7 ms, L3 misses 8.2 or 24.6 %
N19 | A2 2.3 | 10k colliding keys, treeified or listed: pause 2.1 or 18.7 ms, throughput -3 or -41 %
N20 | A2 3.1 | in the trace, waits of 5 ms and more are marked, above 10 ms red; hold at most 3 times the mean
N21 | A2 3.2 | makeslice of a map: 85 ns (slow above 300), large 1.2 us (slow above 5)
N22 | A2 4.1 | inserting in sorted order: 2.3 -> 1.02 probes
N23 | A2 4.1 | merging 100k keys into a presized map, sorted: 84.2 -> 41.6 ms, 17 -> 1 allocations
N24 | A2 4.2 | 16 shards of sync.Map instead of one lock: 12 400 -> 28 900 a second, contention 1 842 -> 327 ms, semacquire -79 %
N25 | A2 4.4 | B-tree instead of map, 1M keys, 1000 merges at once: 24 800 -> 41 600 a second, 18.3 -> 2.1 MB/s allocated
N26 | A2 4.4 | a rehash turns an array of 128 KB into one of 256 KB
N27 | A3 2.1 | 1M keys, Murmur3/XXH64/mod-prime: variance 0.83/0.71/1.42, entropy 7.98/8.02/7.35 bit, collisions 0.021/0.018/0.047 %
N28 | A3 2.1 | multiplier 31 has 12 % fewer collisions than 33 on long keys
N29 | A3 2.2 | the bucket array doubles at a load of 0.75
N30 | A3 2.3 | 1M int lookups with and without tophash: 124 or 297 ns, 1.02 or 7.8 comparisons
N31 | A3 3.3 | a map of 1000 entries is not released with gcstoptheworld=1
N32 | A3 4.2 | RssAnon drops only with madvdontneed=1
N33 | A3 4.3 | swappiness 10/60/100: pages return after 280/410/690 us, OOM in 0.2/1.7/8.3 %
N34 | A4 ch1, 2.4 | structs above 128 bytes escape
N35 | A4 2.2 | a 32-byte struct is copied whole, 24 bytes of headers
N36 | A4 2.3 | a struct of byte, int64, bool: 24 bytes, 14 of padding
N37 | A4 2.5 | the fast path for 8-byte keys takes values up to 24 bytes
N38 | A4 3.1 | a struct on the stack, with a *string, with a nested map: 2, 42, 187 ns an operation
N39 | A4 3.2 | 100k ints grown or presized: 17 growths, 82 -> 12 ns, barriers 17 -> 0
N40 | A4 3.3 | above 10 MB/s allocated come pauses of 5 ms; a spike every two minutes
N41 | A4 4.1 | sync.Pool reuses almost 100 % instead of 0 %, and 8 bytes are passed
N42 | A4 4.4 | full struct of 12 fields: 128 bytes; lite struct of 2 fields: 32 bytes
K01 | A0 2.1 | in hmap, count is at 0, flags at 8, B at 9, noverflow at 10
K02 | A0 2.1 | hash0 is at 16, after 4 to 5 bytes of padding
K03 | A0, A1, A3 | B is the logarithm of the number of buckets
K04 | A0 ch1 | buckets must be aligned to 8 bytes or leak and slow the collector; their addresses must end in 00 or 08
K05 | A0 ch1 | keys of a struct{byte} can begin at 0x09
K06 | A0 ch1 | padding the value takes 12 to 18 % off the heap in use
K07 | A0 2.2 | a bucket has a filler of 24 bytes that makes it 64
K08 | A0 2.2 | its shown fields add up to 32 or 40 bytes
K09 | A0 2.4 | the compiler never reorders the fields of a struct
K10 | A0 2.4 | -gcflags=-l lets it reorder them
K11 | A0 2.5 | Go 1.21 brought a compact bucket; before, tophash was a slice apart
K12 | A0 2.5 | the 8-byte fast path compares eight tophashes with MOVQ and PSHUFB
K13 | A0 4.2 | bmap is 16 bytes; Go 1.22 lost its padding
K14 | A0 4.3 | a bucket that does not begin at a multiple of 64 risks misaligned access
K15 | A0 4.4 | GOAMD64, new in 1.21, changes bucket layout and tophash width
K16 | A3 ch1, A4 2.1 | a bucket has 8 pairs: the keys together, then the values
K17 | A4 2.1 | a struct with a map in it can be a key
K18 | A4 2.3 | the example struct takes 24 bytes, 14 of them padding
K19 | A4 2.4 | values above 128 bytes are stored by pointer
K20 | A4 2.4 | that is an escape threshold; -m prints "moved to heap"
K21 | A4 2.5 | mapassign_fast64 is only for values up to 24 bytes
K22 | A4 2.5 | the struct is copied within mapassign_fast64, in an atomic chain
K23 | A4 4.4 | //go:build lines exist since Go 1.17
K24 | A1 2.3 | emptyRest is 0, emptyOne is 1
K25 | A1 2.3 | evacuatedX is above 128
K26 | A1 2.3 | an emptyOne slot takes no key until the map grows
K27 | A1 2.3 | delete calls deletenode and clears key and value always
K28 | A1 2.3, A3 ch1 | delete gives no bucket memory back
K29 | A1 2.1 | bucket memory goes only together with the hmap
K30 | A1 2.1 | the first insert goes through hashGrow
K31 | A1 2.1 | hashGrow allocates oldbuckets
K32 | A1 2.1 | growth is over when nevacuate is 2^B
K33 | A0 2.3 | a map grows when count > 2 * 2^B
K34 | A3 3.2 | mapassign lets it grow when count > 6.5 * 2^B
K35 | several | the load factor is 6.5
K36 | A3 ch1 | too many overflow buckets cause growth to the same size
K37 | A3 2.2 | a tophash bit decides between the two new buckets; a chain moves as a whole, nothing is hashed again
K38 | A2 ch1, 2.2 | entries written to a bucket that is not yet moved are lost
K39 | A2 ch1 | different seeds of source and destination break evacuation
K40 | A2 ch1 | evacuate calls growWork, that calls advanceEvacuationMark
K41 | A2 ch1 | one insert of a dummy completes a growth
K42 | A2 ch1, A3 ch1 | range and reads move nothing
K43 | A0 3.2 | growth copies the array with memcpy; the first insert without hint grows; makeslice takes part
K44 | A0 2.3 | uint64 keys near zero have zero high hash bits and pile up
K45 | A3 2.3 | tophash is hash >> 56
K46 | A3 2.3 | tophash saves computing the full hash
K47 | A3 2.3 | tophash speeds up lookups in a map from int to string
K48 | A2 4.1 | inserting in sorted order shortens probing
K49 | A4 3.2 | 17 growths on the way to 100k entries
K50 | A3 3.1 | hmap.extra keeps overflow buckets without pointers alive
K51 | implied | overflow buckets are allocated in advance
K52 | implied | noverflow is approximate
K53 | implied | clear keeps the array
K54 | implied | a map shrinks
K55 | A2 2.1, A3 ch1 | the hash is hash(key) XOR seed
K56 | A2 2.1 | the seed is one per process, in a variable of the runtime
K57 | A2 ch1 | a random seed defends against chosen collisions
K58 | A2 2.1 | a random seed destroys the locality of iteration
K59 | A3 ch1 | the low B bits choose the bucket, the high ones are the tophash
K60 | A3 ch1 | the order of iteration is random each time
K61 | A2 2.5, A3 2.5 | growth frees oldbuckets under an iterator: dangling pointers, silent corruption
K62 | A2 2.5 | mapiternext checks for freed buckets, as shown in pseudo-code
K63 | A3 2.4 | hashWriting is set only when the map is not growing; buckets have locks; barriers make writes atomic
K64 | A3 2.4 | concurrent writes end in "fatal error: concurrent map writes"
K65 | A3 2.5 | a sync.Map cannot be iterated, or not changed while it is
K66 | A2 4.2 | sync.Map is free of locks and good for many writes
K67 | A2 4.2 | the address of the key parameter modulo 16 selects a shard
K68 | A3 ch1 | a nil map can be read; a write to it panics
K69 | A2 2.4 | writing through the cast address of the map parameter leaves a dangling map
K70 | A0 3.2 | concurrent writes without a lock are a workload one can measure
K71 | A1 2.2 | the overflow pointer is stored without write barrier; the collector ignores it
K72 | A3 2.4 | the write barrier runs only while a map grows
K73 | A4 3.2 | the hybrid barrier came with 1.19; the collector has generations
K74 | A1 ch1 | a goroutine that uses key and value of a loop keeps their bucket alive
K75 | A1 ch1 | one live bucket keeps its page or its whole array
K76 | A1 ch1 | mapassign never starts the collector
K77 | A1 ch1 | profiles attribute buckets to the stack that allocated them, not to who holds them
K78 | A1 ch1 | MemProfileRate=1 records every allocation
K79 | A1 2.5 | MemStats is a snapshot of the end of the last collection
K80 | A1 2.5 | an insert without growth changes nothing in MemStats
K81 | A3 3.3 | gcstoptheworld=1 skips overflow buckets and leaks them
K82 | A3 title, 4.2 | memory returns by MADV_FREE unless madvdontneed=1 is set
K83 | A3 4.1 | sysAlloc calls madvise(DONTNEED)
K84 | A3 4.2 | madvise is called in sysFree
K85 | A3 4.2 | smaps has RssAnon, and MMUPageSize changes when memory returns
K86 | A3 4.1 | MADV_DONTNEED drops private anonymous pages at once
K87 | A3 4.4 | free and clear() of the C and C++ libraries do not lower the resident set
K88 | A3 4.3 | swappiness controls how late pages return
K89 | A4 ch1 | storing a struct with a string allocates each time, and so does each growth, for every struct
K90 | A4 3.3 | pauses every two minutes mean memory that is not released
K91 | A4 2.2 | assignment copies headers only; the data is shared
K92 | A0 ch1 | heap?debug=1 gives the file heap.pb.gz
K93 | A0 3.1 | pprof -raw gives the addresses of buckets
K94 | A0 3.3 | pprof --alloc_space draws a heat map of addresses; --symbolize=exec
K95 | A1 3.1 | pprof has -alloc_space, -http, top, list, web
K96 | A1 3.2 | gctrace prints "scanned N objects", numbers of stack frames, generations
K97 | A1 3.3 | runtime.MapKeys can be had by linkname
K98 | A1 4.1 | linkname can replace runtime.mapassign and call the original
K99 | A1 4.2 | bpftrace counts stacks at a user-space probe
K100 | A1 4.3 | context.WithValue carries labels in the example
K101 | A1 4.4 | a GaugeVec exports map sizes; gc:true is a scrape parameter
K102 | A2 ch1 | go run main.go -trace=FILE writes a trace
K103 | A2 ch1 | go tool trace -pprof=goroutine
K104 | A2 2.1 | -gcflags=-d=disablehash fixes the seed
K105 | A2 3.1, 3.2 | traces have traceMutexAcquire and EvBucketMigrateStart/End
K106 | A2 3.3 | trace.EndRegion takes a context, trace.Log pairs of key and value
K107 | A2 4.3 | -gcflags=-u, //go:novet, and one unsafe.Slice over keys and values
K108 | A2 4.4 | the B-tree is used through cgo and has InOrder
K109 | A0 ch1, 4.1, 4.3 | dlv has x/40xb, watch -a -v, eval
K110 | A2 2.2 | redis is built with --enable-tracking and has rehash events
K111 | A0 ch1 | one sample per 512 KB allocated on average
"""

ALL = [Entry(*(part.strip() for part in line.split(" | "))) for line in TEXT.strip().splitlines()]
BY_ID = {entry.id: entry for entry in ALL}
assert len(BY_ID) == len(ALL) == 42 + 111

# What no experiment answers, and why.
NOT_ANSWERED = {
}
