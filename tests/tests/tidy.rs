//! The house rules that can be counted. What rustfmt and clippy hold is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that users run: no test, no example, no tool.
const SHIPPED: [&str; 4] = ["core", "net", "tls", "auth"];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace about this package").to_owned()
}

/// All text files of the project, with their paths from its root.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let generated = ["target", ".git", "corpus", "artifacts", "coverage", "__pycache__"];
            if path.is_dir() {
                if !generated.contains(&name) {
                    folders.push(path);
                }
                continue;
            }
            let from_root = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let kind = path.extension().and_then(|kind| kind.to_str());
            let text = ["rs", "toml", "md", "sh", "py", "yml", "yaml", "json"];
            if kind.is_some_and(|kind| text.contains(&kind)) || from_root.starts_with(".ci/") {
                files.extend(fs::read_to_string(&path).ok().map(|text| (from_root, text)));
            }
        }
    }
    files.sort();
    assert!(files.len() > 60, "the project was not found");
    files
}

fn sources() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter(|(path, _)| path.ends_with(".rs"))
}

/// Files that consist of tests.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// A source without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |end| &text[..end])
}

#[track_caller]
fn none(found: impl IntoIterator<Item = String>, rule: &str) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn top_level_is_the_plan() {
    let may = [
        "Cargo.toml",
        "Cargo.lock",
        "core",
        "net",
        "tls",
        "auth",
        "tests",
        "fuzz",
        "docs",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "rustfmt.toml",
        "clippy.toml",
        "deny.toml",
    ];
    // What git knows: anybody may have a file of their own lying about.
    let git = Command::new("git").args(["ls-files"]).current_dir(root()).output();
    let Ok(known) = git else {
        return;
    };
    let known = String::from_utf8(known.stdout).unwrap();
    let names: BTreeSet<&str> = known.lines().filter_map(|path| path.split('/').next()).collect();
    let others = names.into_iter().filter(|name| !name.starts_with('.') && !may.contains(name));
    none(others.map(str::to_owned), "only what docs/ARCHITECTURE.md names stands at the top");
}

#[test]
fn files_are_short() {
    let long = sources().filter(|(path, _)| !is_test(path)).filter_map(|(path, text)| {
        let lines = without_tests(&text).lines().count();
        (lines > 400).then(|| format!("{path}: {lines}"))
    });
    none(long, "a file has 400 lines at most, tests apart");
}

#[test]
fn lines_are_short() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().enumerate().filter(|(_, line)| line.chars().count() > 100);
        found.extend(lines.map(|(i, _)| format!("{path}:{}", i + 1)));
    }
    none(found, "a line has 100 characters at most");
}

#[test]
fn files_say_what_they_are_for() {
    // A file of unit tests stands beside what it tests, and a fuzz target is a name for one line.
    let clear = |path: &str| path.ends_with("/tests.rs") || path.starts_with("fuzz/fuzz_targets/");
    let silent = sources().filter(|(path, text)| !clear(path) && !text.starts_with("//! "));
    none(silent.map(|(path, _)| path), "a file begins with what it is for");
}

#[test]
fn panics_have_their_proof_beside_them() {
    let words = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    let mut found = Vec::new();
    for (path, text) in sources() {
        let shipped = SHIPPED.iter().any(|package| path.starts_with(&format!("{package}/src/")));
        if !shipped || is_test(&path) {
            continue;
        }
        let mut above = "";
        for (i, line) in without_tests(&text).lines().enumerate() {
            let code = line.trim_start();
            let risky = words.iter().any(|word| code.contains(word));
            let explained = code.contains("//") || above.trim_start().starts_with("//");
            if risky && !explained {
                found.push(format!("{path}:{}: {code}", i + 1));
            }
            above = line;
        }
    }
    none(found, "what may panic says why it does not");
}

/// The tables of a manifest, line by line: enough of TOML for ours.
fn tables(manifest: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut table = "";
    for line in manifest.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => table = name,
            None => drop(tables.entry(table).or_default().insert(line)),
        }
    }
    tables
}

