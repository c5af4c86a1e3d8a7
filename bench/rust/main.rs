// Rust's maps as engines of the benchmark: std's HashMap and, with the feature hashbrown, the crate's with its own
// default hash.  The operations of harness.h, the keys of types.h, the command line and output of runner.py;
// read harness.h first, this file repeats it in Rust's words.  Maps of strings own copies, as the C tables do.

use std::borrow::Borrow;
use std::fs;
use std::hash::Hash;
use std::hint::black_box;

#[cfg(feature = "hashbrown")]
use hashbrown::HashMap;
#[cfg(not(feature = "hashbrown"))]
use std::collections::HashMap;

const QUERIES_PER_WORK: usize = 4;
const BATCH: usize = 256;
const TURNOVER: usize = 10;
const PASSES: usize = 3;

fn mix(i: u64) -> u64 {
    let i = i.wrapping_add(0x9e3779b97f4a7c15);
    let i = (i ^ (i >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    let i = (i ^ (i >> 27)).wrapping_mul(0x94d049bb133111eb);
    i ^ (i >> 31)
}

fn mix32(i: u32) -> u32 {
    let i = (i ^ (i >> 16)).wrapping_mul(0x85ebca6b);
    let i = (i ^ (i >> 13)).wrapping_mul(0xc2b2ae35);
    i ^ (i >> 16)
}

fn fail(what: &str) -> ! {
    eprintln!("{what}");
    std::process::exit(1)
}

fn check(ok: bool, what: &str) {
    if !ok {
        fail(what)
    }
}

/// What is looked up by (`Self`) and what a map keeps (`Own`).
trait Key: Hash + Eq {
    type Own: Hash + Eq + Clone + Borrow<Self>;
    fn make(seed: u64, i: u64) -> Self::Own;
    fn own(&self) -> Self::Own;
    fn glance(&self) -> u64;
    fn with_after<R>(&self, number: u64, f: impl FnOnce(&Self) -> R) -> R;
}

impl Key for u64 {
    type Own = u64;
    fn make(seed: u64, i: u64) -> u64 {
        mix((seed << 40).wrapping_add(i))
    }
    fn own(&self) -> u64 {
        *self
    }
    fn glance(&self) -> u64 {
        *self
    }
    fn with_after<R>(&self, number: u64, f: impl FnOnce(&u64) -> R) -> R {
        f(&self.wrapping_add(number >> 31))
    }
}

impl Key for u32 {
    type Own = u32;
    fn make(seed: u64, i: u64) -> u32 {
        mix32(seed.wrapping_mul(0x9e3779b1).wrapping_add(i) as u32)
    }
    fn own(&self) -> u32 {
        *self
    }
    fn glance(&self) -> u64 {
        *self as u64
    }
    fn with_after<R>(&self, number: u64, f: impl FnOnce(&u32) -> R) -> R {
        f(&self.wrapping_add((number >> 31) as u32))
    }
}

impl Key for str {
    type Own = String;
    fn make(seed: u64, i: u64) -> String {
        let id = <u64 as Key>::make(seed, i);
        let rest = mix(id);
        (0..16 + (rest % 17) as usize)
            .map(|at| {
                let word = if at < 16 { id } else { rest };
                b"0123456789abcdef"[(word >> (60 - at % 16 * 4) & 15) as usize] as char
            })
            .collect()
    }
    fn own(&self) -> String {
        self.to_owned()
    }
    fn glance(&self) -> u64 {
        0
    }
    fn with_after<R>(&self, number: u64, f: impl FnOnce(&str) -> R) -> R {
        f(&self[(number >> 31) as usize..])
    }
}

trait Value: Copy {
    fn make(i: u64) -> Self;
    fn id(&self) -> u64;
}

impl Value for u64 {
    fn make(i: u64) -> u64 {
        i
    }
    fn id(&self) -> u64 {
        *self
    }
}

impl Value for u32 {
    fn make(i: u64) -> u32 {
        i as u32
    }
    fn id(&self) -> u64 {
        *self as u64
    }
}

impl Value for [u64; 8] {
    fn make(i: u64) -> [u64; 8] {
        [i, !i, i, i, i, i, i, i]
    }
    fn id(&self) -> u64 {
        self[0]
    }
}

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}
extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32; // of libc, which std links
}
const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;

