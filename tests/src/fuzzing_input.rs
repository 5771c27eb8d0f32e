//! What a fuzzer's bytes stand for: options, and frames that are not all refused at once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use wirewright_core::Role;
use wirewright_core::deflate::Agreement;

use crate::raw;
use crate::rng::Dice;
use crate::splits::{FORGETFUL, FULL, Setup};

/// A receiver with limits that short inputs reach.
pub(crate) fn setup(dice: &mut Dice<'_>) -> Setup {
    let flags = dice.below(256);
    let setup = if flags & 1 == 0 { Setup::server() } else { Setup::client() };
    let agreement = match flags >> 1 & 3 {
        0 | 1 => None,
        2 => Some(FULL),
        _ => Some(small(dice)),
    };
    let mut setup = Setup { agreement, ..setup };
    setup.config.streaming = flags & 8 != 0;
    let limits = &mut setup.config.limits;
    if flags & 16 != 0 {
        limits.max_frame_size = dice.pick(&[0, 1, 10, 125, 126, 200]);
    }
    if flags & 32 != 0 {
        limits.max_message_size = dice.pick(&[0, 1, 10, 125, 126, 1000]);
    }
    if flags & 64 != 0 {
        limits.max_fragments = dice.pick(&[1, 2, 3]);
    }
    if flags & 128 != 0 {
        limits.max_control_frames = dice.pick(&[0, 1, 2]);
    }
    setup
}

fn small(dice: &mut Dice<'_>) -> Agreement {
    let bits = (8 + dice.below(8)).to_le_bytes()[0];
    let base = if dice.one_in(2) { FULL } else { FORGETFUL };
    Agreement { server_max_window_bits: bits, client_max_window_bits: bits, ..base }
}

/// Frames with the fuzzer's choices, most of which keep the rules.
pub(crate) fn built(setup: &Setup, dice: &mut Dice<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut open = false;
    while !dice.is_used_up() && bytes.len() < 8_192 {
        let (choice, odd) = (dice.below(256), dice.one_in(16));
        let data = choice & 3 != 0;
        let opcode = match choice >> 2 & 7 {
            _ if odd => choice >> 4,
            _ if data && open => 0,
            2.. if data => 1,
            _ if data => 2,
            1..=4 => 9,
            5.. => 10,
            _ => 8,
        };
        let fin = !data || odd || choice & 0x60 != 0;
        let rsv1 = data && opcode != 0 && setup.agreement.is_some() && choice & 0x80 != 0;
        open = if data { !fin } else { open };
        let first = u8::from(fin) << 7 | u8::from(rsv1) << 6 | (opcode & 15).to_le_bytes()[0];
        let payload = payload(rsv1, data, dice);
        if odd && dice.one_in(2) {
            // Its length need not be that of what follows.
            bytes.extend(raw::odd_header(setup.role, first, first ^ 0x5A, dice.raw(8)));
            bytes.extend(payload);
        } else {
            bytes.extend(raw::frame(setup.role, first, &payload));
        }
    }
    bytes
}

fn payload(compressed: bool, data: bool, dice: &mut Dice<'_>) -> Vec<u8> {
    let len = match dice.below(8) {
        0 => 0,
        1 if data => 120 + dice.below(12),
        2 if data => dice.below(600),
        _ => dice.below(20),
    };
    match dice.below(8) {
        0 | 1 if compressed => raw::HELLO_DEFLATED.to_vec(),
        0 => "κόσμε, \u{10FFFF}".repeat(len / 16 + 1).into_bytes()[..len.min(14)].to_vec(),
        1 => [0x03, 0xE8].into_iter().chain(*b"bye").collect(),
        2..=4 => vec![b'x'; len],
        _ => dice.raw(len).to_vec(),
    }
}

/// Compressed messages, in frames, whose compressed bytes are the fuzzer's.
pub(crate) fn deflated(dice: &mut Dice<'_>) -> (Setup, Vec<u8>) {
    let role = if dice.one_in(2) { Role::Client } else { Role::Server };
    let mut setup = Setup { role, agreement: Some(small(dice)), ..Setup::server() };
    setup.config.limits.max_message_size = dice.pick(&[100, 4_096, 65_536]);
    let text = u8::from(dice.one_in(4));
    let mut bytes = Vec::new();
    while !dice.is_used_up() {
        let len = dice.below(256);
        let payload = dice.raw(len);
        let opcode = 0x42 - text;
        if payload.len() > 2 && payload[0] & 1 == 0 {
            let (first, rest) = payload.split_at(payload.len() / 2);
            bytes.extend(raw::frame(role, opcode, first));
            bytes.extend(raw::frame(role, 0x80, rest));
        } else {
            bytes.extend(raw::frame(role, 0x80 | opcode, payload));
        }
    }
    (setup, bytes)
}

/// A secret of the seeds', which shows in no error.
pub(crate) const CANARY: &str = "Ca9-kQz7";

/// A file that is gone when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(content: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("wirewright-fuzz-{process}-{next}"));
        std::fs::write(&path, content).expect("a file in the folder for such");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
