//! The rules of `ARCHITECTURE.md` about imports: they run downwards only.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// From the lowest layer to the highest: a module imports from its layer or a lower one.
const LAYERS: [&[&str]; 7] = [
    &["generated"],
    &["query"],
    &["error", "token"],
    &["transport"],
    &["paging"],
    &["list", "show", "client"],
    &["keystone", "mock", "guide"],
];

fn layer(module: &str) -> usize {
    let is_in = |layer: &&[&str]| layer.contains(&module);
    LAYERS.iter().position(is_in).unwrap_or_else(|| panic!("{module} is in no layer: add it to this test"))
}

/// The code of a file without its comments and its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The names after each `crate::`.
fn imports(code: &str) -> Vec<&str> {
    let name = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut imports = Vec::new();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            None => imports.push(&path[..name(path)]),
            Some(group) => {
                let (mut depth, mut start) = (0, true);
                for (at, char) in group.char_indices() {
                    match char {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        char if start && !char.is_whitespace() => {
                            imports.push(&group[at..at + name(&group[at..])]);
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    imports
}

/// The module of each name that `lib.rs` re-exports.
fn reexports(lib: &str) -> HashMap<String, String> {
    let code = code(lib);
    let uses = code.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
    let mut reexports = HashMap::new();
    for path in uses {
        let (module, names) = path.split_once("::").unwrap_or((path, path));
        for name in names.split([',', '{', '}', ' ']).filter_map(|name| name.rsplit("::").next()) {
            reexports.insert(name.to_owned(), module.to_owned());
        }
    }
    reexports
}

/// The imports of a file from a higher layer.
fn upwards(module: &str, text: &str, reexports: &HashMap<String, String>) -> Vec<String> {
    let code = code(text);
    // The contract's types are re-exported as a whole.
    let is_type = |name: &str| name.starts_with(char::is_uppercase);
    let generated = |name: &str| if is_type(name) { "generated" } else { name }.to_owned();
    let of = |name: &str| reexports.get(name).cloned().unwrap_or_else(|| generated(name));
    let modules = imports(&code).into_iter().map(of);
    modules.filter(|imported| imported != "reqwest" && layer(imported) > layer(module)).collect()
}

fn files(folder: &Path, see: &mut impl FnMut(&Path, String)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, see);
        } else {
            see(&path, fs::read_to_string(&path).unwrap());
        }
    }
}

/// Test code may import from everywhere.
const OF_TESTS: [&str; 2] = ["schedules.rs", "in_process.rs"];

#[test]
fn imports_run_downwards_only() {
    let src = src();
    let reexports = reexports(&fs::read_to_string(src.join("lib.rs")).unwrap());
    assert_eq!(reexports["Error"], "error");
    assert_eq!(reexports["Cursor"], "query");
    let mut seen = 0;
    files(&src, &mut |path, text| {
        let relative = path.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || OF_TESTS.iter().any(|name| path.ends_with(name)) {
            return;
        }
        seen += imports(&code(&text)).len();
        let upwards = upwards(module, &text, &reexports);
        assert!(upwards.is_empty(), "{} imports {upwards:?}, which is above it", relative.display());
    });
    assert!(seen > 50, "only {seen} imports were read");

    for (module, text) in [
        ("query", "use crate::Error;"),
        ("query", "use crate::{Link, Error};"),
        ("transport", "use crate::paging::Pager;"),
        ("error", "use crate::{\n    query::{Cursor, Value},\n    transport::Row,\n};"),
        ("paging", "fn list(page: crate::Client) {}"),
        ("list", "use crate::keystone;"),
    ] {
        assert_eq!(upwards(module, text, &reexports).len(), 1, "{module}: {text}");
    }
    assert!(upwards("query", "/// [`crate::Client`]\nuse crate::Link;", &reexports).is_empty());
}

/// The words that a folder may not have.
#[test]
fn no_folder_knows_what_is_not_its_own() {
    for (folder, unknown) in [
        ("query", &["reqwest", "progenitor", "HeaderMap"][..]),
        ("paging", &["token", "Token", "HeaderValue", "StatusCode", "progenitor", "reqwest::"]),
        ("keystone", &["ListBackups", "paging"]),
    ] {
        files(&src().join(folder), &mut |path, text| {
            if OF_TESTS.iter().any(|name| path.ends_with(name)) {
                return;
            }
            let code = code(&text);
            for word in unknown {
                assert!(!code.contains(word), "{} has {word:?}", path.display());
            }
        });
    }
}
