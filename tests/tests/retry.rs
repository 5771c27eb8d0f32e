//! Delays between attempts to connect, as sequences (RFC 6455 §7.2.3; S-34).

use core::time::Duration;

use wirewright_core::Retry;

fn retry(change: impl FnOnce(&mut Retry)) -> Retry {
    let steady = changed(&Retry::default(), |it| it.jitter = false);
    changed(&steady, change)
}

fn changed(retry: &Retry, change: impl FnOnce(&mut Retry)) -> Retry {
    let mut retry = *retry;
    change(&mut retry);
    retry
}

#[track_caller]
fn check(retry: &Retry, milliseconds: &[u64]) {
    let found: Vec<_> = (0..).map_while(|at| retry.delay(at, 0)).take(milliseconds.len()).collect();
    let wanted: Vec<_> = milliseconds.iter().map(|&it| Duration::from_millis(it)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn s34_sequences() {
    let s = Duration::from_secs;
    check(&retry(|_| ()), &[1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    check(&retry(|it| it.factor = 1.0), &[1000, 1000, 1000, 1000]);
    check(&retry(|it| it.factor = 1.5), &[1000, 1500, 2250, 3375]);
    check(&retry(|it| it.factor = 57.3), &[1000, 30_000, 30_000]);
    check(&retry(|it| it.interval = Duration::from_millis(50)), &[50, 100, 200, 400, 800]);
    check(&retry(|it| it.interval = Duration::ZERO), &[0, 0, 0]);
    check(&retry(|it| it.interval = s(60)), &[30_000, 30_000]);
    check(&retry(|it| it.max_interval = s(5)), &[1000, 2000, 4000, 5000, 5000]);
    // Not a factor: constant.
    for factor in [0.0, 0.5, -2.0, f64::NAN, f64::NEG_INFINITY] {
        check(&retry(|it| it.factor = factor), &[1000, 1000, 1000]);
    }
    check(&retry(|it| it.factor = f64::INFINITY), &[1000, 30_000, 30_000]);
}

#[test]
fn max_count_ends_the_sequence() {
    for (max_count, delays) in [(Some(0), 0), (Some(1), 1), (Some(3), 3), (None, 1000)] {
        let retry = retry(|it| it.max_count = max_count);
        let found = (0..1000).map_while(|at| retry.delay(at, 0)).count();
        assert_eq!(found, delays);
    }
    assert_eq!(retry(|it| it.max_count = Some(u32::MAX)).delay(u32::MAX, 0), None);
}

#[test]
fn s34_jitter_takes_a_part() {
    let retry = retry(|it| it.jitter = true);
    for attempt in 0..40 {
        let whole = changed(&retry, |it| it.jitter = false).delay(attempt, 0).unwrap();
        assert_eq!(retry.delay(attempt, 0), Some(Duration::ZERO));
        assert_eq!(retry.delay(attempt, 1 << 63), Some(whole / 2));
        assert_eq!(retry.delay(attempt, 1 << 62), Some(whole / 4));
        let most = retry.delay(attempt, u64::MAX).unwrap();
        assert!(most < whole && whole - most <= Duration::from_nanos(10));
    }
}

#[test]
fn s34_health_and_retry_after() {
    let retry = retry(|_| ());
    let s = Duration::from_secs;
    assert_eq!(retry.attempt_after(7, s(4)), 7);
    assert_eq!(retry.attempt_after(7, s(5)), 0);
    assert_eq!(retry.delay_after(1, 0, s(10)), Some(s(12)));
    assert_eq!(retry.delay_after(1, 0, Duration::MAX), Some(s(302)));
    assert_eq!(changed(&retry, |it| it.max_count = Some(1)).delay_after(1, 0, s(1)), None);
}

#[test]
fn extremes_do_not_overflow() {
    let most = retry(|it| {
        (it.interval, it.max_interval) = (Duration::MAX, Duration::MAX);
        (it.factor, it.max_retry_after) = (f64::MAX, Duration::MAX);
    });
    for attempt in [0, 1, 2, u32::MAX] {
        assert_eq!(most.delay(attempt, 0), Some(Duration::MAX));
        assert_eq!(most.delay_after(attempt, 0, Duration::MAX), Some(Duration::MAX));
        let jittered = changed(&most, |it| it.jitter = true).delay(attempt, u64::MAX).unwrap();
        assert!(jittered < Duration::MAX && jittered > Duration::MAX / 2);
    }
}
