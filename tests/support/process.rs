//! Runs a test alone in a process of its own.

use std::env;
use std::process::{Command, Output};

use tokio::runtime::{Builder, Runtime};

/// Set in the process that runs one test alone.
const ALONE: &str = "VBS_CLIENT_TEST_ALONE";

/// Runs a test's body in a process of its own, where no other test uses memory or the trace.
///
/// The test has to call this with a closure that it contains, and do nothing else.
pub fn in_own_process<F: FnOnce()>(test: F) {
    in_own_process_with(|_| {}, test);
}

/// The same in a process that is set up first, such as its environment.
pub fn in_own_process_with<F: FnOnce()>(set_up: impl FnOnce(&mut Command), test: F) {
    let path = std::any::type_name::<F>();
    let name = path.split_once("::").and_then(|(_, name)| name.split_once("::{{closure}}")).unwrap().0;
    if env::var(ALONE).is_ok_and(|alone| alone == name) {
        return test();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    set_up(command.args(["--exact", name, "--nocapture"]).env(ALONE, name));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("1 passed"), "{name}: {status}\n{stdout}\n{stderr}");
}

/// A runtime of one thread, with its clock paused or not.
pub fn runtime(paused: bool) -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(paused).build().unwrap()
}
