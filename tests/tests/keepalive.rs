//! When pings are due and peers dead (RFC 6455 §5.5.2; S-15).

use core::time::Duration;

use wirewright_core::{KeepAlive, KeepAliveAction, KeepAliveOptions, Wake, WakeReason};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wake(at: u64, reason: WakeReason) -> Option<Wake> {
    Some(Wake { at: seconds(at), reason })
}

#[track_caller]
fn ping(keep_alive: &mut KeepAlive, now: u64) -> [u8; 8] {
    match keep_alive.handle_timeout(seconds(now)) {
        KeepAliveAction::Ping(payload) => payload,
        other => panic!("{other:?} at {now}"),
    }
}

#[test]
fn pings_after_silence_and_gives_up() {
    let mut it = KeepAlive::new(KeepAliveOptions::default(), seconds(100));
    assert_eq!(it.poll_timeout(), wake(125, WakeReason::Ping));
    assert_eq!(it.handle_timeout(seconds(124)), KeepAliveAction::None);
    ping(&mut it, 125);
    assert_eq!(it.poll_timeout(), wake(145, WakeReason::Dead));
    assert_eq!(it.handle_timeout(seconds(144)), KeepAliveAction::None);
    assert_eq!(it.handle_timeout(seconds(145)), KeepAliveAction::Dead);
    assert_eq!(it.handle_timeout(seconds(200)), KeepAliveAction::Dead);
}

#[test]
fn activity_moves_no_timer_and_outdates_it() {
    let mut it = KeepAlive::new(KeepAliveOptions::default(), seconds(0));
    it.activity(seconds(10));
    // The wake-up at 25 comes all the same and finds nothing due.
    assert_eq!(it.handle_timeout(seconds(25)), KeepAliveAction::None);
    assert_eq!(it.poll_timeout(), wake(35, WakeReason::Ping));
}

#[test]
fn whatever_comes_proves_life() {
    let mut it = KeepAlive::new(KeepAliveOptions::default(), seconds(0));
    let payload = ping(&mut it, 25);
    // A frame that is no Pong, at the very instant of the Ping.
    it.activity(seconds(25));
    assert_eq!(it.handle_timeout(seconds(45)), KeepAliveAction::None);
    assert_eq!(it.poll_timeout(), wake(50, WakeReason::Ping));
    // The Pong still says how long it took.
    assert_eq!(it.pong(seconds(47), &payload), Some(seconds(22)));
    assert_eq!(it.poll_timeout(), wake(72, WakeReason::Ping));
}

#[test]
fn s15_round_trip_by_matching_payload_only() {
    let mut it = KeepAlive::new(KeepAliveOptions::default(), seconds(0));
    assert_eq!(it.pong(seconds(1), b""), None);
    let payload = ping(&mut it, 26);
    for foreign in [&b""[..], b"pong", &payload[..7], &[0; 125]] {
        assert_eq!(it.pong(seconds(27), foreign), None);
    }
    assert_eq!(it.pong(seconds(28), &payload), Some(seconds(2)));
    assert_eq!(it.pong(seconds(29), &payload), None);
    // The next Ping is another, and a late Pong of the first is none of it.
    let next = ping(&mut it, 54);
    assert_ne!(next, payload);
    assert_eq!(it.pong(seconds(55), &payload), None);
    assert_eq!(it.pong(seconds(56), &next), Some(seconds(2)));
    for _ in 0..1_000_000 {
        assert_eq!(it.pong(seconds(57), &payload), None);
    }
    assert_eq!(it.poll_timeout(), wake(82, WakeReason::Ping));
}

#[test]
fn options_off() {
    let mut off = KeepAlive::new(KeepAliveOptions::off(), seconds(0));
    assert_eq!(off.poll_timeout(), None);
    assert_eq!(off.handle_timeout(Duration::MAX), KeepAliveAction::None);

    let mut options = KeepAliveOptions::default();
    options.timeout = None;
    let mut patient = KeepAlive::new(options, seconds(0));
    ping(&mut patient, 25);
    assert_eq!(patient.poll_timeout(), wake(50, WakeReason::Ping));
    ping(&mut patient, 50);
}

#[test]
fn extremes_do_not_overflow() {
    let mut options = KeepAliveOptions::default();
    (options.interval, options.timeout) = (Some(Duration::ZERO), Some(Duration::MAX));
    let mut it = KeepAlive::new(options, Duration::MAX - Duration::from_millis(1));
    assert!(matches!(it.handle_timeout(Duration::MAX), KeepAliveAction::Ping(_)));
    let dead = Wake { at: Duration::MAX, reason: WakeReason::Dead };
    assert_eq!(it.poll_timeout(), Some(dead));
    // A clock that went back measures nothing, and does not panic.
    assert_eq!(it.pong(Duration::ZERO, b"ping\0\0\0\0"), Some(Duration::ZERO));
}
