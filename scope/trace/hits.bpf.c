/* hits.bpf.c - the program in the kernel: runs at each site, reads what the site says, puts a hit into the ring.
 *
 * It reads and counts; it changes nothing, and waits for nothing: a full ring costs the target no time, the hit is lost and
 * counted.  It needs no types of the kernel, so it is the same on every kernel that has cookies (5.15).
 */
#include "hit.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { REGISTERS = 21 }; /* words of struct pt_regs, x86-64 */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, MS_HIT_RING_BYTES);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MS_SITE_ITSELF + 1);
    __type(key, __u32);
    __type(value, struct ms_site_values);
} sites SEC(".maps");

/* The pid namespace whose numbers are told; set before loading. */
const volatile __u64 namespace_dev, namespace_inode;

__u64 hits, lost;

static __always_inline void take(void *regs, const struct ms_operand *o, struct ms_hit *hit, __u32 i) {
    __u64 word = 0, value = 0;
    __u32 size = o->size, reg = o->reg, how = o->how;
    if (how == MS_OPERAND_NONE || size > sizeof value || reg >= REGISTERS) return;
    bpf_probe_read_kernel(&word, sizeof word, regs + 8 * reg);
    if (how == MS_OPERAND_CONST)
        value = (__u64)(__s64)o->offset;
    else if (how == MS_OPERAND_REG)
        value = size < 8 ? word & ((1ull << 8 * size) - 1) : word;
    else if (bpf_probe_read_user(&value, size, (void *)(word + (__u64)(__s64)o->offset)))
        hit->missed |= 1u << i;
    hit->value[i] = value;
}

static __always_inline int record(void *ctx, void *regs, __u32 number) {
    const struct ms_site_values *site = bpf_map_lookup_elem(&sites, &number);
    if (!site) return 0;
    __sync_fetch_and_add(&hits, 1);
    struct ms_hit *hit = bpf_ringbuf_reserve(&ring, sizeof *hit, 0);
    if (!hit) {
        __sync_fetch_and_add(&lost, 1);
        return 0;
    }
    struct bpf_pidns_info thread = {0};
    bpf_get_ns_current_pid_tgid(namespace_dev, namespace_inode, &thread, sizeof thread);
    hit->time_ns = bpf_ktime_get_ns();
    hit->site = number;
    hit->thread = thread.pid;
    hit->missed = 0;
    hit->frames = 0;
#pragma unroll
    for (__u32 i = 0; i < MS_HIT_VALUES; i++) {
        hit->value[i] = 0;
        if (regs) take(regs, &site->value[i], hit, i);
    }
    if (site->stack) {
        long bytes = bpf_get_stack(ctx, hit->frame, sizeof hit->frame, BPF_F_USER_STACK);
        if (bytes > 0) hit->frames = (__u32)bytes / sizeof hit->frame[0];
    }
    bpf_ringbuf_submit(hit, 0);
    return 0;
}

SEC("uprobe")
int on_hit(void *ctx) { return record(ctx, ctx, (__u32)bpf_get_attach_cookie(ctx)); }

SEC("perf_event")
int on_cpu(void *ctx) { return record(ctx, (void *)0, MS_SITE_CPU); }

SEC("perf_event")
int on_faults(void *ctx) { return record(ctx, (void *)0, MS_SITE_FAULTS); }

char LICENSE[] SEC("license") = "Dual MIT/GPL";
