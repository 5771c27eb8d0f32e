//! S-43: what verification takes says nothing about user and password. The figures are asked for,
//! as a machine that is busy with other things has none to give:
//!
//! ```sh
//! cargo test --release -p wirewright-auth --test all s43_timing -- --ignored --nocapture
//! ```
//!
//! `WIREWRIGHT_TIMING_SAMPLES` says how many are taken, 1 000 000 by default. A tenth of them is
//! taken of PBKDF2, and a hundredth of Argon2.

use std::hint::black_box;
use std::time::Instant;

use wirewright_auth::BasicUsers;

/// What Welch's t may be, for two classes that differ in nothing.
const MAX_T: f64 = 4.5;

/// Times of two classes, in nanoseconds, taken in random order.
struct Samples([Vec<f64>; 2]);

impl Samples {
    /// Verifies user and password of either class. Both are copied to the same place before, so
    /// that neither is nearer than the other.
    fn take(count: usize, users: &BasicUsers, classes: [(&str, &str); 2]) -> Self {
        let mut samples = Self([(); 2].map(|()| Vec::with_capacity(count)));
        let (mut name, mut password) = (String::with_capacity(64), String::with_capacity(64));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for i in 0..count + count / 20 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let class = usize::from(random & 1 == 1);
            name.clear();
            name.push_str(classes[class].0);
            password.clear();
            password.push_str(classes[class].1);
            let begin = Instant::now();
            let found = users.verify(black_box(&name), black_box(&password));
            let nanos = begin.elapsed().as_nanos();
            assert!(found.is_none());
            // The first ones warm caches and predictors.
            if i >= count / 20 {
                samples.0[class].push(f64::from(u32::try_from(nanos).unwrap_or(u32::MAX)));
            }
        }
        samples
    }

    /// Welch's t over the samples that are not above this share of all: the longest are those that
    /// were interrupted.
    fn t(&self, share: f64) -> f64 {
        let mut all = self.0.concat();
        all.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        #[expect(clippy::cast_precision_loss, reason = "of a few millions")]
        let last = ((all.len() - 1) as f64 * share) as usize;
        let [a, b] = self.0.each_ref().map(|class| moments(class, all[last]));
        (a.mean - b.mean) / (a.variance / a.count + b.variance / b.count).sqrt()
    }
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

fn moments(class: &[f64], most: f64) -> Moments {
    let kept = || class.iter().filter(|time| **time <= most);
    let count = kept().map(|_| 1.0).sum::<f64>();
    let mean = kept().sum::<f64>() / count;
    let squares = kept().map(|time| (time - mean).powi(2)).sum::<f64>();
    Moments { count, mean, variance: squares / (count - 1.0) }
}

fn pbkdf2(name: &str) -> BasicUsers {
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$j7ymnF+KnsjuM1pcWT8nzb39Vtyc7GA3Tx6Wb3EyXvg";
    BasicUsers::builder().user(name, hash, ["s"]).build().unwrap()
}

fn argon2(name: &str) -> BasicUsers {
    let hash =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    BasicUsers::builder().user(name, hash, ["s"]).build().unwrap()
}

fn plain(name: &str) -> BasicUsers {
    let mut users = BasicUsers::builder().allow_plain_passwords(true);
    for i in 0..100 {
        users = users.user(format!("user{i}"), format!("password of {i}"), ["s"]);
    }
    users.user(name, "correct horse battery staple", ["s"]).build().unwrap()
}

#[test]
#[ignore = "takes figures of time, which want a quiet machine and a release build"]
fn s43_timing_of_verification_says_nothing() {
    let asked = std::env::var("WIREWRIGHT_TIMING_SAMPLES").ok();
    let count: usize = asked.map_or(1_000_000, |count| count.parse().expect("a number"));
    let first = ("alice", "Xorrect horse battery staple");
    let last = ("alice", "correct horse battery staplX");
    let unknown = ("malli", "correct horse battery staplX");
    let mut worst = 0.0_f64;
    for (what, users, count, classes) in [
        ("plain: first or last byte wrong", plain("alice"), count, [first, last]),
        ("plain: user known or unknown", plain("alice"), count, [last, unknown]),
        ("pbkdf2: first or last byte wrong", pbkdf2("alice"), count / 10, [first, last]),
        ("pbkdf2: user known or unknown", pbkdf2("alice"), count / 10, [last, unknown]),
        ("argon2: user known or unknown", argon2("alice"), count / 100, [last, unknown]),
    ] {
        let samples = Samples::take(count, &users, classes);
        let shares = [1.0, 0.99, 0.9, 0.5];
        let ts = shares.map(|share| samples.t(share).abs());
        let shown: Vec<_> = shares.iter().zip(ts).map(|(at, t)| format!("{at}: {t:.2}")).collect();
        println!("{what}: {count} samples, |t| of the quickest {}", shown.join(", "));
        worst = ts.into_iter().fold(worst, f64::max);
    }
    println!("largest |t| {worst:.2}, at most {MAX_T} is allowed");
    assert!(worst < MAX_T, "{worst}");
}
