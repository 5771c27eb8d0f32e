//! Messages that are written into the outbox: the same bytes as of those that are sent.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wirewright_core::{FrameWriter, Message, MessageKind, Misuse, Outbox, Outgoing};
use wirewright_tests::alloc::Meter;
use wirewright_tests::raw;
use wirewright_tests::rng::Dice;
use wirewright_tests::splits::{FORGETFUL, FULL, Setup};

fn setups() -> Vec<Setup> {
    let agreements = [None, Some(FULL), Some(FORGETFUL)];
    let with = |agreement| Setup::both().map(|setup| Setup { agreement, ..setup });
    agreements.into_iter().flat_map(with).collect()
}

fn outgoing(setup: &Setup) -> Outgoing {
    Outgoing::new(setup.sender(), &setup.config, setup.agreement)
}

fn write(
    outgoing: &mut Outgoing,
    kind: MessageKind,
    out: &mut Outbox,
    write: impl FnOnce(FrameWriter<'_>),
) -> Result<(), Misuse> {
    outgoing.send_with(kind, out, |frame| {
        write(frame);
        Ok(())
    })
}

/// Writes the message in pieces as they fall.
fn in_pieces(message: Message<'_>, mut to: FrameWriter<'_>, dice: &mut Dice<'_>) {
    let mut rest = message.as_bytes();
    while !rest.is_empty() {
        let most = dice.pick(&[1, 7, 300, 20_000]);
        let (piece, later) = rest.split_at(rest.len().min(1 + dice.below(most)));
        to.extend(piece);
        rest = later;
    }
    assert_eq!(to.written(), message.as_bytes());
}

#[test]
fn a_written_message_is_the_same_as_one_that_is_sent() {
    let words = "price größer, size 17; ".repeat(9_000);
    let noise = Dice::new(3).noise(200_000);
    let lens = [0, 1, 10, 11, 12, 125, 126, 127, 300, 5_000, 65_535, 65_536, 65_537, 70_000];
    for setup in setups() {
        for size in [1_000, 65_536, usize::MAX] {
            let setup = setup.clone().with(|config| config.outgoing_frame_size = size);
            let mut dice = Dice::new(size as u64);
            let (mut sender, mut writer) = (outgoing(&setup), outgoing(&setup));
            let (mut sent, mut written) = (Outbox::new(), Outbox::new());
            for round in 0..2 * lens.len() {
                let len = lens[dice.below(lens.len())];
                let text = words.get(..len).or(words.get(..len + 1)).unwrap();
                let message = match round % 3 {
                    0 => Message::Binary(&noise[..len]),
                    _ => Message::Text(text),
                };
                sender.send(message, &mut sent).unwrap();
                let write = |to: FrameWriter<'_>| -> Result<(), Misuse> {
                    in_pieces(message, to, &mut dice);
                    Ok(())
                };
                writer.send_with(message.kind(), &mut written, write).unwrap();
                assert_eq!(written.len(), sent.len());
                assert!(written.poll_transmit() == sent.poll_transmit(), "{len} of {size}");
                // What waits may be nothing, a part of a frame or several.
                let gone = dice.pick(&[0, sent.len(), sent.len() / 2]);
                sent.transmitted(gone);
                written.transmitted(gone);
            }
        }
    }
}

#[test]
fn d28_a_written_message_may_opt_out() {
    for setup in Setup::both_deflated(FULL) {
        for size in [10, 65_536] {
            let setup = setup.clone().with(|config| config.outgoing_frame_size = size);
            let (mut sender, mut writer) = (outgoing(&setup), outgoing(&setup));
            let (mut sent, mut written) = (Outbox::new(), Outbox::new());
            let text = "over and over and over and over";
            sender.send_uncompressed(Message::Text(text), &mut sent).unwrap();
            let write = |mut to: FrameWriter<'_>| to.write_str(text).map_err(|_| Misuse::TextUtf8);
            writer.send_uncompressed_with(MessageKind::Text, &mut written, write).unwrap();
            assert_eq!(written.poll_transmit(), sent.poll_transmit());
            let frames = raw::sent(written.poll_transmit().unwrap());
            assert!(frames.iter().all(|frame| frame.first & 0x40 == 0));
        }
    }
}

#[test]
fn what_fails_half_way_leaves_nothing() {
    for setup in setups() {
        let mut outgoing = outgoing(&setup);
        for waiting in [0, 5, 70_000] {
            let mut out = Outbox::new();
            if waiting > 0 {
                outgoing.send(Message::Binary(&vec![1; waiting]), &mut out).unwrap();
                out.transmitted(2);
            }
            let before = out.poll_transmit().map(<[u8]>::to_vec);
            let failing = outgoing.send_with(MessageKind::Binary, &mut out, |mut to| {
                to.extend(&[7; 100_000]);
                Err(Misuse::PartKind)
            });
            assert_eq!(failing, Err(Misuse::PartKind));
            assert_eq!(out.poll_transmit(), before.as_deref());
            let panicking = catch_unwind(AssertUnwindSafe(|| {
                write(&mut outgoing, MessageKind::Binary, &mut out, |mut to| {
                    to.extend(&[7; 100]);
                    panic!("half-way");
                })
            }));
            assert!(panicking.is_err());
            assert_eq!(out.poll_transmit(), before.as_deref());
            // "the whole message MUST contain valid UTF-8" (RFC 6455 §5.6).
            for bytes in
                [&b"\xFF"[..], b"cut \xC3", &[&[b'x'; 9_000], &b"\xED\xA0\x80"[..]].concat()]
            {
                let bad =
                    write(&mut outgoing, MessageKind::Text, &mut out, |mut to| to.extend(bytes));
                assert_eq!(bad, Err(Misuse::TextUtf8));
                assert_eq!(out.poll_transmit(), before.as_deref());
            }
            write(&mut outgoing, MessageKind::Binary, &mut out, |mut to| to.extend(b"\xFF"))
                .unwrap();
            assert!(out.len() > before.map_or(0, |before| before.len()));
        }
    }
}

#[test]
fn nothing_is_written_between_parts_or_after_a_close() {
    for setup in setups() {
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        let never = |_: FrameWriter<'_>| panic!("called");
        outgoing.send_part(Message::Text("in "), false, &mut out).unwrap();
        let between = write(&mut outgoing, MessageKind::Text, &mut out, never);
        assert_eq!(between, Err(Misuse::MessageOpen));
        outgoing.send_part(Message::Text("parts"), true, &mut out).unwrap();
        outgoing.send_close(wirewright_core::Close::EMPTY, &mut out).unwrap();
        let after = write(&mut outgoing, MessageKind::Text, &mut out, never);
        assert_eq!(after, Err(Misuse::CloseSent));
    }
}

#[test]
fn no_allocation_per_written_message() {
    let words = "steady as she goes, ".repeat(2_000);
    for setup in setups() {
        for size in [1_000, 65_536] {
            let setup = setup.clone().with(|config| config.outgoing_frame_size = size);
            let mut outgoing = outgoing(&setup);
            let mut out = Outbox::new();
            let mut round = || {
                for len in [0, 1, 125, 4_000, 20_000] {
                    for piece in [3, 1_000] {
                        write(&mut outgoing, MessageKind::Text, &mut out, |mut to| {
                            words.as_bytes()[..len].chunks(piece).for_each(|it| to.extend(it));
                        })
                        .unwrap();
                    }
                    out.transmitted(out.len());
                    out.settle();
                }
            };
            (0..20).for_each(|_| round());
            let meter = Meter::new();
            (0..40).for_each(|_| round());
            assert_eq!(meter.allocations(), 0, "{setup:?}");
        }
    }
}
