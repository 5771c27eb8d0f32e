#![no_main]

use libfuzzer_sys::fuzz_target;
use wirewright_tests::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::pem(data));
