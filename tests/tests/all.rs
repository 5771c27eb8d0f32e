//! The tests of wirewright, one module a subject.

