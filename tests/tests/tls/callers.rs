//! A listener's other ways of sending, its queues, and how connections end, over TLS.