#[test]
fn nothing_is_unsafe() {
    let manifest = |package: &str| fs::read_to_string(root().join(package).join("Cargo.toml"));
    let workspace = manifest("").unwrap();
    let lints = &tables(&workspace)["workspace.lints.rust"];
    assert!(lints.contains("unsafe_code = \"forbid\""));
    let mut found = Vec::new();
    for package in SHIPPED {
        let Ok(manifest) = manifest(package) else {
            continue;
        };
        let inherits =
            tables(&manifest).get("lints").is_some_and(|lints| lints.contains("workspace = true"));
        found.extend((!inherits).then(|| format!("{package} has lints of its own")));
    }
    // The tests may have an allocator, and it is the only one.
    let tests = manifest("tests").unwrap();
    let own = &tables(&tests)["lints.rust"];
    assert!(own.contains("unsafe_code = \"deny\""));
    assert_eq!(own.difference(lints).count(), 1, "other lints are the workspace's");
    let own = &tables(&tests)["lints.clippy"];
    assert!(own.is_subset(&tables(&workspace)["workspace.lints.clippy"]));
    for (path, text) in sources().filter(|(path, _)| !path.starts_with("tests/peers/")) {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let blocks = ["unsafe {", "unsafe fn", "unsafe impl"];
        let found_here = code.clone().any(|line| blocks.iter().any(|word| line.contains(word)));
        if found_here && path != "tests/src/alloc.rs" && path != "tests/tests/tidy.rs" {
            found.push(path);
        }
    }
    none(found, "no unsafe code");
}

#[test]
fn engine_is_arithmetic_on_bytes() {
    let mut found = Vec::new();
    for (path, text) in sources().filter(|(path, _)| path.starts_with("core/src/")) {
        let code = without_tests(&text);
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let words = ["std::", "Instant", "SystemTime", "getrandom", "thread"];
        let bad = code.filter(|line| words.iter().any(|word| line.contains(word)));
        if !is_test(&path) {
            found.extend(bad.map(|line| format!("{path}: {line}")));
        }
    }
    none(found, "the engine cannot open, wait, spawn, or ask the time or the dice");
    let lib = fs::read_to_string(root().join("core/src/lib.rs")).unwrap();
    assert!(lib.contains("\n#![no_std]\n"));
}

#[test]
fn halves_do_not_know_each_other() {
    let mut found = Vec::new();
    let rules = [
        ("core/src/decoder", &["crate::encoder", "crate::outgoing", "crate::outbox"][..]),
        ("core/src/encoder", &["crate::decoder", "crate::incoming", "crate::inbox"]),
        ("core/src/incoming", &["crate::encoder", "crate::outbox"]),
        ("core/src/outgoing", &["crate::decoder", "crate::incoming", "crate::inbox"]),
        ("core/src/handshake", &["crate::decoder", "crate::encoder", "crate::incoming"]),
        ("core/src/deflate", &["crate::decoder", "crate::encoder", "crate::header"]),
    ];
    for (path, text) in sources() {
        for (place, strangers) in rules.iter().filter(|(place, _)| path.starts_with(place)) {
            let imports = without_tests(&text).lines().filter(|line| line.starts_with("use "));
            let bad = imports.filter(|line| strangers.iter().any(|name| line.contains(name)));
            found.extend(bad.map(|line| format!("{path}: {line} ({place})")));
        }
    }
    none(found, "decoder and encoder, and the halves, share no memory and no code");
}

#[test]
fn no_websocket_library_is_a_dependency() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \""));
    let names = names.map(|name| name.trim_end_matches('"'));
    let bad = names.filter(|name| {
        let websocket = ["websocket", "tungstenite", "soketto", "yawc", "ratchet_rs"];
        websocket.iter().any(|word| name.contains(word)) || *name == "ws" || name.ends_with("-ws")
    });
    none(bad.map(str::to_owned), "framing is ours; peers are in tests/peers alone");
}

#[test]
fn text_is_at_home_anywhere() {
    // In pieces, as this file is read as well.
    let words = [
        ["/wo", "rk/"],
        ["/tmp/tar", "get"],
        ["/ro", "ot/"],
        ["helper a", "gent"],
        ["FIX", "ME"],
        ["TO", "DO"],
    ];
    let mut found = Vec::new();
    for (path, text) in files() {
        for (i, line) in text.lines().enumerate() {
            let bad = words.iter().map(|word| word.concat()).find(|word| line.contains(word));
            found.extend(bad.map(|word| format!("{path}:{}: {word}", i + 1)));
        }
    }
    none(found, "no path of one machine, and nothing that is yet to be done");
}

#[test]
fn tests_that_the_documents_name_exist() {
    let mut defined = BTreeSet::new();
    for (_, text) in sources() {
        for part in text.split("fn ").skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            defined.insert(part[..end.unwrap_or(part.len())].to_owned());
        }
    }
    let mut found = Vec::new();
    for (path, text) in files().into_iter().filter(|(path, _)| path.starts_with("docs/")) {
        for name in text.split('`').skip(1).step_by(2) {
            let name = name.rsplit("::").next().unwrap_or(name);
            let mut chars = name.chars();
            let row = matches!(chars.next(), Some('p' | 's' | 'd'))
                && chars.clone().take(2).all(|c| c.is_ascii_digit())
                && name.contains('_')
                && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if row && !defined.contains(name) {
                found.push(format!("{path}: {name}"));
            }
        }
    }
    none(found, "a test that a document names exists");
}
