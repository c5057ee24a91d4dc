//! What the modules share: the tool, and servers for it.

use std::process::{Command, Output};

use serde_json::{Value, json};

#[path = "../../../tests/support/http.rs"]
#[allow(dead_code, reason = "the crate's tests use all of it")]
pub mod http;
#[path = "../../../tests/support/server.rs"]
#[allow(dead_code, reason = "the crate's tests use all of it")]
pub mod server;
#[path = "../../../tests/support/tls.rs"]
#[allow(dead_code, reason = "the crate's tests use all of it")]
pub mod tls;

use server::Server;

pub const TOKEN: &str = "gAAAAABl-not-a-real-token-but-as-secret";
pub const PROJECT_ID: &str = "b23b579f08c84228b9b4673c46f0c442";

/// The tool, without the settings of the user who runs the tests.
pub fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vbs-backups"));
    let is_setting = |name: &str| name.starts_with("OS_") || name.starts_with("VBS_") || name == "XDG_CONFIG_HOME";
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let folder = env!("CARGO_TARGET_TMPDIR");
    command.current_dir(folder).env("HOME", folder).env("NO_PROXY", "127.0.0.1");
    command
}

/// The tool, with the settings of a server.
pub fn with(server: &Server) -> Command {
    let mut command = tool();
    command.env("VBS_ENDPOINT", server.endpoint()).env("OS_PROJECT_ID", PROJECT_ID).env("OS_TOKEN", TOKEN);
    command
}

/// The exit code, and what goes to standard output and to standard error.
pub fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The same, while a server of the test's own runtime responds.
pub async fn served(mut command: Command) -> (Option<i32>, String, String) {
    tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
}

/// With demo data.
pub fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    output(tool().args(arguments))
}

/// A page with these ids and a next link with this query.
pub fn page(ids: &[&str], next: Option<&str>) -> Value {
    let backups: Vec<_> = ids.iter().map(|id| json!({"id": id, "name": null, "links": []})).collect();
    let mut page = json!({"backups": backups});
    if let Some(query) = next {
        page["backups_links"] = json!([{"rel": "next", "href": format!("http://192.0.2.1/x?{query}")}]);
    }
    page
}