fn cpu_ns() -> f64 {
    let mut t = Timespec { sec: 0, nsec: 0 };
    // SAFETY: t is a struct timespec of 64-bit Linux.
    check(
        unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut t) } == 0,
        "no processor time",
    );
    t.sec as f64 * 1e9 + t.nsec as f64
}

fn clock_cost() -> f64 {
    let cost = |_| {
        let start = cpu_ns();
        cpu_ns() - start
    };
    (0..1000).map(cost).fold(1e9, f64::min)
}

fn resident_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let rss = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = rss.and_then(|rest| rest.trim().split(' ').next()?.parse::<usize>().ok());
    kib.unwrap_or_else(|| fail("cannot read /proc/self/smaps_rollup")) * 1024
}

/// The code whose time is taken, and nothing else: callgrind counts instructions inside functions of this name.
#[inline(never)]
fn measured<R>(f: impl FnOnce() -> R) -> R {
    f()
}

struct Timer {
    cost: f64,
    total: f64,
    best: f64,
    operations: usize,
}

impl Timer {
    fn time<R>(&mut self, operations: usize, f: impl FnOnce() -> R) -> R {
        let start = cpu_ns();
        let result = measured(f);
        let took = cpu_ns() - start - self.cost;
        self.total += took;
        self.operations += operations;
        self.best = self.best.min(took / operations as f64);
        result
    }
    fn mean(&self) -> f64 {
        self.total / self.operations as f64
    }
}

struct Options {
    n: usize,
    work: usize,
    seed: u64,
    ops: Option<Vec<String>>,
}

impl Options {
    fn wants(&self, op: &str) -> bool {
        self.ops
            .as_ref()
            .map_or(true, |ops| ops.iter().any(|wanted| wanted == op))
    }
}

type Map<K, V> = HashMap<<K as Key>::Own, V>;

struct Run<K: Key + ?Sized> {
    o: Options,
    queries: usize,
    cost: f64,
    keys: Vec<K::Own>,
    results: Vec<String>,
}

impl<K: Key + ?Sized> Run<K> {
    fn new(o: Options) -> Self {
        let queries = o.n.clamp(o.work, QUERIES_PER_WORK * o.work);
        let keys = (0..o.n).map(|i| K::make(o.seed, i as u64)).collect();
        Run {
            o,
            queries,
            cost: clock_cost(),
            keys,
            results: Vec::new(),
        }
    }

    fn random(&self, i: usize) -> u64 {
        mix(i as u64 ^ (self.o.seed << 20) ^ 0x5bd1e995)
    }
    fn repeats(&self) -> usize {
        (self.o.work / self.o.n).max(1)
    }
    fn timer(&self) -> Timer {
        Timer {
            cost: self.cost,
            total: 0.0,
            best: f64::MAX,
            operations: 0,
        }
    }
    fn result(&mut self, what: &str, value: f64, operations: usize) {
        self.results
            .push(format!("\"{what}\":[{value:.3},{operations}]"));
    }

    fn all<V: Value>(&mut self) {
        if self.o.wants("rss") {
            self.rss::<V>();
        }
        if self.o.wants("insert_reserved") {
            self.insert::<V>("insert_reserved", self.o.n);
        }
        if self.o.wants("insert") {
            self.insert::<V>("insert", 0);
        }
        if self.o.wants("erase") {
            self.erase::<V>();
        }
        let mut map = self.filled::<V>(0);
        if self.o.wants("hit_growing") {
            self.hit(&map, "hit_growing");
        }
        if self.o.wants("hit") {
            self.hit(&map, "hit");
        }
        if self.o.wants("hit_dependent") {
            self.hit_dependent(&map);
        }
        if self.o.wants("hit_batched") {
            self.hit_batched(&map);
        }
        if self.o.wants("miss") {
            self.miss(&map, "miss");
        }
        if self.o.wants("iterate") {
            self.iterate(&map);
        }
        if self.o.wants("churn") || self.o.wants("miss_churned") {
            self.churn(&mut map);
        }
    }

