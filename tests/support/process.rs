//! Processes that tests start: the test itself, alone in one, and the example.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Set in the process that runs one test alone.
const ALONE: &str = "VBS_CLIENT_TEST_ALONE";

/// Runs a test's body in a process of its own, where no other test uses memory or the trace.
///
/// The test has to call this with a closure that it contains, and do nothing else.
pub fn in_own_process<F: FnOnce()>(test: F) {
    let path = std::any::type_name::<F>();
    let name = path.split_once("::").and_then(|(_, name)| name.split_once("::{{closure}}")).unwrap().0;
    if env::var(ALONE).is_ok_and(|alone| alone == name) {
        return test();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let Output { status, stdout, stderr } =
        command.args(["--exact", name, "--nocapture"]).env(ALONE, name).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("1 passed"), "{name}: {status}\n{stdout}\n{stderr}");
}

/// A runtime of one thread, with its clock paused or not.
pub fn runtime(paused: bool) -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(paused).build().unwrap()
}

/// The example, without the settings of whoever runs the tests, in a folder that has none. It is built where it has to
/// be.
pub fn example() -> Command {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(EXAMPLE.get_or_init(build_example));
    let is_setting = |name: &str| name.starts_with("OS_") || name.starts_with("VBS_") || name == "XDG_CONFIG_HOME";
    for (name, _) in env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let folder = env!("CARGO_TARGET_TMPDIR");
    command.current_dir(folder).env("HOME", folder).env("NO_PROXY", "127.0.0.1");
    command
}

/// Built by the cargo and into the target directory of this test, where `cargo test` without a name
/// has built it already.
fn build_example() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).and_then(Path::file_name).unwrap().to_str().unwrap();
    let profile = if profile == "debug" { "dev" } else { profile };
    let Output { status, stdout, stderr } = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "list_backups", "--message-format", "json", "--profile", profile])
        // In the repository a dev-dependency turns it on, which the published package has not.
        .args(["--features", "mock"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .arg("--target-dir")
        .arg(target)
        .output()
        .unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let messages = String::from_utf8(stdout).unwrap();
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable")
}
