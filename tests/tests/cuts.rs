//! Ways to cut a handshake into the pieces in which it arrives.

/// Whole, in pieces of one to seventeen bytes, at every place in two, and at seeded places.
pub(crate) fn cuts(input: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let even = [1, 2, 3, 5, 17].into_iter().map(|size| input.chunks(size).collect());
    let in_two = (1..input.len()).map(|at| {
        let (first, second) = input.split_at(at);
        vec![first, second]
    });
    let seeded = (0..8).map(|seed| seeded(input, seed));
    std::iter::once(vec![input]).chain(even).chain(in_two).chain(seeded)
}

/// Pieces of up to 64 bytes; the same seed gives the same ones.
fn seeded(mut input: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed;
    let mut pieces = Vec::new();
    while !input.is_empty() {
        // The generator of Knuth's MMIX; its upper bits are the better ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = usize::try_from(state >> 58).unwrap() + 1;
        let (piece, rest) = input.split_at(size.min(input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}