    fn fill<V: Value>(&self, map: &mut Map<K, V>) {
        for (i, key) in self.keys.iter().enumerate() {
            map.insert(key.borrow().own(), V::make(i as u64));
        }
    }
    fn filled<V: Value>(&self, reserve: usize) -> Map<K, V> {
        let mut map = Map::<K, V>::default();
        map.reserve(reserve);
        self.fill(&mut map);
        map
    }

    fn rss<V: Value>(&mut self) {
        let mut maps = Vec::with_capacity(self.repeats());
        let before = resident_bytes();
        for _ in 0..self.repeats() {
            maps.push(self.filled::<V>(0));
        }
        let grown = resident_bytes().saturating_sub(before);
        let entries = maps.len() * self.o.n;
        self.result("rss", grown as f64 / entries as f64, entries);
    }

    fn insert<V: Value>(&mut self, what: &str, reserve: usize) {
        let mut timer = self.timer();
        let middle = self.o.n / 2;
        for _ in 0..self.repeats() {
            let map = timer.time(self.o.n, || self.filled::<V>(reserve));
            let found = map.get(self.keys[middle].borrow());
            check(
                found.map_or(false, |v| v.id() == middle as u64),
                "a key is missing after insert",
            );
        }
        self.result(what, timer.mean(), timer.operations);
    }

    fn erase<V: Value>(&mut self) {
        let mut order = self.keys.clone();
        for i in (1..self.o.n).rev() {
            order.swap(i, (self.random(i) % (i as u64 + 1)) as usize);
        }
        let mut timer = self.timer();
        for _ in 0..self.repeats() {
            let mut map = self.filled::<V>(0);
            let gone: usize = timer.time(self.o.n, || {
                order
                    .iter()
                    .map(|key| map.remove(key.borrow()).is_some() as usize)
                    .sum()
            });
            check(
                gone == self.o.n && map.is_empty(),
                "erase did not find what was put",
            );
        }
        self.result("erase", timer.mean(), timer.operations);
    }

    fn hits(&self) -> (Vec<K::Own>, u64) {
        let at = |i| self.random(i) % self.o.n as u64;
        let keys = (0..self.queries)
            .map(|i| K::make(self.o.seed, at(i)))
            .collect();
        (keys, (0..self.queries).map(at).sum())
    }

    fn hit<V: Value>(&mut self, map: &Map<K, V>, what: &str) {
        let (keys, want) = self.hits();
        let mut timer = self.timer();
        for _ in 0..PASSES {
            let sum: u64 = timer.time(keys.len(), || {
                keys.iter()
                    .filter_map(|key| map.get(key.borrow()))
                    .map(V::id)
                    .sum()
            });
            check(sum == want, "a key that was put is not found");
        }
        self.result(what, timer.best, timer.operations);
    }

    fn hit_dependent<V: Value>(&mut self, map: &Map<K, V>) {
        let (mut keys, _) = self.hits();
        keys.truncate(self.o.work);
        let mut timer = self.timer();
        for _ in 0..PASSES {
            let last = timer.time(keys.len(), || {
                keys.iter().fold(0, |value, key| {
                    let found = key.borrow().with_after(value, |key| map.get(key));
                    found
                        .unwrap_or_else(|| fail("a key that was put is not found"))
                        .id()
                })
            });
            check(
                last == self.random(keys.len() - 1) % self.o.n as u64,
                "a key has the value of another",
            );
        }
        self.result("hit_dependent", timer.best, timer.operations);
    }

    fn hit_batched<V: Value>(&mut self, map: &Map<K, V>) {
        let (keys, want) = self.hits();
        let mut timer = self.timer();
        for _ in 0..PASSES {
            let sum = timer.time(keys.len(), || {
                let mut found = [None; BATCH];
                let mut sum = 0;
                for part in keys.chunks(BATCH) {
                    for (place, key) in found.iter_mut().zip(part) {
                        *place = map.get(key.borrow());
                    }
                    sum += black_box(&found)[..part.len()]
                        .iter()
                        .flatten()
                        .map(|v| v.id())
                        .sum::<u64>();
                }
                sum
            });
            check(sum == want, "a key that was put is not found in a batch");
        }
        self.result("hit_batched", timer.best, timer.operations);
    }

