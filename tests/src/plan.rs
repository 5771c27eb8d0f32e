//! What one run of a [`Pair`](crate::pair::Pair) is about: options, limits, faults.

use std::time::Duration;

use wirewright_core::deflate::{Agreement, accept, answer, offer};
use wirewright_core::{Compression, Config};

use crate::rng::Dice;
use crate::wire::Fault;

/// What is drawn before a run begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Options of the client and of the server.
    pub configs: [Config; 2],
    /// What they agreed on.
    pub agreement: Option<Agreement>,
    /// Whether they begin with a handshake, or after it.
    pub handshake: bool,
    /// What is wrong with the wire from the client, and with the one from the server.
    pub faults: [Option<Fault>; 2],
    /// Whether each side is one [`Connection`](wirewright_core::Connection), or two halves.
    pub whole: [bool; 2],
    /// Turns until the faults stop.
    pub turns: usize,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(dice: &mut Dice<'_>) -> Self {
        let mut configs = [Config::client(), Config::server()];
        for config in &mut configs {
            config.streaming = dice.one_in(4);
            config.outgoing_frame_size = match dice.below(6) {
                0 => 1 + dice.below(20),
                1 => dice.pick(&[125, 126, 127, 1000]),
                _ => 65_536,
            };
            limit(config, dice);
        }
        let how = dice.below(4);
        let agreement = match how {
            0 | 1 => negotiate(&mut configs, dice),
            2 => Some(agree(&mut configs, dice)),
            _ => {
                configs.iter_mut().for_each(|config| config.compression = None);
                None
            }
        };
        // A handshake agrees on what `negotiate` does, and on nothing where nobody compresses.
        let handshake = how != 2 && dice.one_in(3);
        let mut faults = [None, None];
        if dice.one_in(3) {
            let at = dice.pick(&[1, 20, 200, 2_000, 20_000]);
            let at = dice.below(at) as u64;
            let fault = if dice.one_in(2) { Fault::End(at) } else { Fault::Break(at) };
            faults[dice.below(2)] = Some(fault);
        }
        let whole = [dice.one_in(2), dice.one_in(2)];
        Self { configs, agreement, handshake, faults, whole, turns: 20 + dice.below(140) }
    }
}

/// Small limits, each in some runs.
fn limit(config: &mut Config, dice: &mut Dice<'_>) {
    let limits = &mut config.limits;
    if dice.one_in(12) {
        limits.max_frame_size = dice.pick(&[0, 1, 16, 125, 126, 1000]);
    }
    if dice.one_in(12) {
        limits.max_message_size = dice.pick(&[0, 1, 64, 127, 1000, 5000]);
    }
    if dice.one_in(12) {
        limits.max_fragments = dice.pick(&[1, 2, 8]);
    }
    if dice.one_in(12) {
        limits.max_control_frames = dice.pick(&[1, 3, 10]);
    }
    if dice.one_in(12) {
        limits.max_assembly_time = Duration::from_millis(dice.below(100) as u64);
    }
}

fn compression(dice: &mut Dice<'_>) -> Compression {
    let mut compression = Compression::default();
    // No truncation: all are below 16.
    let mut small = |range: usize, from: usize| (from + dice.below(range)).to_le_bytes()[0];
    compression.level = small(10, 0);
    compression.send_window_bits = small(8, 8);
    compression.receive_window_bits = small(8, 8);
    compression.threshold = dice.pick(&[0, 0, 1, 20, 500]);
    compression.send_takeover = dice.one_in(2);
    compression.receive_takeover = dice.one_in(2);
    compression
}

/// An agreement from an offer and its answer; both sides must read it alike.
fn negotiate(configs: &mut [Config; 2], dice: &mut Dice<'_>) -> Option<Agreement> {
    let (client, server) = (compression(dice), compression(dice));
    let offer = offer(&client);
    let answered = answer(&server, std::iter::once(offer.as_str()));
    let answered = answered.unwrap_or_else(|error| panic!("{offer} refused: {error}"));
    configs[0].compression = Some(client.clone());
    configs[1].compression = Some(server);
    let (agreement, answer) = answered?;
    let accepted = accept(&client, &answer);
    assert_eq!(accepted, Ok(agreement), "{offer} answered by {answer}");
    Some(agreement)
}

/// An agreement that the two sides' options have no part in.
fn agree(configs: &mut [Config; 2], dice: &mut Dice<'_>) -> Agreement {
    configs[0].compression = Some(compression(dice));
    configs[1].compression = Some(compression(dice));
    Agreement {
        server_no_context_takeover: dice.one_in(2),
        client_no_context_takeover: dice.one_in(2),
        server_max_window_bits: (8 + dice.below(8)).to_le_bytes()[0],
        client_max_window_bits: (8 + dice.below(8)).to_le_bytes()[0],
    }
}
