//! What the user of one side of a [`Pair`](crate::pair::Pair) does, drawn by chance.

use wirewright_core::{Close, Message, MessageKind, Misuse};

use crate::rng::Dice;
use crate::side::{Item, Side};

impl Side {
    /// One operation, or none. What it sends is noted; what may not be done has no effect.
    pub(crate) fn act(&mut self, dice: &mut Dice<'_>) {
        match dice.below(24) {
            0..=7 => self.send(dice),
            8..=12 => self.send_part(dice),
            13..=15 => {
                let payload = control_payload(dice);
                let result = self.append(|half, out| half.send_ping(&payload, out));
                self.sent_control(result, Item::Ping(payload));
            }
            16..=17 => {
                let payload = control_payload(dice);
                let result = self.append(|half, out| half.send_pong(&payload, out));
                self.sent_control(result, Item::Pong(payload));
            }
            18 => self.misuse(dice),
            19 if dice.one_in(4) => self.close(dice),
            _ => {}
        }
    }

    /// Sends a Close, with a code and reason that may be sent.
    pub(crate) fn close(&mut self, dice: &mut Dice<'_>) {
        let code = dice.pick(&[0, 1000, 1001, 1003, 1011, 3000, 4999]);
        let len = dice.pick(&[0, 5, 121, 122, 123]);
        let reason = if code == 0 { String::new() } else { text(len, dice) };
        let close = Close::new(code, &reason).unwrap_or(Close::EMPTY);
        let item = Item::Close(close.code().value(), close.reason().to_owned());
        let result = self.append(|half, out| half.send_close(close, out));
        self.sent_control(result, item);
    }

    /// Ends a message that is being sent in parts.
    pub(crate) fn complete(&mut self) {
        if let Some((kind, bytes)) = self.open.take() {
            let empty = match kind {
                MessageKind::Text => Message::Text(""),
                MessageKind::Binary => Message::Binary(&[]),
            };
            let result = self.append(|half, out| half.send_part(empty, true, out));
            if result.is_ok() {
                self.sent(kind, bytes);
            } else {
                assert!(self.close_sent, "{result:?} for a part");
                self.open = Some((kind, bytes));
            }
        }
    }

    fn send(&mut self, dice: &mut Dice<'_>) {
        let len = size(dice);
        let (string, bytes);
        let message = if dice.one_in(2) {
            string = text(len, dice);
            Message::Text(&string)
        } else {
            bytes = binary(len, dice);
            Message::Binary(&bytes)
        };
        self.longest = self.longest.max(len);
        let how = dice.below(8);
        let result = self.append(|half, out| match how {
            0 => half.send_uncompressed(message, out),
            1 => match half.head(message)? {
                Some(head) => {
                    out.extend(&head);
                    out.extend(message.as_bytes());
                    Ok(())
                }
                None => half.send(message, out),
            },
            _ => half.send(message, out),
        });
        match result {
            Ok(()) => self.sent(message.kind(), message.as_bytes().to_vec()),
            Err(Misuse::CloseSent) => assert!(self.close_sent, "no Close was sent"),
            Err(error) => {
                assert_eq!(error, Misuse::MessageOpen);
                assert!(self.open.is_some() && !self.close_sent, "no message was open");
            }
        }
    }

    fn send_part(&mut self, dice: &mut Dice<'_>) {
        let begun = self.open.as_ref().map(|(kind, _)| *kind);
        let drawn = if dice.one_in(2) { MessageKind::Text } else { MessageKind::Binary };
        let kind = if dice.one_in(20) { drawn } else { begun.unwrap_or(drawn) };
        let (len, last) = (size(dice) / 2, dice.one_in(3));
        let (string, bytes);
        let part = match kind {
            MessageKind::Text => {
                string = text(len, dice);
                Message::Text(&string)
            }
            MessageKind::Binary => {
                bytes = binary(len, dice);
                Message::Binary(&bytes)
            }
        };
        self.longest = self.longest.max(len);
        match self.append(|half, out| half.send_part(part, last, out)) {
            Ok(()) => {
                let (_, whole) = self.open.get_or_insert((kind, Vec::new()));
                whole.extend_from_slice(part.as_bytes());
                self.tap.doom.size |= whole.len() as u64 > self.tap.peer.max_message_size;
                if last && let Some((kind, whole)) = self.open.take() {
                    self.sent(kind, whole);
                }
            }
            Err(Misuse::CloseSent) => assert!(self.close_sent, "no Close was sent"),
            Err(error) => {
                assert_eq!(error, Misuse::PartKind);
                assert!(begun.is_some_and(|begun| begun != kind), "one type throughout");
            }
        }
    }

    /// What may not be done; [`append`](Self::append) sees to it that nothing is.
    fn misuse(&mut self, dice: &mut Dice<'_>) {
        let long = vec![0; 126 + dice.below(1000)];
        let result = self.append(|half, out| half.send_ping(&long, out));
        let expected =
            if self.close_sent { Misuse::CloseSent } else { Misuse::ControlTooLong(long.len()) };
        assert_eq!(result, Err(expected));
        let reason = "r".repeat(124);
        assert_eq!(Close::new(1000, &reason), Err(Misuse::CloseReasonTooLong(124)));
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert_eq!(Close::new(code, ""), Err(Misuse::CloseCode(code)));
        }
    }

    fn sent(&mut self, kind: MessageKind, bytes: Vec<u8>) {
        assert!(!self.close_sent, "a message after the Close");
        let mut doom = self.tap.doom;
        doom.size |= bytes.len() as u64 > self.tap.peer.max_message_size;
        self.note(Item::Message(kind, bytes, doom));
    }

    fn sent_control(&mut self, result: Result<(), Misuse>, item: Item) {
        let expected = if self.close_sent { Err(Misuse::CloseSent) } else { Ok(()) };
        assert_eq!(result, expected, "{item:?}");
        if result.is_ok() {
            self.note(item);
        }
    }
}

fn size(dice: &mut Dice<'_>) -> usize {
    match dice.below(16) {
        0 | 1 => 0,
        2..=7 => dice.below(64),
        8 => dice.pick(&[125, 126, 127, 128]),
        9..=12 => dice.below(600),
        13 => dice.below(3_000),
        14 if dice.one_in(24) => dice.pick(&[65_535, 65_536, 65_537, 70_000]),
        _ => dice.below(200),
    }
}

fn control_payload(dice: &mut Dice<'_>) -> Vec<u8> {
    let len = match dice.below(6) {
        0 => 0,
        1 => 125,
        _ => dice.below(40),
    };
    dice.noise(len)
}

/// Bytes that compress badly, well, or in part.
fn binary(len: usize, dice: &mut Dice<'_>) -> Vec<u8> {
    let mut bytes = dice.noise(len);
    match dice.below(4) {
        0 => {}
        1 => bytes.fill(0),
        _ => {
            let period = 1 + dice.below(300);
            for at in period..len {
                bytes[at] = bytes[at - period];
            }
        }
    }
    bytes
}

/// Text of at most so many bytes, and as many where its characters allow.
fn text(len: usize, dice: &mut Dice<'_>) -> String {
    const WORDS: [&str; 8] = ["price", "{\"id\":", "κόσμε", "é", "\u{10FFFF}", "日本", "\0", " "];
    let mut text = String::with_capacity(len + 8);
    let mut dice = Dice::new(dice.number());
    let few = if dice.one_in(2) { 2 } else { WORDS.len() };
    loop {
        let word = WORDS[dice.below(few)];
        if text.len() + word.len() > len {
            break;
        }
        text.push_str(word);
    }
    while text.len() < len {
        text.push('.');
    }
    text
}