    fn miss<V: Value>(&mut self, map: &Map<K, V>, what: &str) {
        let first = 2 * self.o.n;
        let keys: Vec<_> = (first..first + self.queries)
            .map(|i| K::make(self.o.seed, i as u64))
            .collect();
        let mut timer = self.timer();
        for _ in 0..PASSES {
            let found = timer.time(keys.len(), || {
                keys.iter()
                    .filter(|key| map.contains_key((*key).borrow()))
                    .count()
            });
            check(found == 0, "a key that was never put is found");
        }
        self.result(what, timer.best, timer.operations);
    }

    fn iterate<V: Value>(&mut self, map: &Map<K, V>) {
        let add =
            |sum: u64, (key, id): (&K::Own, u64)| sum.wrapping_add(key.borrow().glance() ^ id);
        let want = self.keys.iter().zip(0..).fold(0, add);
        let mut timer = self.timer();
        for _ in 0..self.repeats() {
            let mut seen = 0;
            let sum = timer.time(self.o.n, || {
                map.iter().fold(0, |sum, (key, value)| {
                    seen += 1;
                    add(sum, (key, value.id()))
                })
            });
            check(seen == self.o.n && sum == want, "iteration is not complete");
        }
        self.result("iterate", timer.mean(), timer.operations);
    }

    fn churn<V: Value>(&mut self, map: &mut Map<K, V>) {
        let mut live: Vec<u64> = (0..self.o.n as u64).collect();
        let timed = self.o.n.max(self.o.work);
        let all = if self.o.wants("miss_churned") {
            timed.max(TURNOVER * self.o.n)
        } else {
            timed
        };
        let mut fresh = 2 * self.o.n + self.queries;
        let mut timer = self.timer();
        let mut done = 0;
        while done < all {
            let pairs = self.o.work.min(all - done);
            let (mut out, mut new) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
            for _ in 0..pairs {
                let place = &mut live[(self.random(fresh) % self.o.n as u64) as usize];
                out.push(K::make(self.o.seed, *place));
                new.push(K::make(self.o.seed, fresh as u64));
                *place = fresh as u64;
                fresh += 1;
            }
            let mut gone = 0;
            let mut turn = || {
                for (i, (old, new)) in out.iter().zip(&new).enumerate() {
                    gone += map.remove(old.borrow()).is_some() as usize;
                    map.insert(new.borrow().own(), V::make(i as u64));
                }
            };
            if done < timed {
                timer.time(pairs, turn)
            } else {
                turn()
            }
            check(gone == pairs, "churn did not find what it put");
            done += pairs;
        }
        if self.o.wants("churn") {
            self.result("churn", timer.mean(), timer.operations);
        }
        if self.o.wants("miss_churned") {
            self.miss(map, "miss_churned");
        }
    }
}

fn run<K: Key + ?Sized, V: Value>(name: &str, o: Options) {
    let mut run = Run::<K>::new(o);
    run.all::<V>();
    println!(
        "{{\"type\":\"{name}\",\"n\":{},\"results\":{{{}}}}}",
        run.o.n,
        run.results.join(",")
    );
}

fn options(args: &[String]) -> Option<Options> {
    let number = |text: &String| {
        text.parse::<usize>()
            .ok()
            .filter(|n| (1..=1_000_000_000).contains(n))
    };
    let mut o = Options {
        n: number(args.get(2)?)?,
        work: 1_000_000,
        seed: 1,
        ops: None,
    };
    for pair in args[3..].chunks(2) {
        let value = pair.get(1)?;
        match pair[0].as_str() {
            "--seed" => o.seed = number(value)? as u64,
            "--work" => o.work = number(value)?,
            "--ops" => o.ops = Some(value.split(',').map(String::from).collect()),
            _ => return None,
        }
    }
    Some(o)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match (args.get(1).map(String::as_str), options(&args)) {
        (Some(name @ "u64-u64"), Some(o)) => run::<u64, u64>(name, o),
        (Some(name @ "u32-u32"), Some(o)) => run::<u32, u32>(name, o),
        (Some(name @ "str-u64"), Some(o)) => run::<str, u64>(name, o),
        (Some(name @ "u64-s64"), Some(o)) => run::<u64, [u64; 8]>(name, o),
        _ => {
            eprintln!(
                "usage: {} TYPE N [--seed S] [--ops A,B] [--work W]   (N: 1 .. 10^9)",
                args[0]
            );
            std::process::exit(2)
        }
    }
}
