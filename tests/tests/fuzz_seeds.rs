//! Every committed seed of every fuzz target, through its body.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use wirewright_tests::fuzzing::TARGETS;

#[test]
fn every_seed_passes_its_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for (name, body) in TARGETS {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has no target");
        let mut seeds = 0;
        for seed in fs::read_dir(fuzz.join("seeds").join(name)).unwrap() {
            let path = seed.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(catch_unwind(|| body(&bytes)).is_ok(), "{}", path.display());
            seeds += 1;
        }
        assert!(seeds > 0, "{name} has no seeds");
    }
}

#[test]
fn every_target_takes_any_bytes() {
    let mut dice = wirewright_tests::rng::Dice::new(1);
    for (name, body) in TARGETS {
        for len in (0..40).chain([100, 500, 3_000]) {
            let bytes = dice.noise(len);
            assert!(catch_unwind(|| body(&bytes)).is_ok(), "{name}: {bytes:?}");
        }
    }
}
