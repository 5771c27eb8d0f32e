//! What the tests share: ways to split an input, oracles, and a wire between two connections.
