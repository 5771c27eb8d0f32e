//! The documents say what is so: the tests and files that they name exist, no row is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/ARCHITECTURE.md",
    "docs/DECISIONS.md",
    "docs/LIMITS.md",
    "docs/PERFORMANCE.md",
    "docs/PROTOCOL.md",
    "docs/SECURITY.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents that are there.
fn documents() -> impl Iterator<Item = (&'static str, String)> {
    let there = DOCUMENTS.into_iter().filter(|path| root().join(path).exists());
    there.map(|path| (path, read(path)))
}

/// All Rust sources below `folder`, as paths from the root.
fn sources(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            found.append(&mut sources(&path));
        } else if path.ends_with(".rs") {
            found.insert(path);
        }
    }
    found
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let folders = [
        "core/src",
        "net/src",
        "tls/src",
        "tls/tests",
        "auth/src",
        "auth/tests",
        "tests/src",
        "tests/tests",
    ];
    for path in folders.into_iter().flat_map(sources) {
        let text = read(&path);
        for part in text.split("#[test]\n").skip(1) {
            let name = part.split_once("fn ").unwrap().1.split('(').next().unwrap();
            names.insert(name.to_owned());
        }
    }
    names
}

/// The rows of all tables, as the cells by the name of their column.
fn rows(text: &str) -> Vec<Vec<(&str, &str)>> {
    let cells = |line| str::trim_matches(line, '|').split(" | ").map(str::trim);
    let mut rows = Vec::new();
    let mut head: Vec<&str> = Vec::new();
    for line in text.lines() {
        if !line.starts_with('|') {
            head.clear();
        } else if head.is_empty() {
            head = cells(line).collect();
        } else if !line.starts_with("|-") {
            let row: Vec<_> = head.iter().copied().zip(cells(line)).collect();
            assert_eq!(cells(line).count(), head.len(), "cells of {line}");
            rows.push(row);
        }
    }
    rows
}

fn cell<'a>(row: &[(&str, &'a str)], column: &str) -> Option<&'a str> {
    row.iter().find(|(name, _)| *name == column).map(|(_, cell)| *cell)
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_row_stands_once() {
    let range = |letter: char, width: usize, from: u32, to: u32| {
        (from..=to).map(move |number| format!("{letter}-{number:0width$}"))
    };
    let protocol = range('P', 3, 1, 100).chain(range('P', 3, 120, 124)).chain(range('D', 2, 1, 29));
    let expected = [
        ("docs/PROTOCOL.md", protocol.collect::<Vec<_>>()),
        ("docs/SECURITY.md", range('S', 2, 1, 49).collect()),
    ];
    for (path, expected) in expected {
        let text = read(path);
        let found: Vec<_> = rows(&text).iter().filter_map(|row| cell(row, "row")).collect();
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn rows_that_are_held_name_their_tests() {
    let mut found = Vec::new();
    for (path, text) in documents() {
        for row in rows(&text).iter().filter(|row| cell(row, "row").is_some()) {
            let (tests, state) = (cell(row, "tests").unwrap(), cell(row, "state").unwrap());
            if state.is_empty() || (state.starts_with("held") && quoted(tests).count() == 0) {
                found.push(format!("{path}: {}", cell(row, "row").unwrap()));
            }
        }
    }
    none(&found, "what is held is held by a test, and every row has its state");
}

#[test]
fn tests_that_are_named_exist() {
    let tests = tests();
    let mut found = Vec::new();
    for (path, text) in documents() {
        for row in rows(&text) {
            let columns = ["test", "tests", "test or place"];
            let cells = columns.iter().filter_map(|column| cell(&row, column));
            let names = cells.flat_map(quoted).filter(|name| !name.contains('/'));
            let missing = names.filter(|name| !tests.contains(*name));
            found.extend(missing.map(|name| format!("{path}: {name}")));
        }
    }
    none(&found, "a test that a document names exists");
}

#[test]
fn files_that_are_named_exist() {
    let mut found = Vec::new();
    let kinds = [".rs", ".md", ".sh", ".toml"];
    for (path, text) in documents() {
        let folder = root().join(path).parent().map(PathBuf::from).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.contains("://") && !folder.join(target).exists() {
                found.push(format!("{path}: link to {target}"));
            }
        }
        let places = ["core/", "net/", "tests/", "docs/", "fuzz/"];
        let named = quoted(&text).filter(|name| {
            places.iter().any(|place| name.starts_with(place))
                && kinds.iter().any(|kind| name.ends_with(kind))
                && !name.contains(' ')
        });
        let missing = named.filter(|name| !root().join(name).exists());
        found.extend(missing.map(|name| format!("{path}: {name}")));
    }
    none(&found, "a file that a document names exists");
}

#[test]
fn codemap_is_whole() {
    let text = read("docs/ARCHITECTURE.md");
    let mut mapped = BTreeSet::new();
    let packages = ["core/src", "net/src", "tls/src", "auth/src"];
    for (package, part) in packages.into_iter().zip(text.split("\n### ").skip(1)) {
        assert!(part.starts_with(package), "codemap of {package}");
        for row in rows(part) {
            // A row's first file has the folder of all.
            let mut folder = None;
            for name in quoted(cell(&row, "file").unwrap()) {
                let parts = name.rsplit_once('/');
                let folder = *folder.get_or_insert(parts.map_or("", |(folder, _)| folder));
                let name = parts.map_or(name, |(_, name)| name);
                let path = [package, folder, name].into_iter().filter(|part| !part.is_empty());
                mapped.insert(path.collect::<Vec<_>>().join("/"));
            }
        }
    }
    let there = packages.into_iter().flat_map(sources);
    let there = there.filter(|path| !path.ends_with("/tests.rs")).collect();
    let lost: Vec<String> = mapped.symmetric_difference(&there).cloned().collect();
    none(&lost, "docs/ARCHITECTURE.md maps each source file, and no other");
    assert!(text.lines().count() <= 200, "a map, not an atlas");
}

#[test]
fn readme_has_the_commands_of_ci() {
    let text = read("README.md");
    for mark in ["<!-- ci:run -->", "<!-- ci:test -->"] {
        let parts: Vec<&str> = text.split(mark).collect();
        assert_eq!(parts.len(), 2, "{mark} stands once");
        let block = parts[1].trim_start().strip_prefix("```sh\n").expect("a fenced block");
        let command = block.split("```").next().unwrap();
        assert!(command.starts_with("cargo "), "{mark}: {command}");
    }
}

#[test]
fn lines_of_documents_are_short() {
    let mut found = Vec::new();
    for (path, text) in documents() {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('|'));
        let long = lines.filter(|(_, line)| line.chars().count() > 100);
        found.extend(long.map(|(i, _)| format!("{path}:{}", i + 1)));
    }
    none(&found, "a line has 100 characters at most, tables apart");
}
