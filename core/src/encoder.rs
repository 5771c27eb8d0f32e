//! Frames into an outbox: payload copied behind its header, and masked on the way.

use crate::header::{FrameHeader, MAX_HEADER};
use crate::mask::{self, Mask};
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
#[inline(always)]
pub(crate) fn frame(
    kind: FrameKind,
    payload: &[u8],
    keys: Option<&mut MaskingKeys>,
    out: &mut Outbox,
) {
    // One branch for both roles, so that neither pays for the other's.
    match keys {
        None => append(kind, payload, None, out, mask::copy),
        Some(keys) => {
            let key = keys.next_key();
            append(kind, payload, Some(key), out, |to, from| Mask::new(key).xor_copy(to, from));
        }
    }
}

#[inline(always)]
fn append(
    kind: FrameKind,
    payload: &[u8],
    key: Option<[u8; 4]>,
    out: &mut Outbox,
    copy: impl FnOnce(&mut [u8], &[u8]),
) {
    let room = out.buffer.reserve(MAX_HEADER + payload.len());
    // What was reserved is there: the `else` has no case.
    let Some(head) = room.first_chunk_mut::<MAX_HEADER>() else { return };
    let size = header(kind, payload.len(), key).encode(head);
    copy(&mut room[size..size + payload.len()], payload);
    out.buffer.advance(size + payload.len());
}

/// Appends a message, or a part of one, as frames of at most `size` bytes of payload.
#[inline]
pub(crate) fn frames(
    kind: FrameKind,
    payload: &[u8],
    size: usize,
    keys: Option<&mut MaskingKeys>,
    out: &mut Outbox,
) {
    if payload.len() <= size {
        return frame(kind, payload, keys, out);
    }
    cut(kind, payload, size, keys, out);
}

fn cut(
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
        // Type and compression are said once, by the first frame (RFC 6455 §5.4, RFC 7692 §6.1).
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
