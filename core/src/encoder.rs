//! Frames into an outbox: payload copied behind its header, and masked on the way.

use crate::header::{FrameHeader, MAX_HEADER};
use crate::mask::Mask;
use crate::masking_keys::MaskingKeys;
use crate::opcode::OpCode;
use crate::outbox::Outbox;

/// Which frame of which message.
#[derive(Clone, Copy)]
pub(crate) struct FrameKind {
    pub(crate) opcode: OpCode,
    pub(crate) rsv1: bool,
    pub(crate) fin: bool,
}

/// Appends one frame.
#[inline]
pub(crate) fn frame(
    kind: FrameKind,
    payload: &[u8],
    keys: Option<&mut MaskingKeys>,
    out: &mut Outbox,
) {
    let key = keys.map(MaskingKeys::next_key);
    let room = out.buffer.reserve(MAX_HEADER + payload.len());
    // What was reserved is there: the `else` has no case.
    let Some(head) = room.first_chunk_mut::<MAX_HEADER>() else { return };
    let size = header(kind, payload.len(), key).encode(head);
    let place = &mut room[size..size + payload.len()];
    match key {
        Some(key) => Mask::new(key).copy(place, payload),
        None => place.copy_from_slice(payload),
    }
    out.buffer.advance(size + payload.len());
}

/// Appends a message, or a part of one, as frames of at most `size` bytes of payload.
#[inline]
pub(crate) fn frames(
    mut kind: FrameKind,
    payload: &[u8],
    size: usize,
    mut keys: Option<&mut MaskingKeys>,
    out: &mut Outbox,
) {
    let fin = kind.fin;
    let mut rest = payload;
    while rest.len() > size {
        let (now, later) = rest.split_at(size);
        kind.fin = false;
        frame(kind, now, keys.as_deref_mut(), out);
        // "The opcode and RSV1 of the first frame speak for the message" (RFC 6455 §5.4,
        // RFC 7692 §6.1).
        kind.opcode = OpCode::Continuation;
        kind.rsv1 = false;
        rest = later;
    }
    kind.fin = fin;
    frame(kind, rest, keys, out);
}

#[inline]
pub(crate) fn header(kind: FrameKind, len: usize, mask: Option<[u8; 4]>) -> FrameHeader {
    let FrameKind { opcode, rsv1, fin } = kind;
    FrameHeader { fin, rsv1, opcode, mask, len: len as u64 }
}
