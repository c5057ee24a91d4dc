//! Cinder's database, by tests/cloud/database.py: a module of tests/cloud.rs.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::var;

/// Has tests/cloud/database.py begin to do something with Cinder's database.
pub fn start(arguments: &[&str], input: &Value) -> Child {
    let mut python = Command::new(var("CLOUD_PYTHON"));
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud/database.py")).arg(var("CLOUD_DATABASE_URL"));
    let mut child = python.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), input).unwrap();
    child
}

/// Has it do that, and returns its output.
pub fn run(arguments: &[&str], input: &Value) -> Vec<u8> {
    let output = start(arguments, input).wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}
